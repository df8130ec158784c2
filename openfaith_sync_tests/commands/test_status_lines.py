"""The one line about an org: its state, since when, and what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openfaith_sync.commands.status_text import org_lines, summary_line
from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.problems.org_status import (
    NextWork,
    OrgFacts,
    OrgState,
    OrgStatus,
    PassUnderWay,
    judge_org,
    org_order,
)
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity
from openfaith_sync.domain.schedule.due_work import WorkMode

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
GRACE, PCO, PERSON = OrgId("grace"), AdapterName("pco"), EntityName("person")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

WELL = OrgFacts(
    org=GRACE,
    adapter=PCO,
    status=ConnectionStatus.ACTIVE,
    status_reason=None,
    status_since=NOW - 30 * DAY,
    asked_at=NOW - 3 * MINUTE,
    changed_at=NOW - 2 * HOUR,
    is_complete=True,
    next=NextWork(WorkMode.DELTA, NOW + 12 * MINUTE, is_requested=False),
)
WALK = PassUnderWay(PERSON, SyncMode.FULL, NOW - 10 * MINUTE, 4_200, 42, 9_800, is_alive=True, is_resumed=False)


def problem(kind: ProblemKind, severity: Severity = Severity.NEEDS_PERSON) -> Problem:
    return Problem(kind, PCO, severity, NOW - 5 * HOUR, f"{kind.value} is wrong: because", f"help {kind.value}", GRACE)


def judge(facts: OrgFacts = WELL, *problems: Problem) -> OrgStatus:
    return judge_org(facts, problems, NOW)


def line(status: OrgStatus) -> str:
    return list(org_lines([status], NOW))[1]


def test_a_quiet_org_that_was_asked_is_up_to_date() -> None:
    assert line(judge()) == "grace  3 min ago  2 h ago  delta in 12 min  up to date"
    never = replace(WELL, asked_at=None, changed_at=None, is_complete=False, next=None)
    assert line(judge(never)) == (
        "grace  never  never    -     waiting for its first sync: openfaith-sync sync grace --adapter pco"
    )


def test_a_sync_says_how_far_it_is_and_when_it_will_be_done() -> None:
    found = judge(replace(WELL, passes=(WALK,)))
    assert found.state is OrgState.SYNCING
    assert found.finish_at == NOW + 10 * MINUTE * (5_600 / 4_200)
    assert line(found).endswith("syncing: person: 4,200 of 9,800 records, done in about 13 min")


def test_a_first_sync_says_how_many_entities_are_complete_and_when_all_will_be() -> None:
    first = FirstSync(done=37, entities=118, requests=4_200, unknown=0, seconds=20 * 60)
    facts = replace(WELL, passes=(WALK,), first_sync=first)
    assert line(judge(facts)).endswith(
        "syncing: first sync: 37 of 118 entities; person: 4,200 of 9,800 records, done in about 20 min"
    )
    least = replace(facts, first_sync=replace(first, unknown=2))
    assert line(judge(least)).endswith("done in at least 20 min")
    stopped = judge(replace(facts, passes=(replace(WALK, is_alive=False),)))
    assert stopped.finish_at is None


@pytest.mark.parametrize(
    "walk",
    [
        replace(WALK, total=None),
        replace(WALK, records=0),
        # A pause in between would make the rest seem longer than it is.
        replace(WALK, is_resumed=True),
        replace(WALK, started_at=NOW - timedelta(seconds=2)),
    ],
)
def test_what_cannot_be_estimated_is_not(walk: PassUnderWay) -> None:
    found = judge(replace(WELL, passes=(walk,)))
    assert (found.state, found.finish_at) == (OrgState.SYNCING, None)
    assert "done in" not in line(found)


def test_a_pass_that_nobody_works_on_is_interrupted() -> None:
    found = judge(replace(WELL, passes=(replace(WALK, is_alive=False),)))
    assert (found.state, found.finish_at) == (OrgState.INTERRUPTED, None)
    alive = judge(replace(WELL, passes=(WALK, replace(WALK, entity=EntityName("email"), is_alive=False))))
    assert (alive.state, alive.what) == (OrgState.SYNCING, "person: 4,200 of 9,800 records")


@pytest.mark.parametrize(
    ("problems", "state", "what"),
    [
        ([problem(ProblemKind.CONNECTION)], OrgState.NEEDS_YOU, "connection is wrong: help connection"),
        (
            [problem(ProblemKind.DEAD_LETTERS), problem(ProblemKind.DELETIONS_HELD), problem(ProblemKind.OUTAGE)],
            OrgState.NEEDS_YOU,
            "deletions_held is wrong (and 1 more): help deletions_held",
        ),
        ([problem(ProblemKind.OUTAGE, Severity.HEALS)], OrgState.UNREACHABLE, "outage is wrong"),
        ([problem(ProblemKind.FRESHNESS, Severity.HEALS)], OrgState.BEHIND, "freshness is wrong"),
        ([problem(ProblemKind.FRESHNESS)], OrgState.BEHIND, "freshness is wrong: help freshness"),
        ([problem(ProblemKind.REFERENCES, Severity.HEALS)], OrgState.UP_TO_DATE, ""),
    ],
)
def test_the_worst_problem_is_the_state_with_what_to_do(problems: list[Problem], state: OrgState, what: str) -> None:
    found = judge(replace(WELL, passes=()), *problems)
    assert (found.state, found.what) == (state, what)
    assert len(found.problems) == len(problems)
    if state is not OrgState.UP_TO_DATE:
        assert found.since == NOW - 5 * HOUR


def test_a_paused_org_is_paused_since_and_why() -> None:
    paused = replace(WELL, status=ConnectionStatus.PAUSED, status_reason="moving house", next=None)
    assert line(judge(paused)).endswith("-     paused since 2026-01-31 12:00 UTC: moving house")
    # Somebody paused it, so there is no problem to look up.
    assert summary_line([judge(paused)]) == "1 org: 1 paused"


def test_the_worst_orgs_come_first_and_are_counted() -> None:
    states = {
        "needs": judge(replace(WELL, org=OrgId("needs")), problem(ProblemKind.CONNECTION)),
        "away": judge(replace(WELL, org=OrgId("away")), problem(ProblemKind.OUTAGE, Severity.HEALS)),
        "late": judge(replace(WELL, org=OrgId("late")), problem(ProblemKind.FRESHNESS)),
        "well": judge(replace(WELL, org=OrgId("well"))),
        "also": judge(replace(WELL, org=OrgId("also"), status_since=NOW)),
    }
    ordered = sorted(states.values(), key=org_order)
    assert [status.facts.org for status in ordered] == ["needs", "away", "late", "also", "well"]
    assert summary_line(ordered) == (
        "5 orgs: 1 needs you, 1 unreachable, 1 behind, 2 up to date; see openfaith-sync status --problems"
    )
    assert summary_line([states["well"]]) == "1 org: 1 up to date"


def test_the_adapter_is_named_where_there_are_several() -> None:
    other = judge(replace(WELL, adapter=AdapterName("breeze")))
    assert [text.split()[1] for text in org_lines([judge(), other], NOW)] == ["adapter", "pco", "breeze"]
