"""Laws 1 and 4: ended by SIGKILL anywhere in a reconciliation or a nested walk, the same rows are gone, once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.rows import settled_rows
from openfaith_sync_tests.laws.synced_church import set_limits
from openfaith_sync_tests.laws.test_killed_anywhere import SIGKILLED, pages_fetched_again
from openfaith_sync_tests.laws.victim import HELD, Victims
from openfaith_sync_tests.store.making import fetch, run

pytestmark = pytest.mark.long

PEOPLE = 30
PAGING = {"size": 12, "pages_in_flight": 2, "pages_a_slice": 20}


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as running:
        yield running


@pytest.fixture
def simulator(pco_manifest: Any) -> Iterator[Any]:
    with running_simulator(SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20")), pco_manifest) as running:
        yield running


@contextmanager
def copy_of(database: Database) -> Iterator[Database]:
    """Yield a database like this one, for as long as the block lasts."""
    own = urlsplit(database.libpq_url).path[1:]
    name = f"{own}_copy"
    with psycopg.connect(database.url.with_database("postgres").libpq, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {own} STRATEGY file_copy".encode())
        yield Database(database.url.with_database(name), database.keys)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def killed_at_every_step(
    victims: Victims, simulator: Any, database: Database, job: dict[str, Any], status: int = 0, every: int = 1
) -> dict[str, list[tuple[Any, ...]]]:
    """Run a job to its end, then again from the same rows with a kill at each of its steps; give what it leaves."""
    with copy_of(database) as whole:
        ended = victims.run({**job, "database_url": whole.libpq_url})
        assert ended["status"] == status
        expected = settled_rows(whole)
        steps = ended["steps"]
    assert steps
    assert expected["listed"] == [(0,)]
    assert expected["passes"] == [("complete",)]
    for kill_at in range(1, steps + 1, every):
        with copy_of(database) as copied:
            own = {**job, "database_url": copied.libpq_url}
            simulator.clear_requests()
            assert victims.run({**own, "kill_at": kill_at})["status"] == SIGKILLED, f"step {kill_at} of {steps}"
            is_open = fetch(copied, "SELECT EXISTS (SELECT FROM sync.passes WHERE status = 'open')")[0][0]
            assert victims.run(own)["status"] == status
            if job["mode"] == "full" and is_open:
                assert pages_fetched_again(simulator) <= PAGING["pages_in_flight"], f"killed at step {kill_at}"
            assert settled_rows(copied) == expected, f"killed at step {kill_at}"
    return expected


@pytest.fixture
def job(simulator: Any, database: Database, tmp_path: Path) -> dict[str, Any]:
    return {
        "org": "grace",
        "base_url": simulator.base_url,
        "database_url": database.libpq_url,
        "home": str(tmp_path),
        "paging": PAGING,
    }


def ids(simulator: Any, entity: str) -> list[str]:
    return sorted(simulator.truth(entity), key=int)


def live_ids(found: dict[str, list[tuple[Any, ...]]], entity: str) -> list[str]:
    rows = [row for table in CANONICAL_TABLES for (row,) in found[table]]
    return sorted((row["external_id"] for row in rows if row["type"] == entity and not row["deleted_at"]), key=int)


@pytest.mark.parametrize("entity", ["person", "phone_number"], ids=["records are read", "ids only"])
def test_a_reconciliation_killed_anywhere(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database, entity: str
) -> None:
    job = {**job, "entities": [entity]}
    assert victims.run({**job, "mode": "full"})["status"] == 0
    gone = ids(simulator, entity)[3:24:7]
    for identity in gone:
        simulator.delete(entity, identity)
    owner = ids(simulator, "person")[0]
    for _ in range(3):
        simulator.create(entity, {}, {} if entity == "person" else {"person": owner})
    expected = killed_at_every_step(victims, simulator, database, {**job, "mode": "reconciliation"})
    assert dict(expected["tombstoned"])[entity] == len(gone)
    assert live_ids(expected, entity) == ids(simulator, entity)


def test_a_reconciliation_that_takes_older_versions_killed_anywhere(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database
) -> None:
    job = {**job, "entities": ["phone_number"]}
    assert victims.run({**job, "mode": "full"})["status"] == 0
    went_back = ids(simulator, "phone_number")[2:24:7]
    for identity in went_back:
        simulator.change("phone_number", identity, {"location": "Before", "updated_at": "2001-02-03T04:05:06Z"})
    job |= {"mode": "reconciliation"}
    assert victims.run(job)["status"] == 0
    run(database, "UPDATE sync.older_versions SET agreed_at = agreed_at - interval '1 day'")
    expected = killed_at_every_step(victims, simulator, database, job)
    assert {row[1] for row in expected["superseded"]} == set(went_back)
    assert expected["older"] == []


def test_a_reconciliation_that_is_held_killed_anywhere(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database
) -> None:
    set_limits(database)
    job = {**job, "entities": ["person"]}
    assert victims.run({**job, "mode": "full"})["status"] == 0
    for identity in ids(simulator, "person")[::2]:
        simulator.delete("person", identity)
    expected = killed_at_every_step(victims, simulator, database, {**job, "mode": "reconciliation"}, status=HELD)
    assert [hold[-1] for hold in expected["holds"]] == ["open"]
    assert dict(expected["tombstoned"])["person"] == 0


@pytest.mark.parametrize(
    ("parent", "entity", "every"), [("household", "household_membership", 3), ("group", "group_membership", 1)]
)
def test_a_full_walk_of_parents_killed_anywhere(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database, parent: str, entity: str, every: int
) -> None:
    assert victims.run({**job, "mode": "full", "entities": [parent]})["status"] == 0
    job = {**job, "entities": [entity], "mode": "full"}
    expected = killed_at_every_step(victims, simulator, database, job, every=every)
    assert live_ids(expected, entity) == ids(simulator, entity)


def test_the_end_of_memberships_killed_anywhere(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database
) -> None:
    entity = "household_membership"
    assert victims.run({**job, "mode": "full", "entities": ["household", entity]})["status"] == 0
    gone = ids(simulator, entity)[5:24:6]
    for identity in gone:
        simulator.delete(entity, identity)
    job = {**job, "entities": [entity], "mode": "reconciliation"}
    expected = killed_at_every_step(victims, simulator, database, job, every=3)
    assert dict(expected["tombstoned"])[entity] == len(gone)
    assert live_ids(expected, entity) == ids(simulator, entity)
