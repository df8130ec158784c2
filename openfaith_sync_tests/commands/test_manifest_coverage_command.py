import json
import shutil
from pathlib import Path

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.ten_entities import MANIFESTS

EXCLUDED = "    Carrier: {excluded: a constant list}\n"


@pytest.fixture
def manifests(tmp_path: Path, pco_manifest: Manifest) -> Path:
    """A folder of manifests with a coverage file for the ten entities, and a resource that is excluded."""
    root = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, root)
    lines = ["resources:\n"]
    for module in ("groups", "people"):
        entities = [entity for entity in pco_manifest.entities.values() if entity.module == module]
        lines += [f"  {module}:\n", *(f"    {entity.resource}: {{synced: {entity.name}}}\n" for entity in entities)]
    (root / "pco.coverage.yaml").write_text("".join([*lines, EXCLUDED]), encoding="utf-8")
    return root


def test_the_document_is_printed_or_written(run: Run, manifests: Path, tmp_path: Path) -> None:
    printed = run("manifest", "coverage", "pco", OPENFAITH_MANIFESTS=str(manifests))
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert printed.stdout.startswith("# What is synced from Planning Center Online\n")
    page = tmp_path / "page.md"
    written = run("manifest", "coverage", "pco", "-o", str(page), OPENFAITH_MANIFESTS=str(manifests))
    assert (written.exit_code, written.stdout) == (0, f"wrote {page}\n")
    assert page.read_text(encoding="utf-8") == printed.stdout


def test_programs_read_each_resource_with_its_decision(run: Run, manifests: Path) -> None:
    answer = run("manifest", "coverage", "pco", "--json", OPENFAITH_MANIFESTS=str(manifests))
    rows = {row["resource"]: row for row in json.loads(answer.stdout)}
    nothing = {"entity": None, "table": None, "reason": None}
    email = {"entity": "email", "table": "openfaith.emails"}
    assert rows["Email"] == nothing | {"product": "people", "resource": "Email", "decision": "synced"} | email
    carrier = {"product": "people", "resource": "Carrier", "decision": "excluded", "reason": "a constant list"}
    assert rows["Carrier"] == nothing | carrier


def test_programs_are_not_written_for(run: Run, manifests: Path, tmp_path: Path) -> None:
    words = ("manifest", "coverage", "pco", "--json", "-o", str(tmp_path / "page"))
    assert run(*words, OPENFAITH_MANIFESTS=str(manifests)).exit_code == 1
    assert not (tmp_path / "page").exists()


def test_contradictions_with_the_manifest_fail(run: Run, manifests: Path) -> None:
    file = manifests / "pco.coverage.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("{synced: email}", "{excluded: dull}"), encoding="utf-8")
    answer = run("manifest", "coverage", "pco", OPENFAITH_MANIFESTS=str(manifests))
    assert (answer.exit_code, answer.stdout, answer.stderr) == (1, "", "email: the entity of no resource\n")


def test_a_resource_has_exactly_one_decision(run: Run, manifests: Path) -> None:
    file = manifests / "pco.coverage.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "    Tab: {synced: tab, excluded: dull}\n    App: {}\n")
    answer = run("manifest", "coverage", "pco", OPENFAITH_MANIFESTS=str(manifests))
    assert answer.exit_code == 1
    assert answer.stderr.count("expected exactly one of synced, rides, reference, derived, excluded") == 2


def test_an_adapter_without_the_file_names_it(run: Run) -> None:
    answer = run("manifest", "coverage", "breeze")
    assert answer.exit_code == 1
    assert "breeze.coverage.yaml" in answer.stderr
