"""A new entity is an entry in the manifest and nothing else: no code, no migration, no command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.defs.assets.entity_assets import build_entity_assets
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.admin.reports import read_frame
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.added_entity import NOTE, add_note
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.making import fetch

GRACE, PCO = OrgId("grace"), AdapterName("pco")
PERSON = EntityName("person")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return add_note(tmp_path)


@pytest.fixture
def manifest(root: Path) -> Manifest:
    return read_manifest(root, PCO)


@pytest.fixture
def church(manifest: Manifest) -> Iterator[RunningSimulator]:
    """A church whose notes the simulator makes from the manifest alone."""
    with running_simulator(SimulatorSettings(people=120, rate=None), manifest) as simulator:
        yield simulator


def test_an_entry_in_the_manifest_is_enough(
    run_stored: Run, database: Database, root: Path, manifest: Manifest, church: RunningSimulator
) -> None:
    def run(*words: str) -> str:
        answer = run_stored(*words, OPENFAITH_MANIFESTS=str(root))
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    assert "pco: valid; 11 entities" in run("manifest", "check")
    run("org", "add", GRACE, "--basic", "demo:demo", "--base-url", church.base_url)
    run("sync", GRACE)

    truth = church.truth(NOTE)
    assert len(truth) > 3
    rows = fetch(database, "SELECT external_id, id, note, person_id FROM pco.notes WHERE org_id = %s", GRACE)
    assert {row[0]: row[1:] for row in rows} == {
        identity: (
            derive_entity_id(GRACE, PCO, NOTE, identity),
            record.attributes["note"],
            derive_entity_id(GRACE, PCO, PERSON, str(record.relationships["person"])),
        )
        for identity, record in truth.items()
    }
    # References lead to the people that came with the same sync.
    assert fetch(database, "SELECT count(*) FROM pco.notes JOIN pco.people person ON person.id = person_id") == [
        (len(truth),)
    ]
    gone = min(truth, key=int)
    church.delete(NOTE, gone)
    run("sync", GRACE, "--entity", NOTE, "--mode", "reconciliation")
    assert fetch(database, "SELECT external_id FROM pco.notes WHERE deleted_at IS NOT NULL") == [(gone,)]

    # A merge of people is followed by the notes about them.
    removed = str(next(record for identity, record in truth.items() if identity != gone).relationships["person"])
    kept = next(identity for identity in church.truth(PERSON) if identity != removed)
    church.merge(kept, removed)
    run("sync", GRACE, "--entity", PERSON)
    about = {row[0] for row in fetch(database, "SELECT person_id FROM pco.notes WHERE deleted_at IS NULL")}
    assert derive_entity_id(GRACE, PCO, PERSON, kept) in about
    assert derive_entity_id(GRACE, PCO, PERSON, removed) not in about

    frame = read_frame(database, GRACE, PCO, NOTE)
    assert len(frame) == len(truth) - 1
    assert str(frame.dtypes["display_date"]) == "datetime64[us, UTC]"
    assert "note" in run("status", GRACE)
    assert run("manifest", "plan", "pco") == "-- pco: nothing to change\n"

    spec = build_entity_assets(manifest).specs_by_key[asset_key(PCO, NOTE)]
    assert spec.metadata["dagster/table_name"] == "pco.notes"
    told = {column.name: column.description for column in spec.metadata["dagster/column_schema"].columns}
    assert told["note"] == "Note.note (string)."
    # Canonical notes have other columns.
    columns = "SELECT column_name FROM information_schema.columns WHERE (table_schema, table_name) = ('pco', 'notes')"
    assert told.keys() == {name for (name,) in fetch(database, columns)}


def test_a_plan_prints_the_sql_and_what_it_costs_and_changes_nothing(
    run_stored: Run, database: Database, root: Path
) -> None:
    for _ in range(2):
        printed = run_stored("manifest", "plan", "pco", OPENFAITH_MANIFESTS=str(root)).stdout
        assert printed.startswith("-- table pco.notes, in one transaction\n-- creates an empty table: milliseconds\n")
        assert '\nALTER TABLE "pco"."notes" FORCE ROW LEVEL SECURITY;\n' in printed
    applied = run_stored("manifest", "apply", "pco", OPENFAITH_MANIFESTS=str(root))
    assert applied.stdout == "pco: table pco.notes\n"
    assert fetch(database, "SELECT count(*) FROM pco.notes") == [(0,)]
    assert run_stored("manifest", "apply", "pco", OPENFAITH_MANIFESTS=str(root)).stdout == "pco: nothing to change\n"
    planned = run_stored("manifest", "plan", "--json", OPENFAITH_MANIFESTS=str(root))
    assert '"adapter": "breeze"' in planned.stdout
    assert '"of": "view breeze.people"' in planned.stdout
