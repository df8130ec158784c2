"""The README's commands work, each room's README matches its folder, and what is referred to is defined."""

import os
import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.defaults import DELETION_COUNT, DELETION_SHARE, DELTA_EVERY, REJECTED_SHARE
from openfaith_sync.domain.manifest.graph_drawing import draw_svg
from openfaith_sync.domain.passes.rejections import FEW
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "openfaith_sync"
TESTS = ROOT / "openfaith_sync_tests"
ROOMS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(text: str) -> list[str]:
    """Return the command lines of the shell blocks, comments taken off."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@cache
def texts_of_the_project() -> dict[str, str]:
    """Return the text of every source file and document by its path."""
    folders = [ROOT / name for name in ("openfaith_sync", "openfaith_sync_tests", "manifests", "docs")]
    paths = [path for folder in folders for path in folder.rglob("*")] + list(ROOT.glob("*"))
    kinds = {".py", ".md", ".yaml", ".toml"}
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if path.suffix in kinds and path.is_file()}


@cache
def names_in_code() -> set[str]:
    """Return every name in the code and the manifests."""
    texts = [text for name, text in texts_of_the_project().items() if not name.endswith(".md")]
    return {name for text in texts for name in re.findall(r"\w+", text)}


@pytest.mark.long
def test_the_readmes_commands_work_in_their_order(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name in ("dagster.yaml", "workspace.yaml", "manifests", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    unset = {"OPENFAITH_DATABASE_URL", "OPENFAITH_SECRET_KEYS", "OPENFAITH_HOME", "OPENFAITH_MANIFESTS", "DAGSTER_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    ran = []
    settings = SimulatorSettings(people=120, rate=parse_rate("1000000/20"))
    with running_simulator(settings, read_manifest(ROOT / "manifests", "pco")) as simulator:
        for command in commands((ROOT / "README.md").read_text()):
            if command.startswith("make "):
                # CI runs these two themselves; here it counts that they are there.
                assert (
                    subprocess.run(
                        ["make", "-n", command.split()[1]], cwd=ROOT, capture_output=True, check=False
                    ).returncode
                    == 0
                )
                continue
            here = command.replace("org add grace", f"org add grace --base-url {simulator.base_url}")
            done = subprocess.run(
                here,
                shell=True,
                cwd=tmp_path,
                env=environment,
                input="demo:demo\n",
                text=True,
                capture_output=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
            ran.append(command)
    assert len(ran) >= 5
    stop = [str(ROOT / ".venv/bin/python"), "-m", "openfaith_sync.store.embedded", "stop"]
    subprocess.run(stop, cwd=tmp_path, env=environment, check=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_only_make_targets_paths_and_links_that_exist(document: Path) -> None:
    text = document.read_text()
    assert set(re.findall(r"`make ([\w-]+)", text)) <= MAKE_TARGETS
    for path in re.findall(r"`((?:docs|openfaith_sync|openfaith_sync_tests|manifests)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|md|yaml))`", text):
        assert any((folder / path).exists() for folder in (ROOT, PACKAGE, TESTS)), path
    modules = {path.name for folder in (PACKAGE, TESTS) for path in folder.rglob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", text)) <= modules
    assert set(re.findall(r"`((?:[A-Z][a-z]+){2,})\W", text)) <= names_in_code()
    for path in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (document.parent / path).exists(), path


def test_the_readmes_drawing_is_that_of_people() -> None:
    manifest = read_manifest(ROOT / "manifests", "pco")
    people = {name for name, entity in manifest.entities.items() if entity.module == "people"}
    assert (ROOT / "docs/images/dependencies.svg").read_text() == draw_svg(manifest.graph.among(people)), (
        "draw it again: openfaith-sync graph --adapter pco --module people --format svg -o docs/images/dependencies.svg"
    )


def test_the_readme_counts_the_entities_of_each_app() -> None:
    manifest = read_manifest(ROOT / "manifests", "pco")
    counted = Counter(entity.module for entity in manifest.entities.values())
    rows = re.findall(r"^\| ([\w-]+) \| (\d+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {app.lower().replace("-", "_"): int(number) for app, number in rows} == counted


def test_the_documents_state_the_defaults() -> None:
    deletions = f"more than {DELETION_COUNT} records and (more than )?{DELETION_SHARE * 100:g} % in 24 hours"
    for document, statement in (
        ("README.md", deletions),
        ("README.md", f"more than {FEW} records and {REJECTED_SHARE * 100:g} %, or all, fails"),
        ("README.md", f"for changes every {DELTA_EVERY.total_seconds() / 60:g} minutes"),
        ("docs/ARCHITECTURE.md", deletions),
        ("docs/decisions/0005-deletions-with-evidence.md", f"{DELETION_COUNT} and {DELETION_SHARE * 100:g} % \\|"),
    ):
        text = " ".join((ROOT / document).read_text().split())
        assert re.search(statement, text, re.IGNORECASE), f"{document} must say: {statement}"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_rooms_readme_names_its_files_and_no_others(room: Path) -> None:
    lines = (room / "README.md").read_text().splitlines()
    assert len(lines) <= 40
    named = set(re.findall(r"[\w/]+\.py", "\n".join(lines)))
    files = {path.name for path in room.rglob("*.py") if "migrations" not in path.parts} - {"__init__.py"}
    missing = files - {Path(name).name for name in named}
    assert not missing, f"add {sorted(missing)} to the table in {room.name}/README.md"
    for name in named:
        places = [PACKAGE / name, ROOT / name, ROOT / "openfaith_sync_tests" / room.name / name]
        assert name in files or any(place.exists() for place in [*places, *room.rglob(name)]), f"{name} is not there"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_a_rooms_readme_names_its_folders_and_no_others(room: Path) -> None:
    named = set(re.findall(r"^\| `([\w/]+)/` \|", (room / "README.md").read_text(), re.MULTILINE))
    folders = {
        str(path.parent.relative_to(room)) for path in room.glob("*/**/__init__.py") if "migrations" not in path.parts
    }
    assert named == folders, f"the table of folders in {room.name}/README.md differs from the room"


def test_the_list_of_decisions_is_complete() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("0*.md"))


def test_each_fact_about_a_source_that_is_referred_to_exists() -> None:
    for name, text in texts_of_the_project().items():
        for document, numbers in re.findall(r"(docs/\w+\.md)((?:,?\s+\d+(?:\.\d+)?)+)", text):
            sections = set(re.findall(r"^##+ (\d+(?:\.\d+)?)\b", (ROOT / document).read_text(), re.MULTILINE))
            assert set(re.findall(r"\d+(?:\.\d+)?", numbers)) <= sections, f"{name}: {document}{numbers}"
        assert not re.search(r"\bfacts(?:\.md)? (?:section )?\d", text), name


def test_the_glossary_is_alphabetical_and_names_files_that_exist() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| .+ \| `([^`]+)` \|$", (ROOT / "docs/GLOSSARY.md").read_text(), re.MULTILINE)
    terms = [term for term, _ in rows if term != "term"]
    assert len(terms) > 50
    assert terms == sorted(set(terms))
    for term, path in rows:
        assert (ROOT / path).exists(), f"{term}: {path}"
        text = path + (ROOT / path).read_text().lower()
        assert all(word.removesuffix("y") in text for word in term.split()), f"{path} does not speak of: {term}"


def test_the_drawing_of_the_rooms_names_every_room() -> None:
    drawing = (ROOT / "docs/ARCHITECTURE.md").read_text().split("```")[1]
    assert {room.name for room in ROOMS} <= set(re.findall(r"\w+", drawing))


def test_each_law_names_tests_that_exist_and_each_test_of_a_law_is_named() -> None:
    laws = re.split(r"^### Law (\d+): ", (ROOT / "docs/ARCHITECTURE.md").read_text(), flags=re.MULTILINE)[1:]
    assert laws[::2] == [str(number) for number in range(1, 16)]
    named = [set(re.findall(r"`(\w+/test_\w+\.py)`", text.split("Tests:")[1])) for text in laws[1::2]]
    assert all(named)
    for path in set().union(*named):
        assert (TESTS / path).exists(), path
    assert {f"laws/{path.name}" for path in (TESTS / "laws").glob("test_*.py")} <= set().union(*named)


def test_no_law_is_referred_to_that_there_is_not() -> None:
    for name, text in texts_of_the_project().items():
        referred = re.findall(r"\b[Ll]aws? (\d+(?:(?:, | and | to )\d+)*)", text)
        for kept in re.findall(r"^Laws kept here: ((?:.+\n)+)", text, re.MULTILINE):
            referred += re.findall(r"((?:\d+ and )?\b\d+) \(", kept)
        numbers = {int(number) for found in referred for number in re.findall(r"\d+", found)}
        assert numbers <= set(range(1, 16)), name
