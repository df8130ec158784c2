"""What proves a page, whatever dialect it came in: called by every dialect before a page is handed on.

The anchor, the record that an answer must begin with, is proven by the walk that asked
(``engine/passes/id_walk.py``), since only it knows which record that is.
"""

from dataclasses import replace
from itertools import pairwise

from openfaith_sync.domain.errors import FilterIgnored, MalformedAnswer
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page, version_keys
from openfaith_sync.domain.passes.walk_place import version_key


def prove_page(entity: Entity, query: ListingQuery, page: Page) -> Page:
    """Return a page whose rows are those that were asked for, marked when it is shorter than the source's count.

    Raises:
        MalformedAnswer: It has no rows and promises more.
        FilterIgnored: Its order or its versions are not those that were asked for.
    """
    prove_promise(page, query)
    if query.order is not Order.ID:
        prove_order(page, query, str(entity.delta.attribute))
    return mark_short(page, query, is_counted=entity.total_count == "exact")


def prove_promise(page: Page, query: ListingQuery) -> None:
    """Refuse a page that leads nowhere: without rows, yet promising more."""
    if page.has_next and not page.rows:
        raise MalformedAnswer(f"the source sent an empty page at offset {query.offset} and promised more")


def prove_advance(page: Page, query: ListingQuery, next_offset: object) -> None:
    """Refuse a page whose next does not follow it, where the source says at which offset that begins."""
    expected = query.offset + page.rows
    if page.has_next and next_offset != expected:
        raise MalformedAnswer(
            f"the source's next page starts at {next_offset}, expected {expected}: the listing does not advance rightly"
        )


def prove_token(page: Page, query: ListingQuery) -> None:
    """Refuse a page whose next is itself."""
    if page.next_token is not None and page.next_token == query.token:
        raise MalformedAnswer("the source's page gives itself as the next one: the listing does not advance")


def prove_size(page: Page, size: int) -> None:
    """Refuse more rows than were asked for: they would be counted at places that they do not stand at."""
    if page.rows > size:
        raise MalformedAnswer(f"the source sent {page.rows} rows where {size} were asked for")


def prove_full(page: Page, size: int, *, has_more: bool) -> None:
    """Refuse a page with fewer rows than were asked for that is not the last one, where pages have numbers."""
    if has_more and page.rows < size:
        raise MalformedAnswer(
            f"the source sent {page.rows} rows of a page of {size} and has more after it; check paging.size"
        )


def mark_short(page: Page, query: ListingQuery, *, is_counted: bool) -> Page:
    """Return the page, marked when it ends the listing before the source's count.

    That is no error by itself: counts were seen to be wrong. The walk looks twice.
    """
    if query.token is not None:
        # Where a page given by a token stands in the listing is not known.
        return page
    # A count that is known to be wrong still contradicts a listing without any record.
    is_believed = is_counted or not (query.offset or page.rows)
    if page.total_count is not None and is_believed and not page.has_next:
        return replace(page, is_short=True) if query.offset + page.rows < page.total_count else page
    return page


def prove_order(page: Page, query: ListingQuery, attribute: str) -> None:
    """Refuse rows that were not asked for: unknown filters and orders are ignored (docs/pco.md 1.4, 1.5)."""
    # Records without a version stand at one end or the other, and prove nothing.
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
