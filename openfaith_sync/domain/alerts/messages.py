"""What a message about an alert says: nothing of a record, a handful of orgs by name, and the command that helps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from openfaith_sync.domain.alerts.announcing import AlertSeverity, AlertState, MessageKind, Told

NAMED = 5
"""The number of orgs that a message names."""
SHOW_ALL = "openfaith-sync alerts list"
MOST_DETAIL = 500
"""Characters; some places cut or refuse long messages."""


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


def write_message(kind: MessageKind, alert: AlertState, told: Told | None, now: datetime) -> tuple[str, str]:
    """Return the title and the body of a message about an alert as it is now."""
    match kind:
        case MessageKind.OPENED:
            title, lines = f"{alert.severity.upper()}: {_name(alert)}", [_whom(alert), *_what_to_do(alert)]
        case MessageKind.JOINED:
            title = f"{alert.severity.upper()}: {_name(alert)} for more orgs"
            lines = [_whom(alert, told), *_what_to_do(alert)]
        case MessageKind.RECOVERED:
            title, lines = f"RECOVERED: {_name(alert)}", [_how_long(alert, told, now)]
    return title, "\n".join(lines)


def _name(alert: AlertState) -> str:
    return f"{alert.adapter} {alert.cause.replace('_', ' ')}"


def _whom(alert: AlertState, told: Told | None = None) -> str:
    since = f"since {_moment(alert.opened_at)}"
    if alert.is_general:
        return f"Every org of {alert.adapter}, {since}."
    orgs = sorted(alert.orgs, key=lambda org: (alert.orgs[org], org))
    if told is None:
        return f"{_count(len(orgs))}, {since}: {_names(orgs)}."
    joined = [org for org in orgs if not told.has_heard_of(alert.orgs[org])]
    return f"{_count(len(joined))} more: {_names(joined)}. Now {_count(len(orgs))} in all, {since}."


def _what_to_do(alert: AlertState) -> list[str]:
    lines = [f"What happened: {_shortened(alert.detail)}"]
    if alert.command:
        lines.append(f"What to do: {alert.command}")
    return [*lines, f"All open alerts: {SHOW_ALL}"]


def _how_long(alert: AlertState, told: Told | None, now: datetime) -> str:
    closed_at = alert.closed_at or now
    whom = f"every org of {alert.adapter}" if alert.is_general else _count(told.orgs if told else len(alert.orgs))
    return (
        f"Over for {whom}: from {_moment(alert.opened_at)} to {_moment(closed_at)}, "
        f"for {_duration(closed_at - alert.opened_at)}."
    )


def _count(orgs: int) -> str:
    return "1 org" if orgs == 1 else f"{orgs:,} orgs"


def _names(orgs: Sequence[str]) -> str:
    rest = len(orgs) - NAMED
    return ", ".join(orgs[:NAMED]) + (f" and {rest:,} more" if rest > 0 else "")


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
