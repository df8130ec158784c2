"""The inbox: events that say a record should be read fresh by its id."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes import Counts
from openfaith_sync.domain.record import JsonObject


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
