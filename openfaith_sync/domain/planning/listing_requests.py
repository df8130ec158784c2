"""How many requests a listing of so many records takes (docs/decisions/0016)."""

import math

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.paging import Paging

WALKS_FROM_CUT_TO_CUT = 2
"""A listing of so many slices' worth of pages is cut, and read in several places at once."""

CUT_LISTING_SHARE = 1.01
"""The requests of a cut listing by version for each full page: a closed slice is read without anchors, and cuts leave
some pages half empty."""


def count_whole_listing(entity: Entity, paging: Paging, rows: int) -> int:
    """Return the requests that list every record of an entity by id, or by token."""
    if not entity.is_paged:
        return 1
    if paging.is_by_token:
        return max(1, -(-rows // paging.size))
    # Where the count is unreliable, only a page without new records ends the listing; an empty one is such a page.
    is_end_asked = entity.total_count != "exact" and rows > 0
    return _anchored_pages(rows, paging.size) + is_end_asked


def count_full_listing(entity: Entity, paging: Paging, rows: int) -> int:
    """Return the requests of the pages of a full pass."""
    if entity.delta.by is not DeltaCapability.FILTER:
        return count_whole_listing(entity, paging, rows)
    pages = _anchored_pages(rows, paging.size)
    return min(pages, math.ceil(CUT_LISTING_SHARE * rows / paging.size)) if is_cut(paging, rows) else pages


def count_parent_list(paging: Paging, rows: int) -> int:
    """Return the requests of one parent's list of nested records."""
    return max(1, -(-rows // paging.size)) if paging.is_by_token else _anchored_pages(rows, paging.size)


def count_changed_listing(entity: Entity, paging: Paging, rows: int) -> int:
    """Return the requests of the pages of a delta that lists so many records."""
    # A walk backwards from the newest version ends with the first record that is too old.
    beyond = 1 if entity.delta.by is DeltaCapability.ORDERED else 0
    return _anchored_pages(rows + beyond, paging.size)


def count_deep_pages(paging: Paging, rows: int) -> int:
    """Return how many pages of a listing by id lie beyond the offset that the source slows down."""
    if paging.deep_offset is None or rows <= paging.deep_offset.above:
        return 0
    return -(-(rows - paging.deep_offset.above) // max(1, paging.size - 1))


def is_cut(paging: Paging, rows: int) -> bool:
    """Return whether a listing is long enough to be read in several places at once."""
    return rows >= WALKS_FROM_CUT_TO_CUT * paging.pages_a_slice * paging.size


def _anchored_pages(rows: int, size: int) -> int:
    """Return the pages of a walk whose requests begin with the last record read."""
    return 1 + max(0, -(-(rows - size) // max(1, size - 1)))
