"""The inbox: events that say a record should be read fresh by its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.ids import AccountId, AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.domain.records.record import JsonObject


class EventAction(StrEnum):
    """What an event says of its record. It is a hint: the source is asked before anything is believed."""

    CREATED = "created"
    UPDATED = "updated"
    DESTROYED = "destroyed"
    MERGED = "merged"
    """The record became part of another; ``external_id`` is the one that is gone."""
    CHECK = "check"
    """We ask ourselves: two readings of the record disagree."""


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
    """How often it was looked at and had to wait."""
    account: AccountId | None = None
    """The source's account that the event says it is of; not stored."""


class RecordStatus(StrEnum):
    """How a record lies here."""

    NEVER = "never"
    LIVE = "live"
    GONE = "gone"
    """Tombstoned."""
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class DueRecord:
    """One record to be read fresh, with every event of it that waits."""

    entity: EntityName
    external_id: ExternalId
    events: tuple[InboxEvent, ...]
    """By the source's clock, the newest last."""
    status: RecordStatus
    merged_into: ExternalId | None = None
    applied_to: datetime | None = None
    """The time of the newest event of it that was settled before."""
    destroyed_at: datetime | None = None
    """The same of the events that told of its end."""

    @property
    def parent_id(self) -> ExternalId | None:
        """The parent that its newest event names."""
        return next((event.parent_id for event in reversed(self.events) if event.parent_id), None)


@dataclass(frozen=True, slots=True)
class Wait:
    """An event that is looked at again later."""

    seconds: int
    reason: str


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """How one org's inbox stands."""

    org: OrgId
    adapter: AdapterName
    waiting: int
    """Not settled, those that are due included."""
    due: int
    """To be looked at now."""
    oldest_due: datetime | None
    """When the longest waiting of the due ones was received."""


@dataclass(frozen=True, slots=True)
class RecordsResult:
    """What one run over the inbox did."""

    events: int
    """Settled; several of one record are one reading."""
    records: int
    """Read by id."""
    counts: Mapping[EntityName, Counts]
    waiting: int
    """Events that wait for a later time: early ones, and those whose reading failed."""
    requests: int
