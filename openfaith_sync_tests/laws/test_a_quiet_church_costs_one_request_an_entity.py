"""A probe tells whether there is work, in one request an entity, whatever the source can do."""

from collections.abc import Iterator

import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.engine.passes.probe import Probe, probe_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.test_a_full_sync_is_cheap_and_true import GRACE, church, sync

PEOPLE = 150


@pytest.fixture(scope="module")
def simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with church(pco_manifest, PEOPLE) as running:
        yield running


def probes(database: Database, manifest: Manifest, simulator: RunningSimulator) -> dict[EntityName, Probe]:
    connection = Connection(GRACE, manifest.adapter, simulator.base_url, BasicCredentials("demo", "demo"))
    with open_store(database, GRACE) as store, open_source(manifest, connection) as source:
        return {name: probe_entity(Session(manifest, source, store, GRACE), name) for name in manifest.entities}


def with_work(database: Database, manifest: Manifest, simulator: RunningSimulator) -> set[str]:
    return {name for name, probe in probes(database, manifest, simulator).items() if probe.has_work}


def test_before_the_first_sync_all_is_work_and_nothing_is_asked(
    database: Database, pco_manifest: Manifest, simulator: RunningSimulator
) -> None:
    found = probes(database, pco_manifest, simulator)
    assert all(probe.has_work and probe.requests == 0 for probe in found.values())


def test_nothing_new_costs_one_request_an_entity_and_writes_only_that_it_was_asked(
    database: Database, pco_manifest: Manifest, simulator: RunningSimulator
) -> None:
    assert not [outcome for outcome in sync(database, pco_manifest, simulator).values() if outcome.error]
    simulator.clear_requests()
    found = probes(database, pco_manifest, simulator)
    assert {name: probe.reason for name, probe in found.items() if probe.has_work} == {}
    listed = [name for name, entity in pco_manifest.entities.items() if entity.nested is None]
    assert len(simulator.requests()) == len(listed)
    with database.connect_fleet() as connection:
        (unchecked,) = connection.execute("SELECT count(*) FROM sync.checkpoints WHERE checked_at IS NULL").fetchall()
    assert unchecked == (0,)


def test_each_change_is_work_for_its_entity(database: Database, pco_manifest: Manifest) -> None:
    with church(pco_manifest, PEOPLE) as simulator:
        sync(database, pco_manifest, simulator)
        (email, *_), (address, *_), (group, *_) = (simulator.truth(name) for name in ("email", "address", "group"))
        simulator.change("email", email, {"location": "Boat"}, touch=True)
        assert {"email"} <= with_work(database, pco_manifest, simulator) <= {"email", "person"}
        simulator.change("address", address, {"city": "Ulm"})
        simulator.change("group", group, {"name": "Renamed"}, touch=False)
        assert {"email", "address", "group"} <= with_work(database, pco_manifest, simulator)
        sync(database, pco_manifest, simulator)
        assert with_work(database, pco_manifest, simulator) <= {"group_membership"}
