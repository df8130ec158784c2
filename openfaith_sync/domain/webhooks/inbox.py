"""The inbox: events that say a record should be read fresh by its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.ids import AccountId, AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.domain.records.record import JsonObject


class EventAction(StrEnum):
    """What an event says of its record. It is a hint: the record is read from the source before it is stored."""

    CREATED = "created"
    UPDATED = "updated"
    DESTROYED = "destroyed"
    MERGED = "merged"
    """The record became part of another; ``external_id`` is the one that is gone."""
    CHECK = "check"
    """Our own event: two readings of the record disagree."""


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One event about one record."""

    event_id: str
    """The source's; the same one is stored once."""
    name: str
    entity: EntityName
    external_id: ExternalId
    action: EventAction
    parent_id: ExternalId | None = None
    """The parent's external id, where the record is nested."""
    payload: JsonObject | None = None
    """The resource object as the event shows it; for a merge the merger itself."""
    event_time: datetime | None = None
    """By the source's clock."""
    attempts: int = 0
    """How often it was postponed."""
    account: AccountId | None = None
    """The source's account that the event says it is of; not stored."""


class RecordStatus(StrEnum):
    """The status of a record in our database."""

    NEVER = "never"
    LIVE = "live"
    GONE = "gone"
    """Tombstoned."""
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class DueRecord:
    """One record to read from the source, with all its waiting events."""

    entity: EntityName
    external_id: ExternalId
    events: tuple[InboxEvent, ...]
    """By the source's clock, the newest last."""
    status: RecordStatus
    merged_into: ExternalId | None = None
    applied_to: datetime | None = None
    """The time of its newest event that was handled before."""
    destroyed_at: datetime | None = None
    """The time of its newest handled event that announced its deletion."""

    @property
    def parent_id(self) -> ExternalId | None:
        """The parent that its newest event names."""
        return next((event.parent_id for event in reversed(self.events) if event.parent_id), None)


@dataclass(frozen=True, slots=True)
class Wait:
    """The postponement of an event."""

    seconds: int
    reason: str


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """The status of one org's inbox."""

    org: OrgId
    adapter: AdapterName
    waiting: int
    """Events that are not handled, including those that are due."""
    due: int
    """Events to process now."""
    oldest_due: datetime | None
    """When the oldest due event was received."""


@dataclass(frozen=True, slots=True)
class RecordsResult:
    """The result of one run over the inbox."""

    events: int
    """Events handled; several of one record cause one read."""
    records: int
    """Read by id."""
    counts: Mapping[EntityName, Counts]
    waiting: int
    """Postponed events: early ones, and those whose read failed."""
    requests: int
