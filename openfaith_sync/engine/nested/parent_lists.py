"""Read one parent's list from its beginning to its end, and prove that it is complete."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from openfaith_sync.domain.errors import AccessDenied, FilterIgnored, NotFoundAtSource, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId, is_place
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.passes.counted_records import is_tolerable
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.passes import ParentListing
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.domain.records.nesting import ParentPlace
from openfaith_sync.domain.records.record import MappedBatch, RawRecord
from openfaith_sync.engine.passes.descending_walk import DescendingWalk
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.token_walk import whole_listing_walk
from openfaith_sync.engine.passes.version_walk import VersionWalk
from openfaith_sync.engine.passes.walk_step import Walk
from openfaith_sync.engine.passes.watermarks import bound_watermark, delta_start, is_ahead, newest_believed

MAX_STEPS = 1_000
"""A list of 100,000 records in full pages; more steps mean that it moves faster than it can be read."""


@dataclass(frozen=True, slots=True)
class ParentRead:
    """One parent's complete list, mapped, or why there is none."""

    parent: ParentPlace
    batch: MappedBatch
    listed: tuple[ExternalId, ...] = ()
    riders: tuple[MappedBatch, ...] = ()
    """What came with the list's records."""
    watermark: datetime | None = None
    """The newest version that the reading covers."""
    is_whole: bool = True
    """Whether the list was read whole, and not only what changed in it."""
    requests: int = 1
    waited: timedelta = timedelta()
    is_gone: bool = False
    """The source has neither the list nor its parent: both answered 404 or 410."""
    is_none: bool = False
    """The parent, which has at most one record, has none: the record's path answered 404, and the parent exists."""
    is_unlisted: bool = False
    """The list answered 404 or 410 while its parent can be read, which says nothing about what the list holds."""
    refusal: AccessDenied | None = None
    """The token may not read the list, which says nothing about what it holds."""

    @property
    def stepped_over(self) -> dict[str, int]:
        """Return the report's count of places that the source did not serve."""
        places = sum(is_place(bad.external_id) for bad in self.batch.rejected)
        return {"places_stepped_over": places} if places else {}

    @property
    def listing(self) -> ParentListing:
        """Return the listing to store. The list of a deleted parent counts as never read."""
        return ParentListing(
            self.parent.external_id,
            None if self.is_gone else self.parent.content_hash,
            self.listed,
            self.parent.loaded_at,
            self.watermark,
            self.is_whole,
        )


@dataclass(slots=True)
class Gathered:
    """What the pages of one list have shown so far."""

    records: dict[ExternalId, RawRecord] = field(default_factory=dict)
    children: dict[EntityName, dict[ExternalId, RawRecord]] = field(default_factory=dict)
    """What came with them, by entity."""
    newest: datetime | None = None
    """The newest version among them that the source can have assigned."""
    began_at: datetime | None = None
    """The source's time of the first page."""
    requests: int = 0
    waited: timedelta = timedelta()

    def add(self, page: Page, fresh: Iterable[int], entity: Entity) -> None:
        """Add the records of a page that were not read before."""
        self.records.update((page.records[i].external_id, page.records[i]) for i in fresh)
        for child, rows in page.children.items():
            self.children.setdefault(child, {}).update((row.external_id, row) for row in rows)
        if entity.delta.by is not DeltaCapability.NONE:
            found = newest_believed(page, entity)
            self.newest = max(filter(None, (self.newest, found)), default=None)


