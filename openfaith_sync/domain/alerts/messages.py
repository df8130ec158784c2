"""What a message about an alert says: nothing of a record, a handful of orgs by name, and the command that helps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from openfaith_sync.domain.alerts.announcing import AlertState, MessageKind, Told, find_untold
from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.problems.problem import ProblemKind

NAMED = 5
"""The number of orgs that a message names."""
EXPLAINED = 3
"""The number of orgs whose problem a message describes."""
SHOW_ALL = "openfaith-sync status --problems"
MOST_DETAIL = 300
"""Characters of one description; some places cut or refuse long messages."""

HEADLINES = {
    ProblemKind.CONNECTION: "access refused",
    ProblemKind.OUTAGE: "source down",
    ProblemKind.FRESHNESS: "syncs behind",
    ProblemKind.DELETIONS_HELD: "deletions held for approval",
    ProblemKind.COMPLETENESS: "records missing",
    ProblemKind.DEAD_LETTERS: "records set aside",
    ProblemKind.REFERENCES: "references without a record",
    ProblemKind.SCHEMA_DRIFT: "records differ from the manifest",
    ProblemKind.GIVING_TOTALS: "giving does not add up",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the outbox, as it is sent."""

    message_id: UUID
    """Stays the same when the message is sent again, so that a repetition can be recognized."""
    kind: MessageKind
    severity: AlertSeverity
    title: str
    body: str
    attempts: int
    """Including this one."""

    @property
    def text(self) -> str:
        """Return the body with the message's id."""
        return f"{self.body}\nMessage {self.message_id}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong with one org, and the command that helps."""

    org: OrgId
    detail: str
    command: str


def choose_explained(alert: AlertState, told: Told | None) -> Sequence[OrgId]:
    """Return the orgs whose problem the next message describes."""
    return _named(alert, told)[:EXPLAINED]


def write_message(
    kind: MessageKind, alert: AlertState, told: Told | None, explained: Sequence[Explanation], now: datetime
) -> tuple[str, str]:
    """Return the title and the body of a message about an alert as it is now."""
    if kind is MessageKind.RECOVERED:
        return f"RECOVERED: {_name(alert)}", _how_long(alert, told, now)
    title = f"{alert.severity.upper()}: {_name(alert)} for {_whom(alert, told)}"
    return title, "\n".join([_names(alert, told), *_what_to_do(alert, explained), f"Everything: {SHOW_ALL}"])


def count_told(alert: AlertState, told: Told | None) -> int:
    """Return how many orgs the messages count, together with the one that is written now."""
    return len(find_untold(alert, told)) + (told.orgs if told else 0)


def _name(alert: AlertState) -> str:
    return f"{alert.adapter} {HEADLINES[alert.cause]}"


def _named(alert: AlertState, told: Told | None) -> Sequence[OrgId]:
    """Return the orgs that a message is about: those that joined, or all if it only became worse."""
    return find_untold(alert, told) or alert.ordered_orgs


def _whom(alert: AlertState, told: Told | None) -> str:
    orgs = _named(alert, told)
    if alert.is_general:
        return "every org"
    if told and find_untold(alert, told):
        return f"{_count(len(orgs))} more"
    return orgs[0] if len(orgs) == 1 else _count(len(orgs))


def _names(alert: AlertState, told: Told | None) -> str:
    since = f"since {_moment(alert.opened_at)}"
    if alert.is_general:
        return f"Every org of {alert.adapter}, {since}."
    orgs = _named(alert, told)
    rest = len(orgs) - NAMED
    names = ", ".join(orgs[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")
    if told and find_untold(alert, told):
        return f"{_count(len(orgs))} more: {names}. Now {_count(len(alert.orgs))} in all, {since}."
    return f"{_count(len(orgs))}, {since}: {names}."


def _what_to_do(alert: AlertState, explained: Sequence[Explanation]) -> list[str]:
    if alert.is_general or not explained:
        return [f"- {_shortened(alert.detail)}", f"  {alert.command}"]
    return [line for one in explained for line in (f"- {one.org}: {_shortened(one.detail)}", f"  {one.command}")]


def _how_long(alert: AlertState, told: Told | None, now: datetime) -> str:
    closed_at = alert.closed_at or now
    is_general = bool(told and told.was_general)
    whom = f"every org of {alert.adapter}" if is_general else _count(told.orgs if told else len(alert.orgs))
    return (
        f"Over for {whom}: from {_moment(alert.opened_at)} to {_moment(closed_at)}, "
        f"for {_duration(closed_at - alert.opened_at)}."
    )


def _count(orgs: int) -> str:
    return "1 org" if orgs == 1 else f"{orgs:,} orgs"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _duration(lasted: timedelta) -> str:
    minutes = round(lasted.total_seconds() / 60)
    hours, days = minutes // 60, minutes // 1440
    if minutes < 1:
        return "less than a minute"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_DETAIL else f"{text[: MOST_DETAIL - 1]}…"
