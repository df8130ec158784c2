"""Law 1: ended by SIGKILL anywhere and run again, the rows are those of an uninterrupted sync."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.embedded_server import stop_embedded
from openfaith_sync_tests.laws.rows import all_rows, counts, erase, watermarks
from openfaith_sync_tests.laws.victim import TRANSIENT, Victims
from openfaith_sync_tests.ten_entities import MANIFESTS

PEOPLE = 230
SIGKILLED = -9
FEWEST_STEPS = len(("begin", "check_lease", "store_records", "advance", "commit", "committed"))
"""Of a page's commit: these every page has."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Any]:
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, read_manifest(MANIFESTS, "pco")) as running:
        yield running


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    with Victims() as running:
        yield running


@pytest.fixture
def job(simulator: Any, database: Database, tmp_path: Path) -> dict[str, Any]:
    return {
        "org": "grace",
        "base_url": simulator.base_url,
        "database_url": database.libpq_url,
        "home": str(tmp_path),
    }


def pages_fetched_again(simulator: Any) -> int:
    pages = Counter(
        (request["path"], tuple(sorted(request["query"].items())))
        for request in simulator.requests()
        if request["query"].get("per_page") != "1"
    )
    return sum(times - 1 for times in pages.values())


@pytest.mark.long
def test_killed_before_and_after_every_statement_of_every_commit(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database
) -> None:
    whole = victims.run(job)
    assert whole["status"] == 0
    expected_rows, expected_counts, newest = all_rows(database), counts(database), watermarks(database)
    assert len(expected_rows["people"]) == PEOPLE
    for kill_at in range(1, whole["steps"] + 1):
        erase(database)
        simulator.clear_requests()
        assert victims.run({**job, "kill_at": kill_at})["status"] == SIGKILLED
        assert victims.run({**job, "go_on": True})["status"] == 0
        assert all_rows(database) == expected_rows, f"killed at step {kill_at}"
        assert counts(database) == expected_counts, f"killed at step {kill_at}"
        assert pages_fetched_again(simulator) <= 1, f"killed at step {kill_at}"
        # An interrupted pass claims no more than it saw before: its watermark may be lower, never higher.
        assert all(mark is None or mark <= newest[entity] for entity, mark in watermarks(database).items())


@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database, seed: int
) -> None:
    assert victims.run(job)["status"] == 0
    expected = all_rows(database)
    erase(database)
    simulator.clear_requests()
    dice = random.Random(seed)
    kills = 0
    while victims.run({**job, "go_on": True, "kill_at": dice.randrange(1, 40)})["status"] == SIGKILLED:
        kills += 1
    assert all_rows(database) == expected
    assert kills
    assert pages_fetched_again(simulator) <= kills


def test_a_long_listing_in_slices_fetches_again_at_most_one_page_a_slice(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database
) -> None:
    small = {**job, "entities": ["person"], "paging": {"size": 10, "pages_in_flight": 4, "pages_a_slice": 2}}
    whole = victims.run(small)
    assert whole["status"] == 0
    expected = all_rows(database)
    # How the slices fall, and which pages come in together, is a matter of timing; but at most half of those
    # under way do, so fewer commits than these, with fewer steps each, no walk has.
    fewest_steps = PEOPLE // 10 // 2 * FEWEST_STEPS
    kills = 0
    for kill_at in range(1, whole["steps"], 17):
        erase(database)
        simulator.clear_requests()
        ended = victims.run({**small, "kill_at": kill_at})
        if ended["status"] == 0:
            assert fewest_steps <= ended["steps"] < kill_at, "it took the step it should have been killed at"
            continue
        assert ended["status"] == SIGKILLED
        kills += 1
        assert victims.run({**small, "go_on": True})["status"] == 0
        assert all_rows(database) == expected, f"killed at step {kill_at}"
        assert pages_fetched_again(simulator) <= 4
    assert kills >= len(range(1, fewest_steps, 17))


@pytest.mark.parametrize("stop_at", [3, 9, 20, 33, 41])
def test_postgres_stopped_immediately_in_the_middle_of_a_sync(
    job: dict[str, Any], simulator: Any, victims: Victims, database: Database, stop_at: int, tmp_path: Path
) -> None:
    assert victims.run(job)["status"] == 0
    expected = all_rows(database)
    tmp_path.chmod(0o755)
    own = {**job, "database_url": None}
    assert victims.run({**own, "stop_postgres_at": stop_at})["status"] == TRANSIENT
    assert victims.run({**own, "go_on": True})["status"] == 0
    own_database = open_database(Settings(tmp_path, MANIFESTS, None, ()))
    try:
        assert all_rows(own_database) == expected
    finally:
        stop_embedded(tmp_path)