class ParentLists:
    """Read the lists of a nested entity's parents. Thread-safe."""

    def __init__(self, session: EntitySession, fetcher: Fetcher) -> None:
        """Read the lists of the session's entity."""
        self._reader = fetcher.reader
        self._source = session.source
        self._entity = session.entity
        self._is_one = session.entity.nested is not None and session.entity.nested.one
        self._parent = session.manifest.entities[EntityName(session.entity.parent or "")]
        self._fetcher = fetcher
        self._paging = session.manifest.paging_of(session.entity.name)
        self._page_size = self._paging.size
        self._walk = whole_listing_walk(session.entity, self._paging, fetcher.riders)

    def read(self, parent: ParentPlace, *, only_changes: bool = False) -> ParentRead:
        """Return one parent's complete list; with ``only_changes`` only what changed since the last one.

        Raises:
            TransientError: The source failed, or the list did not reach a proven end.
        """
        gathered = Gathered()
        try:
            is_whole = not (only_changes and self._gather_changes(parent, gathered))
            if is_whole:
                self._gather(parent, gathered)
        except NotFoundAtSource:
            return self._judge_missing_list(parent)
        except AccessDenied as refusal:
            return ParentRead(parent, self._fetcher.map_records(()), refusal=refusal)
        watermark = None
        if self._entity.delta.by is not DeltaCapability.NONE:
            watermark = bound_watermark(gathered.newest, gathered.began_at, self._entity.delta.overlap)
        return ParentRead(
            parent,
            self._fetcher.map_records(gathered.records.values()),
            tuple(gathered.records),
            self._fetcher.map_riders({entity: found.values() for entity, found in gathered.children.items()}),
            watermark,
            is_whole,
            gathered.requests,
            gathered.waited,
        )

    def _judge_missing_list(self, parent: ParentPlace) -> ParentRead:
        """Return whether the parent is gone with its list; a 404 of the list alone proves nothing.

        Of a parent that has at most one record, a 404 says that it has none if the parent itself can be read.
        """
        nothing, own = self._fetcher.map_records(()), parent.own
        if own is None or self._parent.endpoints.get is None:
            return ParentRead(parent, nothing, is_unlisted=True)
        try:
            found = self._source.read_record(self._parent.name, parent.external_id, own.parent, own.ancestors)
        except AccessDenied as refusal:
            return ParentRead(parent, nothing, requests=2, refusal=refusal)
        is_there = found is not None
        return ParentRead(
            parent,
            nothing,
            requests=2,
            is_gone=not is_there,
            is_none=is_there and self._is_one,
            is_unlisted=is_there and not self._is_one,
        )

    def _gather(self, parent: ParentPlace, gathered: Gathered) -> None:
        """Read the whole list, to its proven end."""
        slice_, rows, before = Slice(), 0, -1
        for _ in range(MAX_STEPS):
            page = self._read_page(parent, self._walk.query(slice_), gathered)
            step = self._walk.advance(slice_, page)
            gathered.add(page, step.fresh, self._entity)
            slice_, rows = step.slice, rows + len(step.fresh)
            if self._is_whole(rows, page, is_done=slice_.done):
                return
            if slice_.done:
                # The list ended too early: rows moved, or a response did not match its request.
                if len(gathered.records) == before:
                    self._require_nearly_counted(len(gathered.records), page)
                    return
                before, rows, slice_ = len(gathered.records), 0, Slice()
                gathered.records.clear()
        raise TransientError(f"a list of {self._entity.name} did not end within {MAX_STEPS:,} requests")

    def _gather_changes(self, parent: ParentPlace, gathered: Gathered) -> bool:
        """Read what changed in a list since it was last read; return false if only the whole list can say it.

        That is so for a list that was never read, for one whose watermark is later than the source's clock, and
        where the source ends the changes before its own count of them, or ignores the order or the filter.
        """
        walk = self._changes_walk(self._entity)
        if walk is None or parent.watermark is None:
            return False
        slice_ = Slice(lower=delta_start(parent.watermark, self._entity.delta.overlap))
        try:
            for _ in range(MAX_STEPS):
                query = walk.query(slice_)
                page = self._read_page(parent, query, gathered)
                step = walk.advance(slice_, page, query)
                gathered.add(page, step.fresh, self._entity)
                slice_ = step.slice
                if is_ahead(parent.watermark, page.answered_at) or (slice_.done and page.is_short):
                    break
                if slice_.done:
                    return True
        except FilterIgnored:
            pass
        gathered.records.clear()
        return False

    def _changes_walk(self, entity: Entity) -> Walk | None:
        """Return how the changes in a list are walked; a walk remembers what it learnt of this list's count."""
        if entity.delta.by is DeltaCapability.FILTER:
            furthest = self._paging.deep_offset.above if self._paging.deep_offset else 10**9
            return VersionWalk(entity, self._fetcher.riders, furthest, self._page_size)
        if entity.delta.by is DeltaCapability.ORDERED:
            return DescendingWalk(entity, self._fetcher.riders, self._page_size)
        return None

    def _read_page(self, parent: ParentPlace, query: ListingQuery, gathered: Gathered) -> Page:
        page = self._reader.read(replace(query, parent=parent.external_id, ancestors=parent.ancestors))
        gathered.requests += page.requests
        gathered.waited += page.waited
        gathered.began_at = gathered.began_at or page.answered_at
        return page

    def _is_whole(self, read: int, page: Page, *, is_done: bool) -> bool:
        """Return whether the list is complete: as many records as the source counts, and no further page."""
        # Where the count is unreliable, a full page may be followed by another that it does not announce.
        is_last = not page.has_next and page.rows < self._page_size
        return is_done if page.total_count is None else (is_done or is_last) and read >= page.total_count

    def _require_nearly_counted(self, read: int, page: Page) -> None:
        """Accept two equal readings over a count that is known to be wrong, or slightly wrong."""
        if page.total_count is None or self._entity.total_count != "exact":
            return
        if not is_tolerable(page.total_count - read, page.total_count):
            raise TransientError(
                f"a list of {self._entity.name} has {read:,} records where the source counts "
                f"{page.total_count:,}; the list is ignored"
            )
