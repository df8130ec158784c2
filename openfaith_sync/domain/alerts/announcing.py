"""When a target is told of an alert: once when it opens, at most hourly while more orgs join, once when it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from openfaith_sync.domain.ids import AdapterName, OrgId

SETTLES_AFTER = timedelta(seconds=10)
"""What begins for many orgs at once is found for one after another; waiting makes it one message."""
DIGEST_EVERY = timedelta(hours=1)
"""The least time between two messages about an open alert."""


class MessageKind(StrEnum):
    """What a message says of its alert."""

    OPENED = "opened"
    JOINED = "joined"
    RECOVERED = "recovered"


class AlertSeverity(StrEnum):
    """How much an alert matters."""

    CRITICAL = "critical"
    """Syncs of at least one org stand still."""
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class AlertState:
    """An alert, and whom it affects now."""

    alert_id: int
    adapter: AdapterName
    cause: str
    severity: AlertSeverity
    detail: str
    """What happened, and what to do."""
    command: str | None
    """The command that helps."""
    is_general: bool
    """Whether it affects every org of the adapter."""
    opened_at: datetime
    closed_at: datetime | None
    orgs: Mapping[OrgId, datetime]
    """The affected orgs, and since when."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a target was told of an alert; a message counts as soon as it is in the outbox."""

    messages: int
    last_kind: MessageKind
    last_at: datetime
    was_general: bool
    orgs: int
    """The number of orgs that the messages counted."""
    is_done: bool
    """Whether the last one was accepted, or given up."""

    def has_heard_of(self, since: datetime) -> bool:
        """Return whether an org that is affected since then was counted."""
        return since <= self.last_at


def choose_message(alert: AlertState, told: Told | None, now: datetime) -> MessageKind | None:
    """Return the message that is due to a target, if any.

    An alert that is over before a target was told of it is not worth a message.
    """
    if told is None:
        is_settled = now - alert.opened_at >= SETTLES_AFTER
        return MessageKind.OPENED if alert.closed_at is None and is_settled else None
    if told.last_kind is MessageKind.RECOVERED:
        return None
    if alert.closed_at is not None:
        return MessageKind.RECOVERED
    # What a target that accepts nothing would be told is told at once when it does again.
    if not told.is_done:
        return None
    # That it affects everybody is another thing to know than that it affects one more.
    if alert.is_general and not told.was_general:
        return MessageKind.JOINED
    has_joined = any(not told.has_heard_of(since) for since in alert.orgs.values())
    return MessageKind.JOINED if has_joined and now - told.last_at >= DIGEST_EVERY else None


def count_orgs(alert: AlertState, told: Told | None) -> int:
    """Return how many orgs the messages count, together with the one that is written now."""
    if told is None:
        return len(alert.orgs)
    return told.orgs + sum(not told.has_heard_of(since) for since in alert.orgs.values())
