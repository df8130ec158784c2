"""Read one parent's list from its beginning to its end, and prove that it is complete."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias

from openfaith_sync.domain.errors import AccessDenied, NotFoundAtSource, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId, is_place
from openfaith_sync.domain.passes.counted_records import is_tolerable
from openfaith_sync.domain.passes.listing import Page
from openfaith_sync.domain.passes.passes import ParentListing
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.domain.records.nesting import ParentPlace
from openfaith_sync.domain.records.record import MappedBatch, RawRecord
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.token_walk import whole_listing_walk

MAX_STEPS = 1_000
"""A list of 100,000 records in full pages; more steps mean that it moves faster than it can be read."""


Riders: TypeAlias = dict[EntityName, list[RawRecord]]
"""What came with the records of a list, by entity."""


@dataclass(frozen=True, slots=True)
class ParentRead:
    """One parent's complete list, mapped, or why there is none."""

    parent: ParentPlace
    batch: MappedBatch
    listed: tuple[ExternalId, ...] = ()
    riders: tuple[MappedBatch, ...] = ()
    """What came with the list's records."""
    requests: int = 1
    waited: timedelta = timedelta()
    is_gone: bool = False
    """The source has neither the list nor its parent: both answered 404 or 410."""
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
        return ParentListing(self.parent.external_id, None if self.is_gone else self.parent.content_hash, self.listed)


class ParentLists:
    """Read the lists of a nested entity's parents. Thread-safe."""

    def __init__(self, session: EntitySession, fetcher: Fetcher) -> None:
        """Read the lists of the session's entity."""
        self._reader = fetcher.reader
        self._source = session.source
        self._entity = session.entity
        self._parent = EntityName(session.entity.parent or "")
        self._fetcher = fetcher
        self._page_size = session.manifest.paging_of(session.entity.name).size
        self._walk = whole_listing_walk(session.entity, session.manifest.paging_of(session.entity.name), fetcher.riders)

    def read(self, parent: ParentPlace) -> ParentRead:
        """Return one parent's complete list.

        Raises:
            TransientError: The source failed, or the list did not reach a proven end.
        """
        try:
            records, riders, requests, waited = self._gather(parent)
        except NotFoundAtSource:
            return self._judge_missing_list(parent)
        except AccessDenied as refusal:
            return ParentRead(parent, self._fetcher.map_records(()), refusal=refusal)
        batch = self._fetcher.map_records(records.values())
        return ParentRead(parent, batch, tuple(records), self._fetcher.map_riders(riders), requests, waited)

    def _judge_missing_list(self, parent: ParentPlace) -> ParentRead:
        """Return whether the parent is gone with its list; a 404 of the list alone proves nothing."""
        nothing = self._fetcher.map_records(())
        try:
            found = self._source.read_record(self._parent, parent.external_id)
        except AccessDenied as refusal:
            return ParentRead(parent, nothing, requests=2, refusal=refusal)
        return ParentRead(parent, nothing, requests=2, is_gone=found is None, is_unlisted=found is not None)

    def _gather(self, parent: ParentPlace) -> tuple[dict[ExternalId, RawRecord], Riders, int, timedelta]:
        records: dict[ExternalId, RawRecord] = {}
        riders: Riders = {}
        slice_, rows, requests, waited, before = Slice(), 0, 0, timedelta(), -1
        for _ in range(MAX_STEPS):
            page = self._reader.read(replace(self._walk.query(slice_), parent=parent.external_id))
            requests, waited = requests + page.requests, waited + page.waited
            step = self._walk.advance(slice_, page)
            records.update((page.records[i].external_id, page.records[i]) for i in step.fresh)
            for entity, found in page.children.items():
                riders.setdefault(entity, []).extend(found)
            slice_, rows = step.slice, rows + len(step.fresh)
            if self._is_whole(rows, page, is_done=slice_.done):
                return records, riders, requests, waited
            if slice_.done:
                # The list ended too early: rows moved, or a response did not match its request.
                if len(records) == before:
                    return self._twice_the_same(records, page), riders, requests, waited
                before, records, rows, slice_ = len(records), {}, 0, Slice()
        raise TransientError(f"a list of {self._entity.name} did not end within {MAX_STEPS:,} requests")

    def _is_whole(self, read: int, page: Page, *, is_done: bool) -> bool:
        """Return whether the list is complete: as many records as the source counts, and no further page."""
        # Where the count is unreliable, a full page may be followed by another that it does not announce.
        is_last = not page.has_next and page.rows < self._page_size
        return is_done if page.total_count is None else (is_done or is_last) and read >= page.total_count

    def _twice_the_same(self, records: dict[ExternalId, RawRecord], page: Page) -> dict[ExternalId, RawRecord]:
        """Accept two equal readings over a count that is known to be wrong, or slightly wrong."""
        if page.total_count is None:
            return records
        missing = page.total_count - len(records)
        if self._entity.total_count == "exact" and not is_tolerable(missing, page.total_count):
            raise TransientError(
                f"a list of {self._entity.name} has {len(records):,} records where the source counts "
                f"{page.total_count:,}; the list is ignored"
            )
        return records
