"""What is asked of a listing, and one page of its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.record import RawRecord


class Order(StrEnum):
    """In which order a listing comes; ties always by id."""

    VERSION = "version"
    VERSION_DESCENDING = "version_descending"
    ID = "id"


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One request for one page of one entity."""

    entity: EntityName
    order: Order = Order.ID
    version_from: datetime | None = None
    """Only versions at or after this one."""
    version_before: datetime | None = None
    """Only versions before this one."""
    offset: int = 0
    size: int | None = None
    """Records wanted; ``None`` for a full page."""
    children: tuple[EntityName, ...] = ()
    """Sideloaded child entities that come along."""


@dataclass(frozen=True, slots=True)
class Page:
    """One proven answer: well formed, and no shorter than the source said it would be."""

    records: tuple[RawRecord, ...]
    total_count: int
    """How many records the query matches in all, as the source says."""
    has_next: bool
    children: Mapping[EntityName, tuple[RawRecord, ...]] = field(default_factory=dict)
    requests: int = 1
    """Requests this page took, refused and failed ones included."""
    waited: timedelta = timedelta()
