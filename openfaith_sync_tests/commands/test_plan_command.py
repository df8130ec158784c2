"""What ``plan`` predicts of a church that nobody has seen is what its first sync and its night then do."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan
from openfaith_sync_tests.commands.conftest import PROJECT, Run
from openfaith_sync_tests.commands.test_bad_input import FAILED, expect_line
from openfaith_sync_tests.store.making import PCO, fetch

SMALLEST, LARGEST = 300, 3_000
CHANGED_AT_MOST = 20
"""One change for so many people; a twelfth of them delete something."""
TOLERANCE = 0.1
"""Of the requests that were sent."""


def connect(run_stored: Run, simulator: RunningSimulator) -> None:
    answer = run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", simulator.base_url)
    assert answer.exit_code == 0, answer.stderr


def plan(run_stored: Run, *options: str) -> dict[str, Any]:
    answer = run_stored("plan", "grace", "--json", *options)
    assert answer.exit_code == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found | {"runs": {run["what"]: run for run in found["runs"]}}


def compare(run_stored: Run, simulator: RunningSimulator, predicted: dict[str, Any], mode: str) -> dict[str, Any]:
    """Sync, and assert that the requests sent are those predicted; return what became of each entity."""
    simulator.clear_requests()
    synced = run_stored("sync", "grace", "--mode", mode, "--json")
    sent, requests = len(simulator.requests()), predicted["requests"]
    print(f"{mode}: {requests} predicted, {sent} sent")
    assert abs(requests["likely"] - sent) <= TOLERANCE * sent
    assert requests["from"] <= sent <= requests["to"]
    return {row["entity"]: row for row in json.loads(synced.stdout)}


def test_a_random_church_takes_the_requests_and_loses_the_records_that_were_predicted(
    run_stored: Run, pco_manifest: Manifest
) -> None:
    seed = random.SystemRandom().randrange(2**31)
    print(f"the church's seed is {seed}")
    rng = random.Random(seed)
    # As many small churches as large ones.
    people = round(SMALLEST * (LARGEST / SMALLEST) ** rng.random())
    settings = SimulatorSettings(people=people, seed=seed, rate=parse_rate("1000000/20"))
    with running_simulator(settings, pco_manifest) as simulator:
        connect(run_stored, simulator)
        before = plan(run_stored)
        assert before["requests_taken"] <= len(pco_manifest.entities) + 3
        compare(run_stored, simulator, before["runs"]["full"], "auto")

        simulator.random(rng.randint(0, people // CHANGED_AT_MOST), seed=seed)
        night = plan(run_stored)["runs"]["reconciliation"]
        results = compare(run_stored, simulator, night, "reconciliation")
        for one in night["entities"]:
            deleted = results[one["entity"]].get("tombstoned", 0)
            print(f"{one['entity']}: deletes {one['deletes']} predicted, {deleted} made")
            assert one["deletes"]["from"] <= deleted <= one["deletes"]["to"], one["entity"]


def test_what_each_entity_costs_is_what_the_source_is_asked(
    run_stored: Run, church: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    connect(run_stored, church)
    costs = json.loads(run_stored("plan", "grace", "--cost", "--json").stdout)
    total = costs["modules"][-1]
    assert total["module"] == "all"
    assert abs(total["first"] - _sent(church, lambda: run_stored("sync", "grace"))) <= TOLERANCE * total["first"]
    again = json.loads(run_stored("graph", "--cost", "grace", "--json", "--offline").stdout)
    assert [one["first"] for one in again["entities"]] == [one["first"] for one in costs["entities"]]
    night = _sent(church, lambda: run_stored("sync", "grace", "--mode", "reconciliation"))
    assert abs(total["night"] - night) <= TOLERANCE * night

    def check() -> None:
        connection = load_connection(database, OrgId("grace"), PCO)
        with open_session(database, pco_manifest, connection) as session:
            assert not any(probe_entity(session, entity).has_work for entity in pco_manifest.entities)

    # An hour has one check of what is long, and four of everything else.
    assert total["quarter_hour"] <= _sent(church, check) <= 4 * total["quarter_hour"]
    run_stored("org", "set", "grace", "--cadence", "person.delta=1h,email.delta=never")
    slower = json.loads(run_stored("plan", "grace", "--cost", "--json", "--offline").stdout)
    assert slower["modules"][-1]["quarter_hour"] == pytest.approx(total["quarter_hour"] - 1.75, abs=0.1)
    assert "a household" in run_stored("graph", "--cost", "--adapter", "pco").stdout


def _sent(church: RunningSimulator, sync: Callable[[], object]) -> int:
    church.clear_requests()
    sync()
    return len(church.requests())


def test_a_plan_stores_nothing_and_offline_it_asks_nothing(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    connect(run_stored, church)
    unseen = plan(run_stored, "--offline")["runs"]
    assert (unseen["full"]["requests"], unseen["full"]["due"] is None) == (None, False)
    assert (unseen["reconciliation"]["requests"], unseen["reconciliation"]["deletes"]) == (None, None)
    run_stored("sync", "grace")
    # The daemon, which has not seen the org yet, resumes from what this sync stored.
    assert plan(run_stored, "--offline")["runs"]["full"]["due"] is None
    counts = "SELECT count(*), max(checked_at), max(completed_at) FROM sync.checkpoints"
    before = fetch(database, counts)
    church.clear_requests()
    offline = plan(run_stored, "--offline")
    assert (offline["source_asked"], church.requests()) == (False, [])
    asked = plan(run_stored)
    assert (asked["source_asked"], len(church.requests())) == (True, asked["requests_taken"])
    assert fetch(database, counts) == before
    # Whoever does not ask the source knows as well how long its listings are, and not what is gone.
    assert offline["runs"]["reconciliation"]["requests"]["from"] == asked["runs"]["reconciliation"]["requests"]["from"]
    assert not any(one["missing_is_counted"] for one in offline["runs"]["reconciliation"]["entities"])


def test_deletions_beyond_the_limits_are_predicted_to_wait_for_a_person(
    run_stored: Run, pco_manifest: Manifest
) -> None:
    with running_simulator(SimulatorSettings(people=80, rate=None), pco_manifest) as simulator:
        connect(run_stored, simulator)
        run_stored("sync", "grace")
        for gone in list(simulator.truth("email"))[:40]:
            simulator.delete("email", gone)
        found = plan(run_stored)["runs"]["reconciliation"]
        (email,) = [one for one in found["entities"] if one["entity"] == "email"]
        assert (email["safety_stop"], email["missing"], email["deletes"]["to"]) == ("will", {"from": 40, "to": 41}, 0)
        said = run_stored("plan", "grace")
        assert "safety stop: 40 to 41 records of email are missing at the source" in said.stderr
        answer = run_stored("sync", "grace", "--entity", "email", "--mode", "reconciliation", "--json")
        assert "safety" in answer.stdout or "without approval" in answer.stdout


def test_what_is_known_without_the_source_is_shown_for_a_paused_org(run_stored: Run, church: RunningSimulator) -> None:
    connect(run_stored, church)
    run_stored("org", "pause", "grace", "--reason", "moving house")
    church.clear_requests()
    answer = run_stored("plan", "grace")
    assert (answer.exit_code, church.requests()) == (0, [])
    assert "nothing runs while the connection is paused" in answer.stderr


def test_an_unknown_org(run_stored: Run) -> None:
    expect_line(run_stored("plan", "nobody"), FAILED, "there is no org 'nobody'", "openfaith-sync org add nobody")


def test_without_an_org_the_next_runs_of_all_orgs_are_listed(
    run_stored: Run, church: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    assert "no org is connected" in run_stored("plan").stderr
    connect(run_stored, church)
    assert "1 connected org is not planned yet" in run_stored("plan").stderr
    planned = Plan.of(pco_manifest, pco_manifest.graph.entities)
    add_missing_work(database, planned)
    sync = json.loads(run_stored("sync", "grace", "--json").stdout)
    rows = {row["what"]: row for row in json.loads(run_stored("plan", "--json").stdout)}
    assert rows.keys() == {"full sync", "check for changes", "reconciliation"}
    # The request for merges belongs to no pass.
    assert rows["full sync"]["requests_last_time"] == sum(row["requests"] for row in sync) - 1
    assert rows["reconciliation"]["requests_last_time"] is None
    assert len(json.loads(run_stored("plan", "--json", "--limit", "1").stdout)) == 1
    # Work that the daemon has planned is what the plan of the org shows.
    assert plan(run_stored)["runs"]["reconciliation"]["due"] == rows["reconciliation"]["due"]


def test_a_church_that_chooses_one_module_has_a_plan_of_the_shipped_manifest(
    run_stored: Run, church: RunningSimulator
) -> None:
    shipped = {"OPENFAITH_MANIFESTS": str(PROJECT / "manifests")}
    login = f"{church.application_id}:{church.secret}"
    added = run_stored("org", "add", "grace", "--base-url", church.base_url, "--basic-stdin", stdin=login, **shipped)
    assert added.exit_code == 0, added.stderr
    assert run_stored("org", "set", "grace", "--only", "people", **shipped).exit_code == 0
    planned = run_stored("plan", "grace", "--offline", "--json", **shipped)
    assert planned.exit_code == 0, planned.stderr
    assert "service_time" in planned.stdout
    assert "calendar_event" not in planned.stdout
