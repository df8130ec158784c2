"""Look at a source before a sync: what it counts, and how many of its newest records are not stored here.

One request for each entity, another one where more changed than a page holds, and up to five where a
listing shows no versions and is read whole. Nothing is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from openfaith_sync.domain.errors import AccessDenied, NotFoundAtSource
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.passes.listing import MOST_PROBED_PAGES, ListingQuery, Order, Page, parse_version
from openfaith_sync.domain.planning.entity_facts import SourceView
from openfaith_sync.domain.planning.ranges import Range
from openfaith_sync.engine.passes.page_fetching import Fetcher, MappedPage
from openfaith_sync.engine.passes.page_reading import PageReader, ReadPage
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.variants import count_listing, each_variant, join_pages
from openfaith_sync.engine.passes.watermarks import look_back, newest_believed


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a listing that were read."""

    ids: frozenset[ExternalId]
    differing: int
    """How many of them storing would change."""
    page: Page
    """The last page."""
    are_all: bool


class SourceLook:
    """One look at one entity of a source that has a listing of its own."""

    def __init__(self, session: Session, entity: EntityName) -> None:
        """Look at this entity; nothing is requested yet."""
        self._session = session
        self._entity = session.manifest.entities[entity]
        self._paging = session.manifest.paging_of(entity)
        self._key = session.key(entity)
        self._checkpoint = session.store.load_checkpoint(self._key)
        self.requests = 0

    def look(self) -> SourceView:
        """Return what the source shows.

        Raises:
            SyncError: The source failed, or refuses the credentials.
        """
        try:
            rows = self._read_rows()
        except (AccessDenied, NotFoundAtSource) as refusal:
            self.requests += 1
            return SourceView(refusal=str(refusal))
        new = len(rows.ids) - len(self._session.store.load_live(self._key, list(rows.ids)))
        view = replace(self._view_changes(rows, new), merges=self._count_merges(), is_changing=self._is_changing(rows))
        if rows.are_all:
            return replace(view, counted=len(rows.ids), new=Range.exactly(new), differing=Range.exactly(rows.differing))
        if self._entity.total_count == "unreliable":
            # It says how long the listing is, and nothing about what is gone.
            view = replace(view, new=None)
        return replace(view, counted=rows.page.total_count if self._entity.total_count != "none" else None)

    def _view_changes(self, rows: _Rows, new: int) -> SourceView:
        """Return how many records came and changed, as far as the rows show."""
        count = rows.page.total_count or len(rows.ids)
        if self._checkpoint.completed_at is None:
            return SourceView(new=Range.exactly(count), differing=Range.exactly(count))
        if self._entity.delta.by is DeltaCapability.NONE or self._checkpoint.watermark is None:
            return SourceView(differing=Range(rows.differing, rows.differing + max(0, count - len(rows.ids))))
        since = self._count_since(rows.page)
        unread = 0
        if since == rows.page.rows and not rows.are_all:
            since = self._request_count_since(count)
            unread = max(0, since - rows.page.rows)
        return SourceView(
            since_watermark=Range.exactly(since),
            new=Range(new, new + unread),
            differing=Range(rows.differing, rows.differing + unread),
        )

    def _read_rows(self) -> _Rows:
        """Read the newest page of a listing; where no version orders it, all of a short listing."""
        if self._entity.delta.by is not DeltaCapability.NONE:
            fetcher = self._build_fetcher()
            query = ListingQuery(self._entity.name, Order.VERSION_DESCENDING)
            listings = [[self._note(fetcher.fetch(part))] for part in each_variant(self._entity, query)]
        else:
            listings = [list(self._read_short_listing(part)) for part in range(self._entity.variants_count)]
        pages = [page for listing in listings for page in listing]
        last = join_pages([listing[-1].page for listing in listings])
        return _Rows(
            ids=frozenset(record.external_id for one in pages for record in one.page.records),
            differing=sum(self._session.store.count_changes(self._key, one.batch) for one in pages),
            page=last,
            are_all=not last.has_next and not last.is_short,
        )

    def _read_short_listing(self, variant: int) -> Iterator[MappedPage]:
        is_by_token = self._paging.is_by_token and self._entity.is_paged
        fetcher = self._build_fetcher()
        query = ListingQuery(self._entity.name, variant=variant, token="" if is_by_token else None)
        for _ in range(MOST_PROBED_PAGES):
            fetched = self._note(fetcher.fetch(query))
            yield fetched
            page = fetched.page
            is_long = page.total_count is not None and page.total_count > MOST_PROBED_PAGES * self._paging.size
            if is_long or not page.has_next or not page.rows:
                return
            offset = query.offset + page.rows
            query = replace(query, token=page.next_token) if is_by_token else replace(query, offset=offset)

    def _count_since(self, page: Page) -> int:
        """Return how many rows of a page a delta would list."""
        watermark, attribute = self._checkpoint.watermark, self._entity.delta.attribute
        if watermark is None or attribute is None:
            return page.rows
        lower = look_back(watermark, self._entity.delta.overlap)
        versions = (parse_version(record.attributes.get(attribute)) for record in page.records)
        # Without a version, a record is listed with whatever stands beside it.
        return sum(version is None or version >= lower for version in versions)

    def _request_count_since(self, count: int) -> int:
        """Return how many records a delta lists; all of them where the source cannot filter."""
        watermark = self._checkpoint.watermark
        if self._entity.delta.by is not DeltaCapability.FILTER or watermark is None:
            return count
        lower = look_back(watermark, self._entity.delta.overlap)
        query = ListingQuery(self._entity.name, Order.VERSION, version_from=lower, size=1)
        found = count_listing(self._entity, partial(self._read_one, self._session.source.read_page), query)
        return count if found.counted is None else found.counted

    def _count_merges(self) -> int | None:
        if self._entity.merges is None:
            return None
        try:
            query = ListingQuery(self._entity.name, Order.VERSION, size=1)
            return self._read_one(self._session.source.read_merges, query).total_count
        except (AccessDenied, NotFoundAtSource):
            # The sync is refused in the same way, and goes on without.
            self.requests += 1
            return None

    def _is_changing(self, rows: _Rows) -> bool:
        newest = newest_believed(rows.page, self._entity) if self._entity.delta.attribute else None
        answered_at = rows.page.answered_at
        return (
            newest is not None
            and answered_at is not None
            and newest >= look_back(answered_at, self._entity.delta.overlap)
        )

    def _build_fetcher(self) -> Fetcher:
        return Fetcher(self._session.manifest, self._session.source, self._session.org, self._entity.name)

    def _read_one(self, read: ReadPage, query: ListingQuery) -> Page:
        page = PageReader(read, self._paging.size).read(query)
        self.requests += page.requests
        return page

    def _note(self, fetched: MappedPage) -> MappedPage:
        self.requests += fetched.page.requests
        return fetched
