"""Reads a span of a listing from a source that only has numbered pages.

A walk continues from its last record, which is rarely the first of a page, so two pages are read. The
later page is read first: a record that moves between the two requests then breaks the anchor or appears
twice, but is never lost.
"""

from collections.abc import Callable
from dataclasses import replace

from openfaith_sync.adapters.dialects.pages.page_proofs import prove_full
from openfaith_sync.domain.passes.listing import ListingQuery, Page


def read_window(query: ListingQuery, full_size: int, read: Callable[[ListingQuery], Page]) -> Page:
    """Return the rows from the query's offset on, at least as many as requested if the listing has them.

    ``read`` is called with whole pages: offsets that are multiples of the size.

    Raises:
        MalformedAnswer: A page that is not the last one has fewer rows than requested.
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
