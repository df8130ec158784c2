"""What is wrong is read from the tables of all orgs at once, and ends with its cause."""

from datetime import timedelta

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.passes import PassStart, SyncMode
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity
from openfaith_sync.domain.records.merges import references_of
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.connections.connections import add_connection, set_connection_status
from openfaith_sync.store.connections.unavailable_entities import note_refusal
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import BreakerRules, SharedBreaker
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan, note_synced
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    ORG,
    OTHER_ORG,
    PCO,
    PEOPLE,
    PERSON,
    batch,
    email,
    person,
    rejection,
    run,
    walking,
)

DENIED = AccessDenied("the source answered 403", "give the user access")
BOTH = frozenset({ORG, OTHER_ORG})
RULES = BreakerRules(requests=1, lasting=timedelta(), orgs=2)


def connection(org: OrgId) -> Connection:
    return Connection(org, PCO, "https://example.org", BasicCredentials("a", "b"))


@pytest.fixture
def connected(database: Database, pco_manifest: Manifest) -> Database:
    """Two orgs that were connected a month ago, whose every entity was asked for a minute ago."""
    for org in (ORG, OTHER_ORG):
        add_connection(database, connection(org))
    add_missing_work(database, Plan.of(pco_manifest, pco_manifest.graph.entities))
    run(database, "UPDATE sync.connections SET status_since = now() - interval '30 days'")
    run(
        database,
        """INSERT INTO sync.checkpoints (org_id, adapter, entity, completed_at, checked_at)
           SELECT org_id, adapter, entity, now() - interval '8 days', now() - interval '1 minute'
           FROM sync.work WHERE mode = 'delta'""",
    )
    run(
        database,
        """UPDATE sync.work SET reason = 'no changes', not_before =
             CASE mode WHEN 'delta' THEN now() + interval '14 minutes'
                       WHEN 'reconciliation' THEN now() + interval '9 hours' END""",
    )
    assert list_problems(database) == []
    return database


def only(database: Database, org: OrgId | None = None) -> Problem:
    (found,) = list_problems(database, org)
    return found


def test_a_connection_must_be_reconnected_and_a_paused_one_is_left_alone(connected: Database) -> None:
    set_connection_status(connected, ORG, PCO, ConnectionStatus.RECONNECT_NEEDED, "the token was revoked")
    run(connected, "UPDATE sync.work SET not_before = now() - interval '2 days' WHERE org_id = %s", ORG)
    found = only(connected)
    assert (found.kind, found.org, found.is_red) == (ProblemKind.CONNECTION, ORG, True)
    assert found.command == f"openfaith-sync org add {ORG} --adapter pco --basic-stdin"
    assert list_problems(connected, OTHER_ORG) == []
    set_connection_status(connected, ORG, PCO, ConnectionStatus.PAUSED)
    assert list_problems(connected) == []


def test_a_refused_entity_is_told_once_many_are_refused_it(connected: Database) -> None:
    run(connected, "UPDATE sync.checkpoints SET checked_at = now() - interval '9 hours' WHERE entity = 'email'")
    for org in (ORG, OTHER_ORG):
        note_refusal(connected, connection(org), EMAIL, DENIED)
    assert [(one.kind, one.org, one.severity) for one in list_problems(connected)] == [
        (ProblemKind.CONNECTION, org, Severity.HEALS) for org in (ORG, OTHER_ORG)
    ]
    run(
        connected,
        "INSERT INTO sync.refusal_incidents (adapter, entity, probe_at, reason) VALUES ('pco', 'email', now(), 'no')",
    )
    found = only(connected)
    assert (found.kind, found.entity, found.affected_orgs) == (ProblemKind.OUTAGE, EMAIL, BOTH)
    assert only(connected, ORG).affected_orgs == {ORG}


def test_what_was_never_readable_is_no_problem(connected: Database) -> None:
    run(connected, "UPDATE sync.checkpoints SET checked_at = NULL, completed_at = NULL WHERE entity = 'email'")
    note_refusal(connected, connection(ORG), EMAIL, DENIED)
    assert list_problems(connected, ORG) == []


