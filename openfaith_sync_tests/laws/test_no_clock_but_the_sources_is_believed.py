"""Law 3: whatever our clock says, and whatever happens between a reading and its commit, nothing is lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.test_a_full_sync_is_cheap_and_true import GRACE, stored

TEN_MINUTES = 600.0
PEOPLE = 130


@contextmanager
def church(manifest: Manifest, offset: float) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(PEOPLE, rate=None, clock_offset_seconds=offset), manifest) as running:
        yield running


def sync(
    database: Database,
    manifest: Manifest,
    simulator: RunningSimulator,
    mode: SyncMode,
    on_step: Callable[[str], None] | None = None,
) -> None:
    connection = Connection(GRACE, manifest.adapter, simulator.base_url, BasicCredentials("demo", "demo"))
    with open_store(database, GRACE, on_step) as store, open_source(manifest, connection) as source:
        order = manifest.graph.entities
        outcomes = list(run_org(Session(manifest, source, store, GRACE), order, {}, mode=mode))
    assert [outcome.error for outcome in outcomes if outcome.error] == []


def assert_people_are_right(database: Database, manifest: Manifest, simulator: RunningSimulator) -> None:
    names = {key: row[0] for key, row in stored(database, manifest, "person", "first_name").items()}
    assert names == {key: person.attributes["first_name"] for key, person in simulator.truth("person").items()}


@pytest.mark.parametrize("offset", [-TEN_MINUTES, 0, TEN_MINUTES], ids=["behind", "together", "before"])
def test_a_clock_that_is_ten_minutes_off_loses_nothing(
    database: Database, pco_manifest: Manifest, offset: float
) -> None:
    with church(pco_manifest, offset) as simulator:
        sync(database, pco_manifest, simulator, SyncMode.FULL)
        for number in range(3):
            changed, *_, gone = list(simulator.truth("person"))[number * 7 :]
            simulator.change("person", changed, {"first_name": f"Renamed {number}"})
            simulator.create("person", {"first_name": f"New {number}", "last_name": "Comer"})
            simulator.delete("person", gone)
            sync(database, pco_manifest, simulator, SyncMode.DELTA)
        sync(database, pco_manifest, simulator, SyncMode.RECONCILIATION)
        assert_people_are_right(database, pco_manifest, simulator)


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.DELTA, SyncMode.RECONCILIATION])
def test_a_record_that_is_updated_between_its_reading_and_its_commit_is_held_after_the_next_delta(
    database: Database, pco_manifest: Manifest, mode: SyncMode
) -> None:
    with church(pco_manifest, 0) as simulator:
        if mode is not SyncMode.FULL:
            sync(database, pco_manifest, simulator, SyncMode.FULL)
        people = list(simulator.truth("person"))
        for person in people[:30]:
            simulator.change("person", person, {"nickname": "Before"})
        commits = iter(range(10_000))

        def update_on_commit(step: str) -> None:
            """Rename a few people while a page that was read before waits for its commit."""
            if step == "begin":
                number = next(commits)
                for person in people[number * 2 % 30 : number * 2 % 30 + 2]:
                    simulator.change("person", person, {"first_name": f"Renamed {number}"})

        sync(database, pco_manifest, simulator, mode, update_on_commit)
        assert next(commits) > 0
        sync(database, pco_manifest, simulator, SyncMode.DELTA)
        assert_people_are_right(database, pco_manifest, simulator)
