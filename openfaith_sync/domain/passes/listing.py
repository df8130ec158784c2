"""A request for one page of a listing, and the page."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync.domain.records.record import RawRecord

# No month has fewer than 28 days; a later day, or the year 0, is left to the parser.
_WIRE_FORM = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)

Ancestors: TypeAlias = Mapping[str, ExternalId]
"""The external ids that fill the parameters of a path beyond ``{parent}``, by relationship of the parent."""

NO_ANCESTORS: Ancestors = MappingProxyType({})

MOST_PROBED_PAGES = 5
"""Of a listing that can only be read whole, to find out whether it changed; a longer one is left to a run."""


class Order(StrEnum):
    """The order of a listing; ties are always broken by id."""

    VERSION = "version"
    VERSION_DESCENDING = "version_descending"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Within:
    """A part of a listing: the records whose attribute lies in a span of time."""

    attribute: str
    """One that the source can filter by."""
    begin: datetime | None = None
    """The first moment."""
    end: datetime | None = None
    """The first moment after it."""


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """One request for one page of one entity."""

    entity: EntityName
    order: Order = Order.ID
    variant: int = 0
    """Which variant of the listing, where it has several."""
    version_from: datetime | None = None
    """Only versions at or after this one."""
    version_before: datetime | None = None
    """Only versions before this one."""
    offset: int = 0
    size: int | None = None
    """Records wanted; ``None`` for a full page."""
    children: tuple[EntityName, ...] = ()
    """Sideloaded child entities to include."""
    parent: ExternalId | None = None
    """The parent whose records are listed, for nested entities."""
    ancestors: Ancestors = field(default_factory=dict)
    """What fills the other parameters of the parent's path."""
    within: Within | None = None
    """The part of the listing that is asked for; ``None`` for all of it."""
    is_sparse: bool = False
    """Whether ids and versions suffice: the records then have no other attribute and no relationship."""
    token: str | None = None
    """What the page before gave to ask for this one with, in a listing that is walked so; empty for its first page."""
    expected_count: int | None = None
    """The ``total_count`` that proves the answer's place, where the request leaves out the anchor."""
    is_reducible: bool = False
    """Whether the caller requests a smaller page when this one is not served."""

    @property
    def ids(self) -> Mapping[str, ExternalId | None]:
        """Return the ids that fill the path parameters of the listing's path."""
        return {**self.ancestors, "parent": self.parent}


@dataclass(frozen=True, slots=True)
class FreshRecord:
    """One record as the source shows it now, with its sideloaded children."""

    record: RawRecord
    children: Mapping[EntityName, tuple[RawRecord, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """One checked response of a listing: well formed, and no shorter than the source announced."""

    records: tuple[RawRecord, ...]
    """Every row in the listing's order. One that cannot be read has its ``damage``, and an id made of its content."""
    total_count: int | None
    """The number of records that match the query, according to the source; ``None`` where it does not say."""
    has_next: bool
    children: Mapping[EntityName, tuple[RawRecord, ...]] = field(default_factory=dict)
    requests: int = 1
    """The requests that this page took, including refused and failed ones."""
    waited: timedelta = timedelta()
    answered_at: datetime | None = None
    """The time of the response, by the source's clock where it states it."""
    next_token: str | None = None
    """What the next page is asked for with, where pages give that."""
    versions: tuple[str, str] | None = None
    """The API version that was asked for and the one that the source answered in, where they differ."""
    is_short: bool = False
    """Whether it looks like the end of the listing while the source counts more records."""

    @property
    def rows(self) -> int:
        """Return how many rows of the listing the page covers, including rows that could not be read."""
        return len(self.records)

    @property
    def unreadable(self) -> tuple[RawRecord, ...]:
        """Return the rows that cannot be read as records; each still has its place among ``records``."""
        return tuple(record for record in self.records if record.damage is not None)


def version_keys(records: Iterable[RawRecord], attribute: str, before: str = "") -> list[str]:
    """Return each record's version as a slice key, in the order of the records.

    A record whose version is missing or is no time stands where the one before it
    stands, and at ``before`` when there is none: the walk goes on around it.
    """
    keys: list[str] = []
    key = before
    for record in records:
        found = record.attributes.get(attribute)
        if type(found) is str:
            key = found if _WIRE_FORM.fullmatch(found) else _parsed_key(found) or key
        keys.append(key)
    return keys


def parse_version(value: object) -> datetime | None:
    """Return the moment in UTC that a version attribute names, or ``None`` when it names none."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found is not None and found.tzinfo else None
    # The offset may move the time out of the years 1 to 9999.
    except (ValueError, OverflowError):
        return None


def _parsed_key(text: str) -> str | None:
    found = parse_version(text)
    return version_key(found) if found else None
