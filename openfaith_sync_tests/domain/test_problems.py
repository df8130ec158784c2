"""What counts as a problem, who ends it, and which command helps."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.deletions import HoldKind, HoldStatus
from openfaith_sync.domain.problems.freshness import (
    FIRST_SYNC_LASTS,
    Lateness,
    LateWork,
    freshness_problems,
    judge,
)
from openfaith_sync.domain.problems.judgements import (
    ConnectionFacts,
    RejectionReason,
    completeness_problem,
    connection_problem,
    dead_letters_problem,
    hold_problem,
    incident_problem,
    outage_problem,
    refusal_problem,
)
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity, sort_key
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
GRACE, HOPE = OrgId("grace"), OrgId("hope")
PCO = AdapterName("pco")
PERSON, EMAIL = EntityName("person"), EntityName("email")
PEOPLE = SyncKey(GRACE, PCO, PERSON)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

WORK = LateWork(
    org=GRACE,
    adapter=PCO,
    entity=PERSON,
    mode=WorkMode.DELTA,
    due_at=NOW + 5 * MINUTE,
    requested_at=None,
    attempts=0,
    reason="no changes",
    asked_at=NOW - 10 * MINUTE,
    usable_since=NOW - 30 * DAY,
    is_syncing=False,
    is_unasked=False,
)
OVERDUE = replace(WORK, due_at=NOW - 2 * HOUR, asked_at=NOW - 3 * HOUR)
WHOLE = replace(WORK, entity=ALL, mode=WorkMode.FULL, due_at=None)


def link(status: ConnectionStatus) -> ConnectionFacts:
    return ConnectionFacts(GRACE, PCO, status, "token revoked", NOW - HOUR, "oauth2")


def problems(*works: LateWork, planned: dict[AdapterName, set[OrgId]] | None = None) -> list[Problem]:
    return list(freshness_problems(works, planned or {}, NOW))


@pytest.mark.parametrize(
    ("work", "lateness"),
    [
        (WORK, None),
        (OVERDUE, Lateness.OVERDUE),
        (replace(OVERDUE, due_at=NOW - 50 * MINUTE), None),
        # A quiet org that was asked long ago by its own interval is not late while its next time is to come.
        (replace(WORK, asked_at=NOW - 20 * HOUR), None),
        (replace(WORK, is_unasked=True), Lateness.OVERDUE),
        # A run that reads the whole org asks for everything that waits.
        (replace(OVERDUE, is_syncing=True), None),
        (replace(OVERDUE, requested_at=NOW - 2 * HOUR), None),
        (replace(OVERDUE, requested_at=NOW - 4 * HOUR), Lateness.STUCK),
        (replace(WORK, attempts=2), None),
        (replace(WORK, attempts=3), Lateness.FAILING),
        # Reconnected or resumed just now: there was no time to ask.
        (replace(OVERDUE, usable_since=NOW - 10 * MINUTE), None),
        (replace(WHOLE, due_at=NOW - 2 * HOUR), None),
        (replace(WHOLE, requested_at=NOW - 5 * HOUR), None),
        (replace(WHOLE, requested_at=NOW - 25 * HOUR), Lateness.STUCK),
        (replace(WHOLE, mode=WorkMode.RECONCILIATION, due_at=NOW - 13 * HOUR), Lateness.OVERDUE),
    ],
)
def test_an_org_is_behind_when_its_source_was_not_asked_in_time(work: LateWork, lateness: Lateness | None) -> None:
    assert judge(work, NOW) is lateness


@pytest.mark.parametrize("mode", [WorkMode.FULL, WorkMode.DELTA])
def test_a_new_org_has_time_for_its_first_sync(mode: WorkMode) -> None:
    new = replace(OVERDUE, mode=mode, asked_at=None, due_at=NOW - FIRST_SYNC_LASTS, usable_since=NOW - FIRST_SYNC_LASTS)
    assert judge(new, NOW) is None
    assert judge(replace(new, attempts=3), NOW) is Lateness.FAILING
    assert judge(replace(new, due_at=NOW - 2 * DAY, usable_since=NOW - 2 * DAY), NOW) is Lateness.OVERDUE


def test_an_org_that_is_behind_is_one_problem_with_its_entities() -> None:
    (found,) = problems(OVERDUE, replace(OVERDUE, entity=EMAIL, asked_at=NOW - 5 * HOUR), WORK)
    assert (found.kind, found.org, found.entities) == (ProblemKind.FRESHNESS, GRACE, (EMAIL, PERSON))
    assert found.since == NOW - 5 * HOUR
    assert found.severity is Severity.HEALS
    assert found.is_red
    assert found.command == "openfaith-sync sync grace --adapter pco"
    (long_ago,) = problems(replace(OVERDUE, asked_at=NOW - 2 * DAY))
    assert long_ago.severity is Severity.NEEDS_PERSON
    assert long_ago.command == "openfaith-sync sync grace --adapter pco --entity person"


@pytest.mark.parametrize(
    ("mode", "asked_at", "option"),
    [
        (WorkMode.RECONCILIATION, NOW - HOUR, " --mode reconciliation"),
        (WorkMode.FULL, NOW - HOUR, " --mode full"),
        # A first sync is a full one, and resumes where it failed.
        (WorkMode.FULL, None, ""),
    ],
)
def test_the_command_does_the_work_that_failed(mode: WorkMode, asked_at: datetime | None, option: str) -> None:
    (found,) = problems(replace(WHOLE, mode=mode, asked_at=asked_at, attempts=3))
    assert found.command == f"openfaith-sync sync grace --adapter pco{option}"


def test_of_an_org_whose_runs_fail_only_that_is_told() -> None:
    (found,) = problems(OVERDUE, replace(WHOLE, attempts=4, reason="its run failed"))
    assert found.severity is Severity.NEEDS_PERSON
    assert found.detail == "the full sync failed 4 times in a row: its run failed"
    assert found.entities == ()


def test_orgs_that_nothing_asks_are_one_problem() -> None:
    theirs = replace(OVERDUE, org=HOPE, asked_at=NOW - 90 * MINUTE)
    (found,) = problems(OVERDUE, theirs, planned={PCO: {GRACE, HOPE}})
    assert (found.org, found.orgs, found.since) == (None, frozenset({GRACE, HOPE}), NOW - 90 * MINUTE)
    assert "daemon" in found.detail
    assert found.command == "dagster-daemon run"
    # As soon as one is asked, or fails, the daemon runs.
    assert {one.org for one in problems(OVERDUE, theirs, planned={PCO: {GRACE, HOPE, OrgId("zion")}})} == {GRACE, HOPE}
    assert {one.org for one in problems(OVERDUE, replace(theirs, attempts=3), planned={PCO: {GRACE, HOPE}})} == {
        *(GRACE, HOPE),
    }


def test_an_invited_church_needs_somebody_who_confirms_it() -> None:
    problem = connection_problem(link(ConnectionStatus.UNCONFIRMED))
    assert problem is not None
    assert problem.is_red
    assert problem.command == "openfaith-sync org confirm grace --adapter pco"


def test_a_paused_connection_is_no_problem_and_a_revoked_one_needs_the_org() -> None:
    assert connection_problem(link(ConnectionStatus.ACTIVE)) is None
    assert connection_problem(link(ConnectionStatus.PAUSED)) is None
    found = connection_problem(link(ConnectionStatus.RECONNECT_NEEDED))
    assert found is not None
    assert found.severity is Severity.NEEDS_PERSON
    assert found.command == "openfaith-sync org connect grace --adapter pco"
    assert "token revoked" in found.detail


def test_the_first_refusal_may_be_over_by_itself() -> None:
    first, second = (refusal_problem(PEOPLE, NOW, "answered 403", "give access", NOW, times) for times in (1, 2))
    assert (first.is_red, second.is_red) == (False, True)
    assert second.detail.startswith("person is refused: answered 403; ")
    assert second.entity == PERSON


def test_an_outage_is_red_although_nobody_here_ends_it() -> None:
    found = outage_problem(PCO, NOW, "no route", None, [GRACE, HOPE])
    assert (found.severity, found.is_red, found.affected_orgs) == (Severity.HEALS, True, frozenset({GRACE, HOPE}))
    assert found.affects(GRACE, PERSON)
    assert not found.affects(OrgId("zion"))
    of_entity = incident_problem(PCO, PERSON, NOW, "answered 403", [GRACE])
    assert of_entity.affects(GRACE)
    assert of_entity.affects(GRACE, PERSON)
    assert not of_entity.affects(GRACE, EMAIL)
    assert outage_problem(PCO, NOW, "no route", GRACE).affected_orgs == {GRACE}


@pytest.mark.parametrize(
    ("counted", "missing", "severity"),
    [
        (CountedRecords(100, 98, 2), None, None),
        # What is stored and gone at the source waits for the proof that it is.
        (CountedRecords(100, 120, 0), None, None),
        (CountedRecords(100, 97, 0), 3, Severity.HEALS),
        (CountedRecords(100, 95, 1), 4, Severity.NEEDS_PERSON),
        (CountedRecords(1000, 990, 0), 10, Severity.HEALS),
    ],
)
def test_what_the_source_counts_is_stored_or_set_aside(
    counted: CountedRecords, missing: int | None, severity: Severity | None
) -> None:
    found = completeness_problem(PEOPLE, counted, NOW)
    assert (found and found.count) == missing
    assert (found and found.severity) == severity
    if found:
        assert found.command == "openfaith-sync sync grace --adapter pco --entity person --mode reconciliation"


def test_dead_letters_are_told_by_their_most_frequent_reasons() -> None:
    reasons = [RejectionReason(f"field_{n}", "expected a date", "string", n, NOW - n * HOUR) for n in range(1, 6)]
    found = dead_letters_problem(PEOPLE, reasons)
    assert (found.count, found.since) == (15, NOW - 5 * HOUR)
    assert found.detail.startswith("15 records of person set aside: 5 × field_5: expected a date (found string); 4 ×")
    assert found.detail.endswith("2 more reasons")
    assert found.command == "openfaith-sync dead-letters list grace"


def test_a_hold_names_its_number_and_an_approved_one_needs_nobody() -> None:
    found = hold_problem(PEOPLE, 7, HoldKind.DELETIONS, HoldStatus.OPEN, 40, "40 are missing", NOW)
    assert (found.severity, found.command, found.count) == (Severity.NEEDS_PERSON, "openfaith-sync holds show 7", 40)
    assert "deletions" in found.detail
    approved = hold_problem(PEOPLE, 7, HoldKind.OLDER, HoldStatus.APPROVED, 40, "40 are older", NOW)
    assert (approved.is_red, "older versions" in approved.detail) == (False, True)


def test_the_worst_comes_first() -> None:
    revoked = connection_problem(link(ConnectionStatus.RECONNECT_NEEDED))
    assert revoked is not None
    outage = outage_problem(PCO, NOW - DAY, "no route", None, [GRACE])
    letters = dead_letters_problem(PEOPLE, [RejectionReason("a", "b", "c", 1, NOW - 9 * DAY)])
    older = replace(letters, since=NOW - 10 * DAY)
    heals = refusal_problem(PEOPLE, NOW - 99 * DAY, "answered 403", "", NOW, 1)
    assert sorted([heals, outage, letters, older, revoked], key=sort_key) == [revoked, outage, older, letters, heals]
