"""Read a page of a listing, in smaller parts where the source does not serve it whole.

A page may be too large for the source's gateway, hold a record that the source fails on, or include
records that the token may not read. Then it is asked for smaller, then without what it includes; the one
place that is not served at size 1 is stepped over, and stands in the page as a damaged record.
Estuary, Airbyte (`REDUCE_PAGE_SIZE`) and this API's own users (docs/pco.md 5.5)
came to the same steps.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from openfaith_sync.domain.errors import AccessDenied, PageNotServed, TransientError
from openfaith_sync.domain.ids import PLACE, EntityName, ExternalId
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync.domain.records.record import Damage, RawRecord

ReadPage = Callable[[ListingQuery], Page]

PAGES_BEFORE_GROWTH = 4
"""So many smaller pages are served before a larger one is tried again; doubled when that fails."""

MOST_STEPPED_OVER = 1_000
"""In one page; a source that serves fewer places than this in a row is not serving the listing."""

MOST_WITHOUT_CHILDREN = 20
"""So many rows that are only served alone and without their children are a listing that is not served with them."""

PAGES_BEYOND = (1, 2, 4, 8, 16)
"""So many pages after the one that is not served a row is tried, where the listing has not been served yet."""

READINGS_OF_A_MOVING_PLACE = 3


@dataclass(slots=True)
class _Cost:
    """The cost of reading one page, failed requests included."""

    requests: int = 0
    waited: timedelta = field(default_factory=timedelta)


class PageReader:
    """Read the pages of one listing, and remember which size of page the source serves. Thread-safe."""

    def __init__(self, read: ReadPage, full_size: int, *, is_made_up_for: bool = False) -> None:
        """Read through ``read``, in pages of ``full_size`` where the source serves them.

        Args:
            read: Sends one request.
            full_size: The rows of a full page.
            is_made_up_for: Whether children that a row is not served with are found by what it names; then those
                of the other rows are still asked for.
        """
        self._is_made_up_for = is_made_up_for
        self._rows_without_children = 0
        self._read_page = read
        self._full_size = full_size
        self._size = full_size
        self._steady_size = full_size
        self._until_growth = PAGES_BEFORE_GROWTH
        self._served_in_a_row = 0
        # By variant: that one is served says nothing of the others.
        self._known: dict[int, ListingQuery] = {}
        self._without_children = False
        self._lock = threading.Lock()

    @property
    def reduced_size(self) -> int | None:
        """Return the size of page that is requested now; ``None`` for a full one."""
        return self._size if self._size < self._full_size else None

    @property
    def is_without_children(self) -> bool:
        """Return whether the source does not serve this listing with its children."""
        return self._without_children

    def recall(self, size: int | None, *, is_without_children: bool) -> None:
        """Continue with what an earlier reader of the same pass had found."""
        self._size = self._steady_size = min(size or self._full_size, self._full_size)
        self._without_children = is_without_children

    def read(self, query: ListingQuery) -> Page:
        """Return the page that answers a query, or its beginning: at least two rows, where there are two.

        A row that the source does not serve is a record with its damage. Children are left out once the
        source has been found not to serve them.

        Raises:
            PageNotServed: The source fails on this listing, and on a request that it answered before.
            AccessDenied: The token may not read the listing, with or without children.
            TransientError: The source failed otherwise, or the listing moved faster than it could be read.
        """
        cost = _Cost()
        if query.token is not None:
            # Only a whole page leads on from here.
            return replace(self._read_largest(query, cost), requests=cost.requests, waited=cost.waited)
        for _ in range(READINGS_OF_A_MOVING_PLACE):
            pages = self._read_parts(query, cost)
            if len(pages) == 1 or self._are_in_place(query, pages, cost):
                return replace(_join(query, pages), requests=cost.requests, waited=cost.waited)
        raise TransientError(f"the listing of {query.entity} changed faster than it could be read in parts")

    def _read_parts(self, query: ListingQuery, cost: _Cost) -> list[Page]:
        """Read from the query's offset on until two records are read or the listing ends."""
        pages: list[Page] = []
        offset, wanted = query.offset, min(2, query.size or 2)
        # A page without rows leads nowhere, even if it announces more: the walk decides what it means.
        while wanted > 0 and (not pages or (pages[-1].has_next and pages[-1].rows)):
            here = replace(query, offset=offset)
            try:
                page = self._read_largest(here, cost)
                wanted -= page.rows
            except PageNotServed:
                if sum(_failure(page) is not None for page in pages) >= MOST_STEPPED_OVER:
                    raise
                page = self._step_over(here, cost)
            pages.append(page)
            offset += page.rows
        return pages

    def _read_largest(self, query: ListingQuery, cost: _Cost) -> Page:
        """Return the largest page from here that the source serves.

        Raises:
            PageNotServed: It does not even serve one row, without children.
        """
        size = min(self._size, query.size or self._full_size)
        while True:
            try:
                page = self._ask(query, size, cost)
            except (AccessDenied, PageNotServed) as failure:
                if size > 1 and isinstance(failure, PageNotServed):
                    size //= 2
                    continue
                is_one_row = size == 1 and isinstance(failure, PageNotServed)
                found = self._read_without_children(query, size, cost, is_one_row=is_one_row)
                if found is None:
                    raise
                page = found
            self._note_served(query, size)
            return page

    def _read_without_children(self, query: ListingQuery, size: int, cost: _Cost, *, is_one_row: bool) -> Page | None:
        """Return a page without the children that it was not served with; ``None`` where it asked for none."""
        if not query.children or self._without_children:
            return None
        page = self._ask(replace(query, children=()), size, cost)
        with self._lock:
            self._rows_without_children += 1
            is_rare = self._is_made_up_for and self._rows_without_children <= MOST_WITHOUT_CHILDREN
            self._without_children = not (is_one_row and is_rare)
        return page

    def _step_over(self, query: ListingQuery, cost: _Cost) -> Page:
        """Return a page for one row that is not served, once the source is proven to serve its neighbours.

        Raises:
            SyncError: It does not serve what it served before: an outage, and no bad record.
        """
        self._prove_served(query, cost)
        try:
            return self._ask(query, 1, cost)
        except PageNotServed as failure:
            with self._lock:
                self._size, self._served_in_a_row = self._steady_size, 0
            return _unserved(str(failure))

    def _prove_served(self, query: ListingQuery, cost: _Cost) -> None:
        """Return once the source serves this listing, apart from the row that the query begins with."""
        beyond = (replace(query, offset=query.offset + pages * self._full_size) for pages in PAGES_BEYOND)
        places = [place for place in (self._known.get(query.variant), *beyond) if place is not None]
        for place in places:
            try:
                self._ask(place, 1, cost)
            except PageNotServed:
                continue
            return
        # With all the retries that an outage may take.
        self._send(replace(places[0], size=1, children=(), is_reducible=False), cost)

    def _are_in_place(self, query: ListingQuery, pages: Sequence[Page], cost: _Cost) -> bool:
        """Return whether no row moved while these pages were read.

        Each row must stand where it stood, and each place that was stepped over must still not be served: where
        its row left between two requests, the row after it has taken that place unread. The last row is read
        last, since any row that leaves before it moves it.
        """
        offset, places = query.offset, []
        for page in pages:
            if page.rows:
                places.append((offset, page))
            offset += page.rows
        for place, page in places:
            try:
                # Only the id counts, and the row may not be served with its children.
                again = self._ask(replace(query, offset=place, children=()), 1, cost)
            except PageNotServed:
                if _failure(page) is not None:
                    continue
                return False
            if [record.external_id for record in again.records] != [_first(page)]:
                return False
        return True

    def _ask(self, query: ListingQuery, size: int, cost: _Cost) -> Page:
        children = () if self._without_children else query.children
        asked = replace(query, size=size, children=children, is_reducible=True)
        page = self._send(asked, cost)
        if not page.is_short:
            return page
        # Either the count is wrong or the page: only an end that is read twice is accepted.
        again = self._send(asked, cost)
        return page if again.is_short and again.rows < page.rows else again

    def _send(self, query: ListingQuery, cost: _Cost) -> Page:
        try:
            page = self._read_page(query)
        except PageNotServed as failure:
            cost.requests += failure.requests
            raise
        except AccessDenied:
            cost.requests += 1
            raise
        cost.requests += page.requests
        cost.waited += page.waited
        return page

    def _note_served(self, query: ListingQuery, size: int) -> None:
        """Request pages of this size from now on, and larger ones after some of them."""
        with self._lock:
            self._known[query.variant] = replace(query, size=1, children=(), is_reducible=False)
            if size == self._full_size == self._size:
                return
            if size < min(self._size, query.size or self._full_size):
                if self._size > self._steady_size:
                    self._until_growth *= 2
                self._size, self._served_in_a_row = size, 1
            elif size == self._size:
                self._served_in_a_row += 1
            if self._served_in_a_row >= self._until_growth:
                self._steady_size = self._size
                self._size, self._served_in_a_row = min(self._full_size, self._size * 2), 0


