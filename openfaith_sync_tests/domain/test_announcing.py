"""When a target is told of an alert, and what the message says."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openfaith_sync.domain.alerts.announcing import (
    DIGEST_EVERY,
    SETTLES_AFTER,
    AlertState,
    MessageKind,
    Told,
    choose_message,
)
from openfaith_sync.domain.alerts.causes import AlertSeverity, find_causes
from openfaith_sync.domain.alerts.messages import HEADLINES, Explanation, choose_explained, count_told, write_message
from openfaith_sync.domain.alerts.retrying import LONGEST_WAIT, wait_after
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity

PCO = AdapterName("pco")
BEGAN = datetime(2026, 12, 1, 14, 3, tzinfo=UTC)
ORGS = ("grace", "hope", "zion")


def alert(orgs: Iterable[str] = ORGS, **changed: object) -> AlertState:
    made = AlertState(
        7, PCO, ProblemKind.CONNECTION, AlertSeverity.CRITICAL, "grace: the grant was revoked",
        "openfaith-sync org connect grace", is_general=False, opened_at=BEGAN, closed_at=None,
        orgs={OrgId(org): BEGAN for org in orgs},
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]  # of any field


def told(
    orgs: int = 3, kind: MessageKind = MessageKind.OPENED, *, was_general: bool = False, is_done: bool = True
) -> Told:
    return Told(1, kind, BEGAN + timedelta(minutes=1), AlertSeverity.CRITICAL, was_general, orgs, is_done)


def explain(*orgs: str) -> list[Explanation]:
    return [Explanation(OrgId(org), "the grant was revoked", f"openfaith-sync org connect {org}") for org in orgs]


def test_an_alert_is_told_once_it_has_settled_and_only_once() -> None:
    assert choose_message(alert(), None, BEGAN + SETTLES_AFTER - timedelta(seconds=1)) is None
    assert choose_message(alert(), None, BEGAN + SETTLES_AFTER) is MessageKind.OPENED
    assert choose_message(alert(), told(), BEGAN + timedelta(days=30)) is None


def test_the_end_is_told_to_those_who_were_told_of_the_beginning() -> None:
    over = alert((), closed_at=BEGAN + timedelta(minutes=5))
    assert choose_message(over, None, BEGAN + timedelta(hours=1)) is None
    assert choose_message(over, told(), BEGAN + timedelta(minutes=5)) is MessageKind.RECOVERED
    assert choose_message(over, told(kind=MessageKind.JOINED), BEGAN + timedelta(minutes=5)) is MessageKind.RECOVERED
    assert choose_message(over, told(kind=MessageKind.RECOVERED), BEGAN + timedelta(days=1)) is None


def test_orgs_that_join_are_told_together_an_hour_after_the_last_message() -> None:
    joined = alert()
    joined = replace(joined, orgs={**joined.orgs, OrgId("oak"): BEGAN + timedelta(minutes=2)})
    assert choose_message(joined, told(), told().last_at + DIGEST_EVERY - timedelta(seconds=1)) is None
    assert choose_message(joined, told(), told().last_at + DIGEST_EVERY) is MessageKind.JOINED
    assert count_told(joined, told()) == 4
    # A target that is away for a day is not told 24 times when it is back.
    assert choose_message(joined, told(is_done=False), BEGAN + timedelta(days=1)) is None
    # Nobody joined, some left: not worth a message.
    assert choose_message(alert(["hope"]), told(), BEGAN + timedelta(days=1)) is None


def test_what_affects_nobody_at_the_moment_is_not_told() -> None:
    assert choose_message(alert(()), None, BEGAN + timedelta(minutes=1)) is None
    assert choose_message(alert((), is_general=True), None, BEGAN + timedelta(minutes=1)) is MessageKind.OPENED


def test_that_syncs_stand_still_now_is_told_at_once() -> None:
    mild = replace(told(), severity=AlertSeverity.WARNING)
    assert choose_message(alert(), mild, mild.last_at) is MessageKind.JOINED
    title, body = write_message(MessageKind.JOINED, alert(), mild, explain("grace"), BEGAN)
    assert title == "CRITICAL: pco access refused for 3 orgs"
    assert body.startswith("3 orgs, since 2026-12-01 14:03 UTC: grace, hope, zion.")
    assert choose_message(alert(severity=AlertSeverity.WARNING), told(), BEGAN + timedelta(days=1)) is None


def test_that_everybody_is_affected_is_told_at_once() -> None:
    general = alert(is_general=True)
    assert choose_message(general, told(), told().last_at) is MessageKind.JOINED
    assert choose_message(general, told(was_general=True), told().last_at + timedelta(days=1)) is None


def test_a_message_names_a_handful_of_orgs_and_the_commands_that_help() -> None:
    title, body = write_message(MessageKind.OPENED, alert(), None, explain("grace", "hope", "zion"), BEGAN)
    assert title == "CRITICAL: pco access refused for 3 orgs"
    assert body.splitlines() == [
        "3 orgs, since 2026-12-01 14:03 UTC: grace, hope, zion.",
        "- grace: the grant was revoked",
        "  openfaith-sync org connect grace",
        "- hope: the grant was revoked",
        "  openfaith-sync org connect hope",
        "- zion: the grant was revoked",
        "  openfaith-sync org connect zion",
        "Everything: openfaith-sync status --problems",
    ]
    many = alert(f"church-{number:03}" for number in range(200))
    assert choose_explained(many, None) == ["church-000", "church-001", "church-002"]
    title, body = write_message(MessageKind.OPENED, many, None, explain("church-000"), BEGAN)
    assert title == "CRITICAL: pco access refused for 200 orgs"
    assert body.startswith("200 orgs, since 2026-12-01 14:03 UTC: church-000, church-001, church-002, church-003, ")
    assert "church-004 and 195 more." in body
    assert "church-005" not in body
    title, _ = write_message(MessageKind.OPENED, alert(["grace"]), None, explain("grace"), BEGAN)
    assert title == "CRITICAL: pco access refused for grace"


def test_a_digest_names_those_who_joined() -> None:
    grown = alert()
    grown = replace(grown, orgs={**grown.orgs, OrgId("oak"): BEGAN + timedelta(minutes=2)})
    assert choose_explained(grown, told()) == ["oak"]
    title, body = write_message(MessageKind.JOINED, grown, told(), explain("oak"), BEGAN + timedelta(hours=2))
    assert title == "CRITICAL: pco access refused for 1 org more"
    assert body.startswith("1 org more: oak. Now 4 orgs in all, since 2026-12-01 14:03 UTC.\n- oak: the grant")


@pytest.mark.parametrize(
    ("lasted", "text"),
    [
        (timedelta(seconds=20), "less than a minute"),
        (timedelta(minutes=7), "7 min"),
        (timedelta(minutes=125), "2 h 5 min"),
        (timedelta(hours=50), "2 d 2 h"),
    ],
)
def test_a_recovery_says_how_long_it_was_and_for_how_many(lasted: timedelta, text: str) -> None:
    title, body = write_message(MessageKind.RECOVERED, alert((), closed_at=BEGAN + lasted), told(200), [], BEGAN)
    assert title == "RECOVERED: pco access refused"
    assert body.startswith("Over for 200 orgs: from 2026-12-01 14:03 UTC to ")
    assert body.endswith(f", for {text}.")


def test_what_concerns_everybody_says_so() -> None:
    title, body = write_message(MessageKind.OPENED, alert((), is_general=True, detail="it is down"), None, [], BEGAN)
    assert title == "CRITICAL: pco access refused for every org"
    assert body.startswith("Every org of pco, since 2026-12-01 14:03 UTC.\n- it is down\n  openfaith-sync org connect")


def test_the_waits_double_up_to_an_hour() -> None:
    waits = [wait_after(attempts) for attempts in (1, 2, 3, 8, 9, 1000)]
    assert [wait.total_seconds() for wait in waits] == [15, 30, 60, 1920, 3600, 3600]
    assert waits[-1] == LONGEST_WAIT


def problem(kind: ProblemKind, org: str | None = "grace", **changed: object) -> Problem:
    made = Problem(kind, PCO, Severity.NEEDS_PERSON, BEGAN, f"{kind} of {org}", "command", OrgId(org) if org else None)
    return replace(made, **changed)  # type: ignore[arg-type]  # of any field


def test_problems_of_one_kind_and_adapter_are_one_cause() -> None:
    problems = [problem(kind, org) for kind in ProblemKind for org in ORGS]
    problems.append(replace(problems[0], entities=(EntityName("email"),), since=BEGAN + timedelta(hours=1)))
    causes = find_causes(problems)
    assert set(causes) == {(PCO, kind) for kind in ProblemKind}
    for (_, kind), cause in causes.items():
        assert list(cause.orgs) == list(ORGS)
        assert cause.detail == f"grace: {kind} of grace"
    assert set(HEADLINES) == set(ProblemKind)


def test_what_heals_by_itself_is_told_while_nothing_new_comes_or_a_source_changes() -> None:
    healing = [problem(kind, severity=Severity.HEALS) for kind in ProblemKind]
    causes = find_causes(healing)
    assert {kind for _, kind in causes} == {ProblemKind.OUTAGE, ProblemKind.FRESHNESS, ProblemKind.SCHEMA_DRIFT}
    assert {cause.severity for cause in causes.values()} == {AlertSeverity.WARNING}


def test_a_standstill_is_critical_and_what_is_incomplete_a_warning() -> None:
    causes = find_causes(problem(kind) for kind in ProblemKind)
    critical = {kind for (_, kind), cause in causes.items() if cause.severity is AlertSeverity.CRITICAL}
    assert critical == {ProblemKind.CONNECTION, ProblemKind.OUTAGE, ProblemKind.FRESHNESS}


def test_an_outage_of_a_provider_is_general_and_an_entity_that_is_refused_to_many_is_not() -> None:
    both = frozenset({OrgId("grace"), OrgId("hope")})
    (whole,) = find_causes([problem(ProblemKind.OUTAGE, None, orgs=both, severity=Severity.HEALS)]).values()
    assert (whole.is_general, dict(whole.orgs), whole.severity) == (True, {}, AlertSeverity.CRITICAL)
    refused = problem(ProblemKind.OUTAGE, None, orgs=both, entities=(EntityName("email"),), severity=Severity.HEALS)
    (some,) = find_causes([refused]).values()
    assert (some.is_general, frozenset(some.orgs), some.severity) == (False, both, AlertSeverity.WARNING)
