"""``org set --sensitive``: nothing of a sensitive entity is read until an org turns it on, and nothing is shown."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.defs.assets.preview import shown_columns
from openfaith_sync.domain.connections.selection import (
    describe_selection,
    explain_unselected,
    parse_sensitive,
    select_entities,
)
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.added_entity import NOTE, add_note
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.making import fetch

GRACE = OrgId("grace")
COMMENT = EntityName("comment")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return manifests whose notes are sensitive, and whose comments need a note each."""
    folder = add_note(tmp_path)
    file = folder / "pco/people.yaml"
    text = "description: A note about a person."
    file.write_text(
        file.read_text().replace(text, f"{text}\n    sensitivity: sensitive")
        + """
  comment:
    resource: Comment
    description: A comment on a note.
    endpoints: {list: /comments, get: "/comments/{id}"}
    order_by: [updated_at]
    delta: {by: ordered, attribute: updated_at, overlap_seconds: 300}
    relationships:
      note: {target: note, resource: Note, nullable: false, always: true}
    attributes:
      updated_at: {type: date_time}
"""
    )
    return folder


@pytest.fixture
def manifest(root: Path) -> Manifest:
    return read_manifest(root, "pco")


@pytest.fixture
def church(manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=60, rate=None), manifest) as simulator:
        yield simulator


def test_a_sensitive_entity_is_read_once_it_is_turned_on(
    run_stored: Run, database: Database, root: Path, manifest: Manifest, church: RunningSimulator
) -> None:
    def run(*words: str) -> str:
        done = run_stored(*words, OPENFAITH_MANIFESTS=str(root))
        assert done.exit_code == 0, done.output
        return done.stdout

    run("org", "add", GRACE, "--basic", "demo:demo", "--base-url", church.base_url)
    run("sync", GRACE)
    asked = {request["path"].rpartition("/")[2] for request in church.requests()}
    assert "people" in asked
    assert not asked & {"notes", "comments"}
    assert fetch(database, "SELECT count(*) FROM pco.notes") == [(0,)]
    assert "sensitive ones are off: note, comment" in run("org", "set", GRACE)

    told = json.loads(run("org", "set", GRACE, "--sensitive", NOTE, "--json"))
    assert told["sensitive"] == [NOTE]
    assert {NOTE, COMMENT} <= set(told["entities"])
    run("sync", GRACE, "--entity", NOTE)
    assert fetch(database, "SELECT count(*) > 0 FROM pco.notes") == [(True,)]
    assert shown_columns(manifest.entities[NOTE]) == ("id", "synced_at")

    run("org", "set", GRACE, "--sensitive", "none")
    church.clear_requests()
    run("sync", GRACE)
    assert "notes" not in {request["path"].rpartition("/")[2] for request in church.requests()}


def test_a_sensitive_entity_is_turned_on_when_a_church_is_connected(
    run_stored: Run, root: Path, church: RunningSimulator
) -> None:
    words = ("org", "add", GRACE, "--basic", "demo:demo", "--base-url", church.base_url)
    added = run_stored(*words, "--sensitive", NOTE, OPENFAITH_MANIFESTS=str(root))
    assert "entities are synced" in added.stdout
    again = run_stored(*words, "--json", OPENFAITH_MANIFESTS=str(root))
    assert json.loads(again.stdout)["sensitive"] == [NOTE]


def test_what_needs_a_sensitive_entity_is_off_with_it(manifest: Manifest) -> None:
    everything = set(manifest.entities)
    assert everything - set(select_entities(manifest, None, ())) == {NOTE, COMMENT}
    assert everything - set(select_entities(manifest, ["people"], [])) >= {NOTE, COMMENT}
    assert set(select_entities(manifest, None, [NOTE])) == everything
    why = {name: str(error) for name, error in explain_unselected(manifest, GRACE, None, ()).items()}
    assert why == {
        NOTE: "pco/note is sensitive and grace has not turned it on; turn it on with: "
        "openfaith-sync org set grace --adapter pco --sensitive note",
        COMMENT: "pco/comment requires note, which is sensitive and grace has not turned it on; turn it on with: "
        "openfaith-sync org set grace --adapter pco --sensitive note",
    }
    assert describe_selection(manifest, None, [NOTE]) == f"all {len(everything)} entities are synced"


@pytest.mark.parametrize("text", ["person", "nothing", ""])
def test_only_a_sensitive_entity_can_be_turned_on(manifest: Manifest, text: str) -> None:
    with pytest.raises(
        UsageError, match=r"expected none, or sensitive or optional entities of the pco manifest.*it has note"
    ):
        parse_sensitive(manifest, text)
