"""Checks that every dialect runs on a page before returning it.

The walk itself (``engine/passes/id_walk.py``) checks the anchor, the record that a page must begin
with, since only the walk knows which record that is.
"""

from dataclasses import replace
from itertools import pairwise

from openfaith_sync.domain.errors import FilterIgnored, MalformedAnswer
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page, version_keys
from openfaith_sync.domain.passes.walk_place import version_key


def prove_page(entity: Entity, query: ListingQuery, page: Page) -> Page:
    """Return the page if its rows match the query, marked as short if the source counts more records.

    Raises:
        MalformedAnswer: It has no rows, but announces a next page.
        FilterIgnored: Its order or its versions do not match the query.
    """
    prove_nonempty(page, query)
    if query.order is not Order.ID:
        prove_order(page, query, str(entity.delta.attribute))
    return mark_short(page, query, is_counted=entity.total_count == "exact")


def prove_nonempty(page: Page, query: ListingQuery) -> None:
    """Raise if a page has no rows, but announces a next page."""
    if page.has_next and not page.rows:
        raise MalformedAnswer(f"the source sent an empty page at offset {query.offset} and announced a next page")


def prove_advance(page: Page, query: ListingQuery, next_offset: object) -> None:
    """Raise if the source states an offset for the next page that does not follow this page."""
    expected = query.offset + page.rows
    if page.has_next and next_offset != expected:
        raise MalformedAnswer(
            f"the source's next page starts at {next_offset}, expected {expected}: the listing does not advance"
        )


def prove_token(page: Page, query: ListingQuery) -> None:
    """Raise if the next page is the same page."""
    if page.next_token is not None and page.next_token == query.token:
        raise MalformedAnswer("the source's page names itself as the next page: the listing does not advance")


def prove_size(page: Page, size: int) -> None:
    """Raise if a page has more rows than requested: the offsets computed from it would be wrong."""
    if page.rows > size:
        raise MalformedAnswer(f"the source sent {page.rows} rows where {size} were requested")


def prove_full(page: Page, size: int, *, has_more: bool) -> None:
    """Raise if a numbered page has fewer rows than requested, but is not the last one."""
    if has_more and page.rows < size:
        raise MalformedAnswer(
            f"the source sent {page.rows} rows on a page of {size} that is not the last; check paging.size"
        )


def mark_short(page: Page, query: ListingQuery, *, is_counted: bool) -> Page:
    """Return the page, marked as short if it ends the listing before the source's count is reached.

    This is not an error by itself, since counts can be wrong; the walk reads the end of the listing again.
    """
    if query.token is not None:
        # The position of a page that was requested by token is unknown.
        return page
    # Even an unreliable count contradicts a listing without any records.
    is_reliable = is_counted or not (query.offset or page.rows)
    if page.total_count is not None and is_reliable and not page.has_next:
        return replace(page, is_short=True) if query.offset + page.rows < page.total_count else page
    return page


def prove_order(page: Page, query: ListingQuery, attribute: str) -> None:
    """Raise if rows do not match the query: sources ignore unknown filters and orders (docs/pco.md 1.4, 1.5)."""
    # Records without a version may be listed at either end, and prove nothing.
    keys = [key for key in version_keys(page.records, attribute) if key]
    if query.order is Order.VERSION_DESCENDING:
        keys.reverse()
    if any(later < earlier for earlier, later in pairwise(keys)):
        raise FilterIgnored(f"the source did not order {query.entity} by {attribute}; check delta.by in the manifest")
    is_below = bool(keys) and query.version_from is not None and keys[0] < version_key(query.version_from)
    is_above = bool(keys) and query.version_before is not None and keys[-1] >= version_key(query.version_before)
    if is_below or is_above:
        raise FilterIgnored(
            f"the source ignored the filter on {query.entity}.{attribute}; check delta.by in the manifest"
        )
