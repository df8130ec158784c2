"""Reads a span of a listing from a source that only knows numbered pages.

A walk asks from its last record on, which seldom begins a page. The later page is read first: what
moves between the two requests then shows at the anchor, or comes twice, but is never lost.
"""

from collections.abc import Callable
from dataclasses import replace

from openfaith_sync.adapters.dialects.pages.page_proofs import prove_full
from openfaith_sync.domain.passes.listing import ListingQuery, Page


def read_window(query: ListingQuery, full_size: int, read: Callable[[ListingQuery], Page]) -> Page:
    """Return the rows from the query's offset on, at least as many as were asked for where there are so many.

    ``read`` is asked for whole pages: offsets that are multiples of the size.

    Raises:
        MalformedAnswer: A page that is not the last one is shorter than the size: the source serves smaller ones.
    """
    size = query.size or full_size
    skipped = query.offset % size
    first = replace(query, offset=query.offset - skipped, size=size)
    if not skipped:
        return read(first)
    later = read(replace(first, offset=first.offset + size))
    page = read(first)
    prove_full(page, size, has_more=bool(later.rows))
    return replace(
        later,
        records=(*page.records[skipped:], *later.records),
        children={
            name: (*page.children.get(name, ()), *later.children.get(name, ()))
            for name in {*page.children, *later.children}
        },
        requests=page.requests + later.requests,
        waited=page.waited + later.waited,
        is_short=later.is_short if later.rows else page.is_short,
    )
