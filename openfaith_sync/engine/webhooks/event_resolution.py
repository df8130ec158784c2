"""Decide what becomes of a record's events after it was read. Pure, so that tests can try every case.

The source is right. But where it contradicts an event, it may not show yet what the
event announces, so the event is kept and the record is read again, a few times.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openfaith_sync.domain.webhooks.inbox import DueRecord, EventAction, InboxEvent, RecordStatus, Wait

EARLY_WAITS = (5, 15, 60, 300)
"""Seconds until a record that differs from its event is read again."""
FAILURE_WAITS = (5, 15, 60, 300, 900, 3600)
"""Seconds until a record is read again after a failed read; the last one is repeated."""

_SAYS_IT_LIVES = frozenset({EventAction.CREATED, EventAction.UPDATED})
_SAYS_IT_IS_GONE = frozenset({EventAction.DESTROYED, EventAction.MERGED})


@dataclass(frozen=True, slots=True)
class EventResolution:
    """What to do with one record and its events."""

    is_stored: bool = False
    is_gone: bool = False
    """Whether the record is to be tombstoned."""
    handled: Mapping[str, str] = field(default_factory=dict)
    waits: Mapping[str, Wait] = field(default_factory=dict)


def resolve_all(due: DueRecord, outcome: str) -> EventResolution:
    """Mark all events of a record as handled, and change nothing."""
    return EventResolution(handled=_all(due.events, outcome))


def resolve_failure(due: DueRecord, reason: str) -> EventResolution:
    """Postpone the events of a record that could not be read."""
    step = min(event.attempts for event in due.events)
    seconds = FAILURE_WAITS[min(step, len(FAILURE_WAITS) - 1)]
    return EventResolution(waits={event.event_id: Wait(seconds, reason) for event in due.events})


def resolve_readable(due: DueRecord, *, is_older: bool) -> EventResolution:
    """Return what becomes of a record that the source shows.

    ``is_older`` says that an event shows a newer version than the source does.
    """
    latest = _latest(due.events)
    # Its deletion was announced before, and these events are older than that.
    is_past = due.destroyed_at is not None and latest is not None and latest < due.destroyed_at
    doubted = [
        event
        for event in due.events
        if event.action is EventAction.MERGED
        or is_past
        or (event.action is EventAction.DESTROYED and _is_news(event, latest, due.applied_to))
        or (is_older and event.action in _SAYS_IT_LIVES)
    ]
    outcomes = {
        event.event_id: "stored as the source shows it" if event in doubted else "stored" for event in due.events
    }
    return _postpone_doubted(doubted, outcomes, "the source does not show it yet", EventResolution(is_stored=True))


def resolve_missing(due: DueRecord) -> EventResolution:
    """Return what becomes of a record that the source does not have (404, 410).

    The record is deleted only when an event says that it is gone as well: a 404 to an event that says
    it lives contradicts that event, and two readings that contradict each other prove nothing. Such a
    record is looked at again, and then left to the reconciliation. It may still come, or come back,
    when the newest that is known of it says that it lives.
    """
    gone_at = [event.event_time for event in due.events if event.action in _SAYS_IT_IS_GONE]
    latest = max(filter(None, gone_at), default=None)
    awaited = [
        event
        for event in due.events
        if event.action in _SAYS_IT_LIVES
        and _is_news(event, latest, due.applied_to)
        and (event.event_time is not None or not gone_at)
    ]
    # A merge that the source does not list yet: the record is gone, and what it became is still to come.
    doubted = [*awaited, *(event for event in due.events if event.action is EventAction.MERGED)]
    is_over = all(event.attempts >= len(EARLY_WAITS) for event in awaited)
    # Or an earlier event announced it, and nothing newer is known of the record.
    was_told_of = due.destroyed_at is not None and due.destroyed_at == due.applied_to and not awaited
    is_told_of = was_told_of or any(event.action in _SAYS_IT_IS_GONE for event in due.events)
    is_gone = is_told_of and (due.status is RecordStatus.LIVE or (due.status is RecordStatus.NEVER and is_over))
    outcomes = {event.event_id: _outcome_of_missing(due, event, is_gone=is_gone) for event in due.events}
    return _postpone_doubted(doubted, outcomes, "the source does not have it yet", EventResolution(is_gone=is_gone))


def _outcome_of_missing(due: DueRecord, event: InboxEvent, *, is_gone: bool) -> str:
    if due.status is RecordStatus.LIVE and not is_gone:
        return "left to the reconciliation: the source does not have it, and no event says that it is gone"
    if event.action is EventAction.MERGED:
        return "gone; the source lists no such merge"
    if due.status is RecordStatus.NEVER and event.action in _SAYS_IT_LIVES:
        return "gone before it was seen"
    return "gone"


def _postpone_doubted(
    doubted: list[InboxEvent], outcomes: Mapping[str, str], reason: str, resolution: EventResolution
) -> EventResolution:
    """Mark the certain events as handled and postpone the doubtful ones, until they have waited often enough."""
    step = min((event.attempts for event in doubted), default=len(EARLY_WAITS))
    if step >= len(EARLY_WAITS):
        return EventResolution(resolution.is_stored, resolution.is_gone, handled=outcomes)
    waits = {event.event_id: Wait(EARLY_WAITS[step], reason) for event in doubted}
    handled = {event_id: outcome for event_id, outcome in outcomes.items() if event_id not in waits}
    return EventResolution(resolution.is_stored, resolution.is_gone, handled, waits)


def _is_news(event: InboxEvent, latest: datetime | None, applied_to: datetime | None) -> bool:
    """Return whether nothing known is newer than this event; an event without a time always counts as new."""
    known = max(filter(None, (latest, applied_to)), default=None)
    return event.event_time is None or known is None or event.event_time >= known


def _latest(events: tuple[InboxEvent, ...]) -> datetime | None:
    return max((event.event_time for event in events if event.event_time), default=None)


def _all(events: tuple[InboxEvent, ...], outcome: str) -> dict[str, str]:
    return {event.event_id: outcome for event in events}
