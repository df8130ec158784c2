"""The plan in the database: whose turn it is, and that nobody is asked for twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus
from openfaith_sync.domain.defaults import DELETION_SHARE
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import ALL, WorkChange, WorkMode
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.connections.connections import add_connection, set_connection_status
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.intervals import set_intervals
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import (
    Plan,
    ask_for,
    load_asked,
    load_due,
    load_now,
    make_due,
    replan_nights,
    store_changes,
)
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, PCO, PERSON, fetch, run

MINUTE = timedelta(minutes=1)
FULL, DELTA, RECONCILIATION = WorkMode.FULL, WorkMode.DELTA, WorkMode.RECONCILIATION


@pytest.fixture
def plan(pco_manifest: Manifest) -> Plan:
    return Plan.of(pco_manifest, pco_manifest.graph.entities)


@pytest.fixture
def planned(database: Database, plan: Plan) -> Database:
    """Two orgs whose full syncs are done and whose deltas are due."""
    for org in (ORG, OTHER_ORG):
        add_connection(database, Connection(org, PCO, "https://example.org", BasicCredentials("a", "b")))
    add_missing_work(database, plan)
    run(database, "UPDATE sync.work SET not_before = NULL WHERE mode = 'full'")
    return database


def orgs_due(database: Database, plan: Plan, mode: WorkMode, most: int = 10) -> list[OrgId]:
    return list(dict.fromkeys(work.key.org for work in load_due(database, plan, mode, most)))


def test_every_connection_has_its_rows_once(planned: Database, plan: Plan) -> None:
    assert add_missing_work(planned, plan) == 0
    rows = fetch(planned, "SELECT org_id, count(*) FROM sync.work GROUP BY org_id ORDER BY org_id")
    assert rows == [(org, len(plan.rows())) for org in (ORG, OTHER_ORG)]


def test_an_entity_that_left_the_manifest_is_planned_no_more(planned: Database, plan: Plan) -> None:
    run(planned, "UPDATE sync.work SET entity = 'former' WHERE entity = 'campus'")
    run(planned, "UPDATE sync.work SET run_key = 'k' WHERE entity = 'former' AND org_id = %s", ORG)
    run(planned, "UPDATE sync.connections SET planned = 'by another manifest'")
    # What a run has is left to it; the row goes when the run has ended.
    assert add_missing_work(planned, plan) == 2
    assert fetch(planned, "SELECT org_id FROM sync.work WHERE entity = 'former'") == [(ORG,)]
    run(planned, "UPDATE sync.work SET run_key = NULL")
    assert add_missing_work(planned, plan) == 0
    assert fetch(planned, "SELECT FROM sync.work WHERE entity = 'former'") == []


def test_only_active_connections_are_planned(database: Database, plan: Plan) -> None:
    add_connection(database, Connection(ORG, PCO, "https://example.org", BasicCredentials("a", "b")))
    set_connection_status(database, ORG, PCO, ConnectionStatus.PAUSED)
    assert add_missing_work(database, plan) == 0


def test_all_rows_of_an_org_are_given_together_and_the_longest_waiting_org_first(planned: Database, plan: Plan) -> None:
    longer = "UPDATE sync.work SET not_before = now() - interval '1 hour' WHERE org_id = %s AND mode = 'delta'"
    run(planned, longer, OTHER_ORG)
    due = load_due(planned, plan, DELTA, 1)
    assert {work.key.org for work in due} == {OTHER_ORG}
    assert [work.key.entity for work in due] == list(plan.entities)


def test_nothing_is_due_while_the_connection_may_not_be_used(planned: Database, plan: Plan) -> None:
    set_connection_status(planned, ORG, PCO, ConnectionStatus.RECONNECT_NEEDED)
    assert orgs_due(planned, plan, DELTA) == [OTHER_ORG]


def test_a_full_sync_that_is_due_or_under_way_goes_before_all_else(planned: Database, plan: Plan) -> None:
    make_due(planned, ORG, PCO, [FULL, RECONCILIATION], "test")
    assert orgs_due(planned, plan, FULL) == [ORG]
    assert orgs_due(planned, plan, DELTA) == [OTHER_ORG]
    assert orgs_due(planned, plan, RECONCILIATION) == []
    (work,) = load_due(planned, plan, FULL, 1)
    ask_for(planned, PCO, {"key": [work]})
    assert orgs_due(planned, plan, RECONCILIATION) == []
    assert orgs_due(planned, plan, DELTA) == [OTHER_ORG]


def test_what_is_asked_for_is_asked_for_once_however_many_ask(planned: Database, plan: Plan) -> None:
    due = [work for work in load_due(planned, plan, DELTA, 10) if work.key.org == ORG]
    with ThreadPoolExecutor(8) as threads:
        asked = list(threads.map(lambda n: ask_for(planned, PCO, {f"key-{n}": due}), range(8)))
    assert sorted(len(keys) for keys in asked) == [0] * 7 + [1]
    assert orgs_due(planned, plan, DELTA) == [OTHER_ORG]


def test_what_became_of_a_run_changes_nothing_that_was_asked_for_again(planned: Database, plan: Plan) -> None:
    due = [work for work in load_due(planned, plan, DELTA, 1) if work.key.entity == PERSON]
    ask_for(planned, PCO, {"first": due})
    (first,) = load_asked(planned, plan, [DELTA])
    now = load_now(planned)
    assert store_changes(planned, [WorkChange.failed(first, now, "lost")]) == 1
    ask_for(planned, PCO, {"second": due})
    assert store_changes(planned, [WorkChange.done(first, now, "done")]) == 0
    (second,) = load_asked(planned, plan, [DELTA])
    assert (second.run_key, second.attempts) == ("second", 1)


def test_the_run_that_answered_is_kept(planned: Database, plan: Plan) -> None:
    due = load_due(planned, plan, DELTA, 1)
    ask_for(planned, PCO, {"key": due})
    asked = load_asked(planned, plan, [DELTA])
    store_changes(planned, [WorkChange.done(work, load_now(planned), "done") for work in asked], {"key": "run-1"})
    assert fetch(planned, "SELECT DISTINCT run_id FROM sync.work WHERE run_id IS NOT NULL") == [("run-1",)]


def test_a_listing_that_is_long_and_tells_no_changes_is_known_by_its_records(planned: Database, plan: Plan) -> None:
    listed = """
    WITH done AS (
      INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, status, manifest_version, created, unchanged)
      VALUES (%s, 'pco', 'group', 'full', 'test', 'complete', 'm1', 1, %s - 1) RETURNING *)
    INSERT INTO sync.checkpoints (org_id, adapter, entity, completed_at, completed_pass_id)
    SELECT org_id, adapter, entity, now(), pass_id FROM done
    """
    run(planned, listed, ORG, plan.page_size)
    run(planned, listed, OTHER_ORG, plan.page_size + 1)
    long = {work.key.org for work in load_due(planned, plan, DELTA, 10) if work.is_long}
    assert long == {OTHER_ORG}


def intervals(planned: Database, plan: Plan, org: OrgId) -> dict[str, timedelta | None]:
    """Return the planned interval of each entity, once the daemon has planned."""
    add_missing_work(planned, plan)
    return dict(fetch(planned, "SELECT entity, every FROM sync.work WHERE mode = 'delta' AND org_id = %s", org))


def test_an_interval_of_one_entity_goes_before_that_of_all(planned: Database, plan: Plan) -> None:
    set_intervals(planned, ORG, PCO, {(ALL, DELTA): 5 * MINUTE, (PERSON, DELTA): 300 * MINUTE})
    every = intervals(planned, plan, ORG)
    assert (every["person"], every["campus"]) == (300 * MINUTE, 5 * MINUTE)
    assert set(intervals(planned, plan, OTHER_ORG).values()) == {15 * MINUTE}
    set_intervals(planned, ORG, PCO, {}, [(PERSON, DELTA), (ALL, DELTA)])
    assert set(intervals(planned, plan, ORG).values()) == {15 * MINUTE}


def test_another_interval_is_followed_at_once_when_it_is_shorter(planned: Database, plan: Plan) -> None:
    due = "SELECT not_before - now() FROM sync.work WHERE mode = 'delta' AND entity = 'person' AND org_id = %s"
    set_intervals(planned, ORG, PCO, {(PERSON, DELTA): None})
    assert intervals(planned, plan, ORG)["person"] is None
    assert fetch(planned, due, ORG) == [(None,)]
    set_intervals(planned, ORG, PCO, {(PERSON, DELTA): timedelta(days=30)})
    add_missing_work(planned, plan)
    assert MINUTE < fetch(planned, due, ORG)[0][0] <= timedelta(days=30, hours=1)
    set_intervals(planned, ORG, PCO, {}, [(PERSON, DELTA)])
    add_missing_work(planned, plan)
    assert fetch(planned, due, ORG)[0][0] <= 15 * MINUTE


def test_an_entity_that_the_org_did_not_select_stays_so_at_another_interval(planned: Database, plan: Plan) -> None:
    run(planned, "UPDATE sync.work SET not_before = NULL, reason = 'not selected' WHERE entity = 'person'")
    set_intervals(planned, ORG, PCO, {(PERSON, DELTA): MINUTE})
    add_missing_work(planned, plan)
    row = "SELECT not_before, reason, every FROM sync.work WHERE entity = 'person' AND org_id = %s"
    assert fetch(planned, row, ORG) == [(None, "not selected", MINUTE)]


def test_an_upgrade_keeps_what_orgs_set_and_when_they_are_due(planned: Database, plan: Plan) -> None:
    # Rows as an earlier version wrote them.
    run(planned, "UPDATE sync.work SET every = NULL, not_before = now() + interval '3 minutes' WHERE mode = 'delta'")
    run(planned, "UPDATE sync.connections SET planned = NULL")
    run(
        planned,
        "INSERT INTO sync.cadences (org_id, adapter, entity, mode, every)"
        " VALUES (%s, 'pco', '*', 'delta', interval '2 hours')", ORG,
    )  # fmt: skip
    assert set(intervals(planned, plan, ORG).values()) == {120 * MINUTE}
    assert set(intervals(planned, plan, OTHER_ORG).values()) == {15 * MINUTE}
    times = "SELECT max(not_before) - now() FROM sync.work WHERE mode = 'delta'"
    assert fetch(planned, times)[0][0] <= 3 * MINUTE


def test_another_time_zone_is_another_night(planned: Database) -> None:
    night = "SELECT extract(hour FROM not_before AT TIME ZONE %s) FROM sync.work WHERE mode = 'reconciliation'"
    set_org(planned, ORG, time_zone="Pacific/Auckland")
    assert replan_nights(planned, ORG, "Pacific/Auckland") == 1
    hours = fetch(planned, f"{night} AND org_id = %s", "Pacific/Auckland", ORG)
    assert 1 <= hours[0][0] < 5


def test_what_is_set_for_an_org_keeps_what_is_not_given(planned: Database) -> None:
    set_org(planned, ORG, deletion_count=3)
    found = set_org(planned, ORG, time_zone="America/Chicago")
    assert (found.time_zone, found.deletion_count, found.deletion_share) == ("America/Chicago", 3, DELETION_SHARE)