def test_an_entity_whose_scope_is_gone_is_a_problem_of_the_connection(connected: Database) -> None:
    run(connected, "UPDATE sync.checkpoints SET checked_at = now() - interval '9 hours' WHERE entity = 'email'")
    reason = "refused: the org did not grant the scope 'people'"
    run(connected, "UPDATE sync.work SET reason = 'changed; waiting for a free run' WHERE entity = 'email'")
    run(connected, "UPDATE sync.work SET reason = %s WHERE entity = 'email' AND org_id = %s", reason, ORG)
    lost, late = list_problems(connected)
    assert (lost.kind, lost.org, lost.entity) == (ProblemKind.CONNECTION, ORG, EMAIL)
    assert "did not grant" in lost.detail
    assert (late.kind, late.org, late.entity) == (ProblemKind.FRESHNESS, OTHER_ORG, EMAIL)
    # What stands below a refused entity is not asked for either.
    note_refusal(connected, connection(ORG), PERSON, DENIED)
    assert [one.entity for one in list_problems(connected, ORG)] == [PERSON]


def test_an_outage_explains_what_is_overdue(connected: Database) -> None:
    run(connected, "UPDATE sync.work SET not_before = now() - interval '2 hours' WHERE mode = 'delta'")
    breaker = SharedBreaker(connected, ORG, PCO, RULES)
    breaker.note_failure("a", "no route", timedelta())
    of_org, late = list_problems(connected)
    assert (of_org.kind, of_org.org, of_org.is_red) == (ProblemKind.OUTAGE, ORG, True)
    assert (late.kind, late.affected_orgs) == (ProblemKind.FRESHNESS, frozenset({OTHER_ORG}))
    SharedBreaker(connected, OTHER_ORG, PCO, RULES).note_failure("a", "no route", timedelta())
    found = only(connected)
    assert (found.kind, found.org, found.affected_orgs) == (ProblemKind.OUTAGE, None, BOTH)
    breaker.note_answer()
    assert {one.kind for one in list_problems(connected)} == {ProblemKind.FRESHNESS}


def test_an_org_is_behind_and_all_that_are_behind_are_one_problem(connected: Database) -> None:
    run(
        connected,
        "UPDATE sync.work SET not_before = now() - interval '2 hours' WHERE mode = 'delta' AND org_id = %s",
        ORG,
    )
    found = only(connected)
    assert (found.kind, found.org, found.severity) == (ProblemKind.FRESHNESS, ORG, Severity.HEALS)
    assert found == only(connected, ORG)
    run(connected, "UPDATE sync.work SET not_before = now() - interval '2 hours' WHERE mode = 'delta'")
    assert (only(connected).orgs, only(connected).severity) == (BOTH, Severity.NEEDS_PERSON)
    assert only(connected, ORG).org == ORG
    run(connected, "UPDATE sync.work SET run_key = 'k', asked_at = now() WHERE mode = 'full'")
    assert list_problems(connected) == []


def test_runs_that_fail_again_and_again_need_a_person(connected: Database) -> None:
    run(
        connected,
        "UPDATE sync.work SET attempts = 3, reason = 'its run failed' WHERE mode = 'reconciliation' AND org_id = %s",
        ORG,
    )
    found = only(connected)
    assert (found.kind, found.org, found.severity) == (ProblemKind.FRESHNESS, ORG, Severity.NEEDS_PERSON)
    assert found.detail == "the reconciliation sync failed 3 times in a row: its run failed"
    note_synced(connected, ORG, PCO, [EMAIL], [WorkMode.FULL])
    assert only(connected) == found
    note_synced(connected, ORG, PCO, [], [WorkMode.RECONCILIATION])
    assert list_problems(connected) == []


def test_what_was_synced_otherwise_fails_no_more_unless_a_run_is_at_it(connected: Database) -> None:
    failed = "UPDATE sync.work SET attempts = 3, reason = 'its run failed' WHERE mode = 'delta' AND org_id = %s"
    run(connected, failed, ORG)
    failing = only(connected).entities
    assert EMAIL in failing
    note_synced(connected, ORG, PCO, [EMAIL], [])
    assert set(only(connected).entities) == set(failing) - {EMAIL}
    run(connected, "UPDATE sync.work SET run_key = 'k', asked_at = now() WHERE mode = 'delta'")
    note_synced(connected, ORG, PCO, failing, [])
    assert set(only(connected).entities) == set(failing) - {EMAIL}


def test_a_count_that_is_not_met_stays_until_the_next_count(connected: Database) -> None:
    with walking(connected, EMAILS) as walk:
        walk.commit(batch([email("1")]))
        walk.store.close_pass(walk.lease, walk.opened.pass_id, None, 0, CountedRecords(9, 1, 1))
    found = only(connected)
    assert (found.kind, found.entity, found.count) == (ProblemKind.COMPLETENESS, EMAIL, 7)
    assert found.severity is Severity.NEEDS_PERSON
    with walking(connected, EMAILS) as walk:
        walk.close()
    assert only(connected) == found
    with walking(connected, EMAILS) as walk:
        walk.store.close_pass(walk.lease, walk.opened.pass_id, None, 0, CountedRecords(9, 8, 1))
    assert list_problems(connected) == []


