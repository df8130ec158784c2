"""Run a walk: read several slices in parallel, and commit their pages one after the other.

Requests go out from threads; every decision and every commit is made here, in
one thread. A slice asks for its next page only when the last one is committed,
so a walk that is killed fetches again at most one page for each slice. Pages of
several slices that came in during a commit are committed together, and sent to the
database while the commit before them is under way there.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from openfaith_sync.domain.errors import DefinitionError, NotFoundAtSource, TransientError
from openfaith_sync.domain.ids import EntityName, is_place
from openfaith_sync.domain.log_context import current_log_context, enter_log_context, log_context
from openfaith_sync.domain.manifest.paging import Paging
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.passes import Counts, Lease, OpenPass, PageCommit, PassId
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace, version_key
from openfaith_sync.domain.records.record import MappedBatch, join_batches
from openfaith_sync.engine.passes.interpreter_settings import tuned_for_pages
from openfaith_sync.engine.passes.page_fetching import Fetcher, MappedPage
from openfaith_sync.engine.passes.page_requests import PageRequest, Purpose, ReadyPage
from openfaith_sync.engine.passes.walk_step import Walk
from openfaith_sync.engine.ports.pages import Pages, PendingCommit

MAX_STEPS_WITHOUT_RECORDS = 50

# A listing that was worth splitting is split finer at its end, so that all threads
# end together: a split costs half a request, a single slice the time of its pages.
FINER_CUTS = 4

StartThreads = Callable[[int], Executor]


def start_threads(count: int) -> Executor:
    """Return the threads that fetch pages; what they log is about the same sync as what this one logs."""
    context = current_log_context()
    return ThreadPoolExecutor(count, "fetch", initializer=enter_log_context, initargs=(context,))


@dataclass(frozen=True, slots=True)
class PassProgress:
    """The progress of a pass."""

    records: int
    """Read in this pass, riders not counted."""
    total: int | None
    """The number of records to expect, according to the source."""
    pages: int
    requests: int
    waited: timedelta
    counts: Counts


class PassRunner:
    """One walk, from the pass's place to its end."""

    def __init__(
        self,
        walk: Walk,
        fetcher: Fetcher,
        pages: Pages,
        lease: Lease,
        opened: OpenPass,
        paging: Paging,
        on_page: Callable[[PassProgress], None],
        threads: StartThreads = start_threads,
    ) -> None:
        """Resume the pass at its place."""
        self._walk = walk
        self._fetcher = fetcher
        self._pages = pages
        self._lease = lease
        self._pass_id: PassId = opened.pass_id
        # After all pages that were read, committed or not.
        self._place: WalkPlace = opened.place
        self._kept_tokens = {slice_.token for slice_ in opened.place.slices}
        self._paging = paging
        self._on_page = on_page
        self._threads = threads
        self._under_way: dict[Future[MappedPage], PageRequest] = {}
        self._ready: list[ReadyPage] = []
        self._committing: deque[tuple[tuple[ReadyPage, ...], PageCommit, PendingCommit]] = deque()
        self._may_commit = True
        # While these are committed, as many others are fetched and mapped.
        self._most_together = max(1, paging.pages_in_flight // 2)
        self._unsplittable: set[int] = set()
        self._steps_without_records = 0
        fetcher.reader.recall(opened.place.page_size, is_without_children=opened.place.is_without_children)
        self._riders = {rider.entity: rider.watermark_to for rider in opened.start.riders}
        self._whole_counts: dict[int, set[int | None]] = {}
        """What answers counted of each whole variant of the listing."""
        self.answered_first_at: datetime | None = None
        self.answered_at: datetime | None = None
        """The time of the source's last response, by its own clock."""
        self.short_by = 0
        """Records that the source counts beyond the end of its listing, after that end was read twice."""
        self.progress = PassProgress(
            opened.counts.records, None, opened.pages, opened.requests, timedelta(), opened.counts
        )

    @property
    def source_count(self) -> int | None:
        """Return what the source counts, if every answer that counts the whole listing has as many as were read."""
        counts = [count for counts in self._whole_counts.values() for count in counts]
        is_steady = len(counts) == len(self._whole_counts) == self._fetcher.variants
        is_read = is_steady and None not in counts and sum(count or 0 for count in counts) == self.progress.records
        return self.progress.records if is_read else None

    @property
    def place(self) -> WalkPlace:
        """Return the place after all pages that were read."""
        return self._place

    def run(self) -> PassProgress:
        """Read and commit until every slice is done.

        Raises:
            SyncError: The source or the store failed; what is committed stays, and a
                later walk goes on from there.
        """
        failure: Exception | None = None
        with (
            log_context(pass_id=self._pass_id),
            tuned_for_pages(),
            self._threads(self._paging.pages_in_flight) as threads,
        ):
            self._start(threads)
            while self._under_way or self._committing:
                failed = self._go_on()
                failure = failure or failed
                if failure is None:
                    self._start(threads)
        if failure is not None:
            raise failure
        return self.progress

    def _go_on(self) -> Exception | None:
        """Commit the pages that have arrived, or wait for the next one; return the failure, if any."""
        done = [future for future in self._under_way if future.done()]
        failure = self._take_done(done)
        try:
            if self._committing and (not done or len(self._committing) > 1):
                self._finish_commit()
            elif not done:
                wait(self._under_way, return_when=FIRST_COMPLETED)
        except Exception as error:  # noqa: BLE001  raised by ``run``, once the others are in
            failure = failure or error
        return failure

    def _take_done(self, done: Sequence[Future[MappedPage]]) -> Exception | None:
        """Send the pages that have arrived to be committed together."""
        failure: Exception | None = None
        for future in done[: self._most_together]:
            asked = self._under_way.pop(future)
            try:
                self._take(asked, future.result())
            except Exception as error:  # noqa: BLE001  as above
                if not self._begins_anew(asked, error):
                    failure = failure or error
        try:
            self._commit()
        except Exception as error:  # noqa: BLE001  as above
            failure = failure or error
        return failure

    def _begins_anew(self, asked: PageRequest, error: Exception) -> bool:
        """Begin a listing again when the source no longer knows the token that was kept since an earlier run."""
        token = asked.query.token
        is_kept = bool(token) and token in self._kept_tokens
        self._kept_tokens.discard(token)
        if not is_kept or not isinstance(error, DefinitionError | NotFoundAtSource):
            return False
        self._place = self._place.with_slice(asked.index, Slice(variant=asked.query.variant))
        return True

    def _start(self, threads: Executor) -> None:
        """Request the next page of every idle slice, then use spare threads to split the longest slices."""
        busy = {asked.index for asked in self._under_way.values() if asked.purpose is Purpose.READ_ON}
        busy.update(page.index for pages, _, _ in self._committing for page in pages)
        for index, slice_ in enumerate(self._place.slices):
            if not slice_.done and index not in busy and len(self._under_way) < self._paging.pages_in_flight:
                self._send(threads, PageRequest(index, self._walk.query(slice_), Purpose.READ_ON))
        while len(self._under_way) < self._paging.pages_in_flight:
            cut = self._next_split()
            if cut is None:
                return
            self._send(threads, cut)

    def _send(self, threads: Executor, asked: PageRequest) -> None:
        self._under_way[threads.submit(self._fetcher.fetch, asked.query)] = asked

    def _next_split(self) -> PageRequest | None:
        """Return the request that finds where to split the longest slice that is worth it."""
        splitting = {asked.index for asked in self._under_way.values() if asked.purpose is Purpose.SPLIT}
        is_cut = len(self._place.slices) > 1
        pages = max(2, self._paging.pages_a_slice // FINER_CUTS) if is_cut else self._paging.pages_a_slice
        least = 2 * pages * self._paging.size
        splittable = [
            (slice_.remaining, index)
            for index, slice_ in enumerate(self._place.slices)
            if slice_.remaining is not None
            and slice_.remaining >= least
            and not slice_.done
            and index not in splitting
            and index not in self._unsplittable
        ]
        for _, index in sorted(splittable, reverse=True):
            query = self._walk.split_query(self._place.slices[index])
            if query is not None:
                return PageRequest(index, query, Purpose.SPLIT)
        return None

    def _take(self, asked: PageRequest, fetched: MappedPage) -> None:
        self._note_answer(asked.query, fetched.page)
        place, index = self._with_what_was_learnt(fetched), asked.index
        slice_ = place.slices[index]
        if asked.purpose is Purpose.READ_ON:
            step = self._walk.advance(slice_, fetched.page, asked.query)
            if step.slice.done and fetched.page.is_short and fetched.page.total_count is not None:
                self.short_by += max(0, fetched.page.total_count - asked.query.offset - fetched.page.rows)
            self._guard_progress(is_moving=bool(step.fresh) or step.slice.done)
            self._hold(index, place.with_slice(index, step.slice), step.fresh, fetched)
            return
        split = self._walk.split(slice_, asked.query, fetched.page)
        if split is None:
            self._unsplittable.add(index)
            return
        place = place.with_slice(index, split.left)
        place = replace(place, slices=(*place.slices, split.right))
        self._hold(len(place.slices) - 1, place, split.fresh, fetched)

    def _note_answer(self, query: ListingQuery, page: Page) -> None:
        self.answered_at = max(filter(None, (self.answered_at, page.answered_at)), default=None)
        self.answered_first_at = min(filter(None, (self.answered_first_at, page.answered_at)), default=None)
        if query.version_from is None and query.version_before is None:
            self._whole_counts.setdefault(query.variant, set()).add(page.total_count)

    def _with_what_was_learnt(self, fetched: MappedPage) -> WalkPlace:
        reader = self._fetcher.reader
        return replace(
            self._place,
            answered_from=self._first_answer(fetched.page.answered_at),
            page_size=reader.reduced_size,
            is_without_children=reader.is_without_children,
            counted_children=self._still_counted(fetched),
        )

    def _first_answer(self, answered_at: datetime | None) -> str | None:
        """Return when the source first answered in this pass, or in an earlier run of it."""
        known = self._place.answered_from
        if self._fetcher.variants == 1 or answered_at is None:
            return known
        return min(known or version_key(answered_at), version_key(answered_at))

    def _still_counted(self, fetched: MappedPage) -> Mapping[EntityName, int]:
        """Return the counts of the children of which no page has brought one that may be newer than its count."""
        counted = self._place.counted_children
        newer = {batch.entity for batch in fetched.children if batch.entity in counted and self._has_newer(batch)}
        return {child: count for child, count in counted.items() if child not in newer} if newer else counted

    def _has_newer(self, batch: MappedBatch) -> bool:
        since = self._riders.get(batch.entity)
        return any(since is None or one.version is None or one.version > since for one in batch.records)

    def _hold(self, index: int, place: WalkPlace, fresh: Collection[int], fetched: MappedPage) -> None:
        """Add a page to the next commit; a page with dead letters is committed alone.

        A record that moved may be bad in one page and good in the next: which came last decides.
        """
        batches = self._fetcher.only(fetched, fresh)
        page = ReadyPage(index, place, fetched, batches, len(fresh))
        is_alone = any(batch.rejected for batch in batches)
        if is_alone:
            self._commit()
        self._place = place
        self._ready.append(page)
        if is_alone:
            self._commit()

    def _commit(self) -> None:
        """Send the ready pages to be committed, behind at most one other commit.

        After a commit that failed there is none: the place after any later page lies behind what was lost.
        """
        while len(self._committing) > 1:
            self._finish_commit()
        ready, self._ready = tuple(self._ready), []
        if not ready or not self._may_commit:
            return
        with self._last_if_it_fails():
            commit = PageCommit(
                pass_id=self._pass_id,
                place=ready[-1].place,
                batches=tuple(map(join_batches, zip(*(page.batches for page in ready), strict=True))),
                requests=sum(page.mapped.page.requests for page in ready),
                waited=sum((page.mapped.page.waited for page in ready), timedelta()),
                listed=tuple(external_id for page in ready for external_id in self._fetcher.listed(page.mapped)),
                listed_versions={k: v for page in ready for k, v in self._fetcher.listed_versions(page.mapped).items()},
                pages=len(ready),
                findings=self._findings(ready),
                believed_until=max(filter(None, (page.mapped.believed_until for page in ready)), default=None),
            )
            self._committing.append((ready, commit, self._pages.begin_commit(self._lease, commit)))

    def _findings(self, ready: Sequence[ReadyPage]) -> dict[str, int]:
        """Return what these pages add to the pass's report, without zeros."""
        found = {
            "rows_listed": sum(page.fresh for page in ready) if self._fetcher.notes_ids else 0,
            "places_stepped_over": sum(is_place(bad.external_id) for page in ready for bad in page.batches[0].rejected),
            "stamps_out_of_bounds": sum(page.mapped.implausible for page in ready),
        }
        return {name: count for name, count in found.items() if count}

    def _finish_commit(self) -> None:
        """Wait for the oldest commit that was sent."""
        pages, commit, pending = self._committing.popleft()
        with self._last_if_it_fails():
            counts = pending.result()
        records = self.progress.records + sum(page.fresh for page in pages)
        remaining = [slice_.remaining for slice_ in commit.place.slices if not slice_.done]
        known = None if None in remaining else records + sum(slice_ or 0 for slice_ in remaining)
        self.progress = PassProgress(
            records=records,
            total=known,
            pages=self.progress.pages + commit.pages,
            requests=self.progress.requests + commit.requests,
            waited=self.progress.waited + commit.waited,
            counts=self.progress.counts + counts.get(commit.batches[0].entity, Counts()),
        )
        self._on_page(self.progress)

    @contextmanager
    def _last_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:  # Ctrl-C too: what was not committed is lost to this walk; raised again
            self._may_commit = False
            raise

    def _guard_progress(self, *, is_moving: bool) -> None:
        self._steps_without_records = 0 if is_moving else self._steps_without_records + 1
        if self._steps_without_records > MAX_STEPS_WITHOUT_RECORDS:
            raise TransientError(
                f"the source changed faster than it could be read: {MAX_STEPS_WITHOUT_RECORDS} pages had no new records"
            )