def _join(query: ListingQuery, pages: Sequence[Page]) -> Page:
    """Return one page of the rows of several that follow each other."""
    if len(pages) == 1:
        return pages[0]
    children: dict[EntityName, tuple[RawRecord, ...]] = {}
    for page in pages:
        children |= {name: (*children.get(name, ()), *found) for name, found in page.children.items()}
    return replace(pages[-1], records=tuple(_rows(query, pages)), children=children)


def _rows(query: ListingQuery, pages: Sequence[Page]) -> Iterator[RawRecord]:
    """Yield the rows of all pages; one that was not served is known by the record that follows it.

    A walk may come to the same place from another beginning, but never to another end.
    """
    offset = query.offset
    for index, page in enumerate(pages):
        failure = _failure(page)
        if failure is None:
            yield from page.records
        else:
            following = next(other for other in range(index, len(pages)) if _failure(pages[other]) is None)
            yield _gap(query, offset, _first(pages[following]), following - index, failure)
        offset += page.rows


def _gap(query: ListingQuery, offset: int, before: ExternalId | None, steps: int, failure: str) -> RawRecord:
    place = {"listing": query.entity, "parent": query.parent, "offset": offset, "before": before, "steps": steps}
    # A slice that was split ends where another begins, and each may end with such a row.
    end = f"end {version_key(query.version_before)}" if query.version_before else "end"
    known_by = f"{query.parent or ''}/{before or end}/{steps}"
    damage = Damage("record", "nothing", failure)
    return RawRecord(ExternalId(f"{PLACE}{known_by}"), {}, {}, {"place": place}, damage=damage)


def _unserved(failure: str) -> Page:
    """Return a page that holds the place of one row that was not served."""
    row = RawRecord(ExternalId(PLACE), {}, {}, {}, damage=Damage("record", "nothing", failure))
    return Page(records=(row,), total_count=1, has_next=True)


def _failure(page: Page) -> str | None:
    """Return why the only row of a page was not served; ``None`` for a page that was."""
    for row in page.records[:1]:
        if row.external_id == PLACE and row.damage is not None:
            return row.damage.reason
    return None


def _first(page: Page) -> ExternalId | None:
    """Return the record that a page begins with, where that was served."""
    return page.records[0].external_id if page.records and _failure(page) is None else None
