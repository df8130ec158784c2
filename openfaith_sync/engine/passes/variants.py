"""Listings in several variants: what the source lists with each set of parameters is together the whole listing.

Each variant is walked by slices of its own. A record may move from one variant to another while they are read, so
that a pass meets it twice or not at all: the watermark stays before the source's first answer, so that the next
delta reads what moved meanwhile, and a record that no variant listed is read by its id before it counts as gone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace

_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ListingCount:
    """What the source counts of a whole listing."""

    counted: int | None
    """``None`` where it does not say, of one variant or of all."""
    requests: int


def beginning_of(entity: Entity, lower: str | None = None) -> WalkPlace:
    """Return the place at which a walk of an entity's whole listing begins, or of all that follows a key."""
    return WalkPlace(tuple(Slice(lower=lower, variant=variant) for variant in range(entity.variants_count)))


def each_variant(entity: Entity, query: ListingQuery) -> Iterator[ListingQuery]:
    """Yield a query of an entity for each variant of its listing."""
    for variant in range(entity.variants_count):
        yield replace(query, variant=variant)


def count_listing(entity: Entity, read: Callable[[ListingQuery], Page], query: ListingQuery) -> ListingCount:
    """Return what the source counts of all that a query matches, in all variants."""
    pages = [read(part) for part in each_variant(entity, query)]
    counts = [page.total_count for page in pages]
    requests = sum(page.requests for page in pages)
    return ListingCount(None if None in counts else sum(count or 0 for count in counts), requests)


def join_pages(pages: Sequence[Page]) -> Page:
    """Return pages of several variants as one, with what the source counts of all of them."""
    counts = [page.total_count for page in pages]
    return replace(
        pages[0],
        records=tuple(record for page in pages for record in page.records),
        total_count=None if None in counts else sum(count or 0 for count in counts),
        has_next=any(page.has_next for page in pages),
        is_short=any(page.is_short for page in pages),
    )


def without_repeated(entity: Entity, counted: int, repeated: int) -> int:
    """Return what the source counts of an entity, where its pages listed so many records in more than one variant."""
    return counted - repeated if entity.variants else counted


def covered_until(entity: Entity, place: WalkPlace, answered_at: datetime | None) -> datetime | None:
    """Return the time by the source's clock until which a pass has seen what changed."""
    if not entity.variants:
        return answered_at
    return datetime.fromisoformat(place.answered_from) if place.answered_from else _BEGINNING
