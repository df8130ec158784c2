"""Lists three levels deep and single records below a parent, read over HTTP from a simulated source."""

from collections.abc import Callable, Iterator

import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.nested_church import GRACE, ITEM, NOTE, PERSON, PLAN, SUMMARY, TYPE, days
from openfaith_sync_tests.store.making import fetch

Sync = Callable[..., PassResult]


@pytest.fixture(scope="module")
def simulator(services_manifest: Manifest) -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=3, rate=parse_rate("1000000/20"))
    with running_simulator(settings, services_manifest) as running:
        yield running


@pytest.fixture
def sync(database: Database, services_manifest: Manifest, simulator: RunningSimulator) -> Iterator[Sync]:
    """Gives a function that syncs an entity."""
    manifest = ensure_tables(database, services_manifest)
    connection = Connection(GRACE, manifest.adapter, simulator.base_url, BasicCredentials("demo", "demo"))
    with open_store(database, GRACE) as store, open_source(manifest, connection, attempts=1) as source:
        session = Session(manifest, source, store, GRACE)

        def sync_one(entity: EntityName, mode: SyncMode = SyncMode.AUTO) -> PassResult:
            simulator.clear_requests()
            return run_entity(session, entity, mode)

        yield sync_one


def stored(database: Database, table: str) -> set[str]:
    rows = fetch(database, f"SELECT external_id FROM pco.{table} WHERE org_id = 'grace' AND deleted_at IS NULL")
    return {row[0] for row in rows}


def test_every_level_is_stored_as_the_source_has_it(
    database: Database, simulator: RunningSimulator, sync: Sync
) -> None:
    for entity in (TYPE, PLAN, PERSON, NOTE, ITEM):
        sync(entity)
    for entity, table in ((PLAN, "plans"), (PERSON, "plan_persons"), (NOTE, "plan_person_notes")):
        assert stored(database, table) == set(simulator.truth(entity))
    note = min(simulator.truth(NOTE))
    simulator.delete(NOTE, note)
    assert sync(NOTE, SyncMode.RECONCILIATION).report["confirmed_by_read"] == 1
    assert simulator.requests()[-1]["path"].endswith(f"/notes/{note}")
    assert stored(database, "plan_person_notes") == set(simulator.truth(NOTE))


def test_a_record_that_took_the_place_of_another_is_stored_in_its_place(
    database: Database, simulator: RunningSimulator, sync: Sync
) -> None:
    for one in simulator.truth(SUMMARY):
        simulator.delete(SUMMARY, one)
    kind = min(simulator.truth(TYPE))
    with_one, without = (
        simulator.create(PLAN, {"is_summarized": True, "starts_at": days(1)}, {"service_type": kind}) for _ in range(2)
    )
    first = simulator.create(SUMMARY, {"name": "First"}, {"plan": with_one})
    for entity in (TYPE, PLAN, SUMMARY):
        sync(entity)
    assert stored(database, "plan_summaries") == {str(first)}
    assert any(f"/plans/{without}/summary" in one["path"] for one in simulator.requests())
    simulator.delete(SUMMARY, first)
    second = simulator.create(SUMMARY, {"name": "Second"}, {"plan": with_one})
    result = sync(SUMMARY, SyncMode.RECONCILIATION)
    assert (result.counts.created, result.counts.tombstoned) == (1, 1)
    assert stored(database, "plan_summaries") == {str(second)}
