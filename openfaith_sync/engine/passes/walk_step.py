"""What one page changes about a slice."""

from dataclasses import dataclass
from typing import Protocol

from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.walk_place import Slice


@dataclass(frozen=True, slots=True)
class Step:
    """A slice after a page, and which of the page's records are new to it."""

    slice: Slice
    fresh: tuple[int, ...]
    """Indexes into the page's records; the others were read before, or belong to another slice."""


@dataclass(frozen=True, slots=True)
class Split:
    """One slice cut in two; the page that found the cut begins the right one."""

    left: Slice
    right: Slice
    fresh: tuple[int, ...]


class Walk(Protocol):
    """How one kind of listing is walked, without input or output, so that tests can try every movement."""

    def query(self, slice_: Slice) -> ListingQuery:
        """Return the request that reads on from here."""
        ...

    def advance(self, slice_: Slice, page: Page, query: ListingQuery | None = None) -> Step:
        """Move a slice past a page that answered its query.

        ``query`` is what the page answers, where the slice may have been cut shorter since it was made.
        """
        ...

    def split_query(self, slice_: Slice) -> ListingQuery | None:
        """Return a request for the middle of what remains; ``None`` when there is no middle."""
        ...

    def split(self, slice_: Slice, query: ListingQuery, page: Page) -> Split | None:
        """Cut a slice where the answer to a split query begins; ``None`` when that gains nothing.

        ``slice_`` may have moved on since the query was made.
        """
        ...


def middle_of_the_pages(rows: int, rows_a_page: int, free: int) -> int:
    """Return after how many of these rows to cut, so that both halves end with nearly full pages.

    At least ``free`` rows are left free on the last pages, shared between the halves by their lengths: a cut
    makes some rows be read twice, and each half may be cut again.
    """
    pages = -(-(rows + free) // rows_a_page)
    before = pages // 2
    return before * rows_a_page - (pages * rows_a_page - rows) * before // pages
