import re
import shutil
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_schemas import MODELS, schema_file, schema_text
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.ten_entities import MANIFESTS, SHIPPED


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    return tmp_path / "manifests"


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_right_manifest_is_said_to_be_right_with_its_counts(run: Run) -> None:
    answer = run("manifest", "check")
    assert answer.exit_code == 0
    assert re.search(r"^pco: valid; \d\d+ entities in 2 modules, ", answer.stdout, re.MULTILINE)


def test_every_mistake_is_a_line_on_standard_error(run: Run, manifests: Path) -> None:
    replace(manifests / "pco/people.yaml", "table: campuses", "table: sites")
    replace(manifests / "pco/groups.yaml", "product: groups", "product: group")
    answer = run("manifest", "check", "pco", OPENFAITH_MANIFESTS=str(manifests))
    assert answer.exit_code == 1
    first, second = answer.stderr.splitlines()
    assert first.startswith("manifests/pco/groups.yaml:3: product: found 'group', expected ")
    assert second.startswith("manifests/pco/people.yaml:8: entities.campus.table: found 'sites', expected one of ")
    assert answer.stdout == ""


def test_a_hard_cycle_is_a_mistake_that_names_the_cycle(run: Run, manifests: Path) -> None:
    replace(manifests / "pco/people.yaml", "depends_on: {soft: [household]}", "depends_on: {hard: [address]}")
    answer = run("manifest", "check", OPENFAITH_MANIFESTS=str(manifests))
    assert answer.exit_code == 1
    assert "person" in answer.stderr
    assert "address" in answer.stderr


def test_an_unknown_adapter_names_the_known_ones(run: Run) -> None:
    answer = run("manifest", "check", "nope")
    assert answer.exit_code == 1
    assert answer.stderr == "openfaith-sync: there is no adapter 'nope'; the known ones: breeze, pco\n"


def test_a_folder_without_manifests_names_the_setting(run: Run, tmp_path: Path) -> None:
    answer = run("manifest", "check", OPENFAITH_MANIFESTS=str(tmp_path))
    assert answer.exit_code == 1
    assert "OPENFAITH_MANIFESTS" in answer.stderr


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_schema_files_are_current(kind: str) -> None:
    assert (SHIPPED / schema_file(kind)).read_text(encoding="utf-8") == schema_text(kind), (
        "run: openfaith-sync manifest schema --write"
    )


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*/*.yaml")), ids=lambda path: path.name)
def test_every_manifest_file_points_editors_at_its_schema(path: Path) -> None:
    modeline = path.read_text(encoding="utf-8").splitlines()[0]
    pointed = modeline.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / pointed).resolve().name == schema_file("adapter" if path.name == "adapter.yaml" else "module")


def test_the_schema_is_printed_for_a_kind_of_file(run: Run) -> None:
    answer = run("manifest", "schema", "adapter")
    assert answer.exit_code == 0
    assert answer.stdout == schema_text("adapter")


def test_schemas_are_written_beside_the_manifests(run: Run, manifests: Path) -> None:
    for kind in MODELS:
        (manifests / schema_file(kind)).unlink()
    assert run("manifest", "schema", "--write", OPENFAITH_MANIFESTS=str(manifests)).exit_code == 0
    for kind in MODELS:
        assert (manifests / schema_file(kind)).read_text(encoding="utf-8") == schema_text(kind)


def test_an_unknown_kind_of_file_is_wrong_usage(run: Run) -> None:
    answer = run("manifest", "schema", "pages")
    assert answer.exit_code == 2
    assert "'adapter', 'module'" in answer.stderr