def test_dead_letters_and_holds_are_told_and_end(connected: Database) -> None:
    with walking(connected, EMAILS) as walk:
        walk.commit(batch([], [rejection("1"), rejection("2"), rejection("3", "expected text")]))
        walk.close()
    hold = """INSERT INTO sync.holds (org_id, adapter, entity, pass_id, missing, live, reason, kind)
              VALUES (%s, 'pco', 'person', 1, 40, 100, '40 of 100 are missing', %s)"""
    for kind in ("deletions", "older"):
        run(connected, hold, ORG, kind)
    deletions, older, letters = list_problems(connected)
    assert [one.kind for one in (deletions, older)] == [ProblemKind.DELETIONS_HELD] * 2
    assert (deletions.entity, deletions.count) == (PEOPLE.entity, 40)
    assert deletions.command.startswith("openfaith-sync holds show ")
    assert deletions.command != older.command
    assert (letters.kind, letters.entity, letters.count) == (ProblemKind.DEAD_LETTERS, EMAIL, 3)
    assert "2 × created_at: expected a date" in letters.detail
    run(connected, "UPDATE sync.holds SET status = 'approved'")
    assert [one.is_red for one in list_problems(connected)] == [True, False, False]
    run(connected, "UPDATE sync.holds SET status = 'settled'")
    run(connected, "UPDATE sync.dead_letters SET resolved_at = now()")
    assert list_problems(connected) == []


def test_a_removed_org_has_no_problems(connected: Database) -> None:
    with walking(connected, EMAILS) as walk:
        walk.commit(batch([], [rejection("1")]))
        walk.store.close_pass(walk.lease, walk.opened.pass_id, None, 0, CountedRecords(9, 1, 1))
    note_refusal(connected, connection(ORG), EntityName("campus"), DENIED)
    assert len(list_problems(connected)) == 3
    disconnect_org(connected, ORG)
    assert list_problems(connected) == []
    assert list_problems(connected, ORG) == []


def test_references_that_should_have_healed_are_counted_and_heal(connected: Database, pco_manifest: Manifest) -> None:
    columns = references_of(pco_manifest, EMAIL)
    assert [(one.column, one.target) for one in columns] == [("person_id", PERSON)]

    def look() -> list[Problem]:
        start = PassStart(mode=SyncMode.RECONCILIATION, trigger="test", manifest_version="m1")
        with walking(connected, EMAILS, start) as walk:
            walk.store.open_evidence(walk.lease, walk.opened.pass_id).note_dangling(columns)
        return list_problems(connected)

    with walking(connected, EMAILS) as walk:
        walk.commit(batch([email("1"), email("2"), email("3")]))
        walk.close()
    run(connected, "UPDATE openfaith.emails SET deleted_at = now() WHERE external_id = '3'")
    # Their person was not read since, and may be next.
    assert look() == []
    with walking(connected, PEOPLE) as walk:
        walk.commit(batch([], entity=PERSON))
        walk.close()
    (found,) = look()
    assert (found.kind, found.entity, found.count, found.is_red) == (ProblemKind.REFERENCES, EMAIL, 2, False)
    with walking(connected, PEOPLE) as walk:
        walk.commit(batch([person("1")], entity=PERSON))
        walk.close()
    run(connected, "UPDATE openfaith.people SET deleted_at = now()")
    assert look() == []


def test_an_entity_is_behind_by_its_own_interval(connected: Database) -> None:
    long_ago = (
        "UPDATE sync.checkpoints SET (checked_at, completed_at) = (now() - interval '{0}', now() - interval '{0}')"
    )
    run(connected, long_ago.format("20 hours"))
    run(connected, "UPDATE sync.work SET reason = 'changed; waiting for a free run', every = '1 day' WHERE every > '0'")
    assert list_problems(connected) == []
    run(connected, "UPDATE sync.work SET every = '1 hour' WHERE entity = 'email' AND org_id = %s", ORG)
    assert (only(connected).org, only(connected).entities) == (ORG, (EMAIL,))
    run(connected, "UPDATE sync.work SET every = '1 day' WHERE every > '0'")
    run(connected, long_ago.format("50 hours"))
    assert only(connected).affected_orgs == BOTH
