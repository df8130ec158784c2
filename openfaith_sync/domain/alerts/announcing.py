"""When a target is told of an alert: once when it opens, at most hourly while more orgs join, once when it is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.problems.problem import ProblemKind

SETTLES_AFTER = timedelta(seconds=10)
"""What begins for many orgs at once is found for one after another; waiting makes it one message."""
DIGEST_EVERY = timedelta(hours=1)
"""The least time between two messages about an open alert."""


class MessageKind(StrEnum):
    """What a message says of its alert."""

    OPENED = "opened"
    JOINED = "joined"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class AlertState:
    """An alert, and whom it affects now."""

    alert_id: int
    adapter: AdapterName
    cause: ProblemKind
    severity: AlertSeverity
    detail: str
    """What is wrong with the org that is affected most, or with all."""
    command: str
    """The command that helps there."""
    is_general: bool
    """Whether it affects every org of the adapter."""
    opened_at: datetime
    closed_at: datetime | None
    orgs: Mapping[OrgId, datetime]
    """The affected orgs, and since when."""

    @property
    def ordered_orgs(self) -> Sequence[OrgId]:
        """The affected orgs, the first affected ones first."""
        return sorted(self.orgs, key=lambda org: (self.orgs[org], org))

    @property
    def is_present(self) -> bool:
        """Return whether it affects anybody now; an alert that does not closes soon."""
        return self.is_general or bool(self.orgs)


@dataclass(frozen=True, slots=True)
class Told:
    """What a target was told of an alert; a message counts as soon as it is in the outbox."""

    messages: int
    last_kind: MessageKind
    last_at: datetime
    severity: AlertSeverity
    was_general: bool
    orgs: int
    """The number of orgs that the messages counted."""
    is_done: bool
    """Whether the last one was accepted, or given up."""

    def has_heard_of(self, since: datetime) -> bool:
        """Return whether an org that is affected since then was counted."""
        return since <= self.last_at


def choose_message(
    alert: AlertState, told: Told | None, now: datetime, settles_after: timedelta = SETTLES_AFTER
) -> MessageKind | None:
    """Return the message that is due to a target, if any.

    An alert that is over before a target was told of it is not worth a message.
    """
    if told is None:
        is_due = alert.closed_at is None and alert.is_present and now - alert.opened_at >= settles_after
        return MessageKind.OPENED if is_due else None
    if told.last_kind is MessageKind.RECOVERED:
        return None
    if alert.closed_at is not None:
        return MessageKind.RECOVERED
    # What a target that accepts nothing would be told is told at once when it does again.
    if not told.is_done:
        return None
    if _is_worse(alert, told):
        return MessageKind.JOINED
    return MessageKind.JOINED if find_untold(alert, told) and now - told.last_at >= DIGEST_EVERY else None


def find_untold(alert: AlertState, told: Told | None) -> Sequence[OrgId]:
    """Return the affected orgs that no message to a target has counted, the first affected ones first."""
    return [org for org in alert.ordered_orgs if told is None or not told.has_heard_of(alert.orgs[org])]


def _is_worse(alert: AlertState, told: Told) -> bool:
    """Return whether waiting is wrong: it affects everybody now, or syncs stand still now."""
    is_critical = alert.severity is AlertSeverity.CRITICAL and told.severity is not AlertSeverity.CRITICAL
    return is_critical or (alert.is_general and not told.was_general)
