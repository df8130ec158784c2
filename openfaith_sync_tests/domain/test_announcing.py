"""When a target is told of an alert, and what the message says."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from openfaith_sync.domain.alerts.announcing import (
    DIGEST_EVERY,
    SETTLES_AFTER,
    AlertSeverity,
    AlertState,
    MessageKind,
    Told,
    choose_message,
    count_orgs,
)
from openfaith_sync.domain.alerts.messages import write_message
from openfaith_sync.domain.alerts.retrying import LONGEST_WAIT, wait_after
from openfaith_sync.domain.ids import AdapterName, OrgId

BEGAN = datetime(2026, 12, 1, 14, 3, tzinfo=UTC)
ORGS = ("grace", "hope", "zion")


def alert(orgs: Iterable[str] = ORGS, **changed: object) -> AlertState:
    made = AlertState(
        7, AdapterName("pco"), "reconnect_needed", AlertSeverity.CRITICAL, "grace: the grant was revoked",
        "openfaith-sync org connect grace", is_general=False, opened_at=BEGAN, closed_at=None,
        orgs={OrgId(org): BEGAN for org in orgs},
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]  # of any field


def told(
    orgs: int = 3, kind: MessageKind = MessageKind.OPENED, *, was_general: bool = False, is_done: bool = True
) -> Told:
    return Told(1, kind, BEGAN + timedelta(minutes=1), was_general, orgs, is_done)


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
    assert count_orgs(joined, told()) == 4
    # A target that is away for a day is not told 24 times when it is back.
    assert choose_message(joined, told(is_done=False), BEGAN + timedelta(days=1)) is None
    # Nobody joined, some left: not worth a message.
    assert choose_message(alert(["hope"]), told(), BEGAN + timedelta(days=1)) is None


def test_that_everybody_is_affected_is_told_at_once() -> None:
    general = alert(is_general=True)
    assert choose_message(general, told(), told().last_at) is MessageKind.JOINED
    assert choose_message(general, told(was_general=True), told().last_at + timedelta(days=1)) is None


def test_a_message_names_a_handful_of_orgs_and_the_command_that_helps() -> None:
    title, body = write_message(MessageKind.OPENED, alert(), None, BEGAN)
    assert title == "CRITICAL: pco reconnect needed"
    assert body.splitlines()[:3] == [
        "3 orgs, since 2026-12-01 14:03 UTC: grace, hope, zion.",
        "What happened: grace: the grant was revoked",
        "What to do: openfaith-sync org connect grace",
    ]
    _, body = write_message(MessageKind.OPENED, alert(f"church-{number:03}" for number in range(200)), None, BEGAN)
    assert body.startswith("200 orgs, since 2026-12-01 14:03 UTC: church-000, church-001, church-002, church-003, ")
    assert "church-004 and 195 more." in body
    assert "church-005" not in body


def test_a_digest_names_those_who_joined() -> None:
    grown = alert()
    grown = replace(grown, orgs={**grown.orgs, OrgId("oak"): BEGAN + timedelta(minutes=2)})
    title, body = write_message(MessageKind.JOINED, grown, told(), BEGAN + timedelta(hours=2))
    assert title == "CRITICAL: pco reconnect needed for more orgs"
    assert body.startswith("1 org more: oak. Now 4 orgs in all, since 2026-12-01 14:03 UTC.")


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
    title, body = write_message(MessageKind.RECOVERED, alert((), closed_at=BEGAN + lasted), told(200), BEGAN)
    assert title == "RECOVERED: pco reconnect needed"
    assert body.startswith("Over for 200 orgs: from 2026-12-01 14:03 UTC to ")
    assert body.endswith(f", for {text}.")


def test_what_concerns_everybody_says_so() -> None:
    _, body = write_message(MessageKind.OPENED, alert((), is_general=True, command=None), None, BEGAN)
    assert body.startswith("Every org of pco, since 2026-12-01 14:03 UTC.")
    assert "What to do" not in body


def test_the_waits_double_up_to_an_hour() -> None:
    waits = [wait_after(attempts) for attempts in (1, 2, 3, 8, 9, 1000)]
    assert [wait.total_seconds() for wait in waits] == [15, 30, 60, 1920, 3600, 3600]
    assert waits[-1] == LONGEST_WAIT
