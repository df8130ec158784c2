"""A listing of N records costs at most 1.01 N/100 + 4 requests, and leaves out anchors only where nothing can hide."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.domain.planning.listing_requests import count_full_listing
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.descending_walk import DescendingWalk
from openfaith_sync.engine.passes.id_walk import IdWalk
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.version_walk import VersionWalk
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import EPOCH, MovingChurch, at, moment, small_pages
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import (
    CAMPUS,
    CAMPUS_PART,
    PCO,
    by_id_only,
    stored,
    sync,
)

LATER = 10**8
"""By the source's clock, long after everything in it was changed."""


@dataclass
class StandingChurch(MovingChurch):
    """Serves from an index, since thousands of records are not sorted anew for each page."""

    order: list[int] = field(default_factory=list)

    def read_page(self, query: ListingQuery) -> Page:
        if not self.order:
            self.order = sorted(self.versions, key=lambda number: (self.versions[number], number))
        self.queries.append(query)
        if query.order is Order.ID:
            rows: Sequence[int] = range(1, len(self.order) + 1)
        else:
            rows = self.order[self._first(query.version_from, 0) : self._first(query.version_before, len(self.order))]
            rows = rows[::-1] if query.order is Order.VERSION_DESCENDING else rows
        end = query.offset + (query.size or 100)
        records = tuple(self._raw(number) for number in rows[query.offset : end])
        return Page(records, len(rows), has_next=end < len(rows), answered_at=moment(self.now))

    def _first(self, version: datetime | None, otherwise: int) -> int:
        if version is None:
            return otherwise
        return bisect_left(self.order, (version - EPOCH).total_seconds(), key=lambda number: self.versions[number])


def listed(manifest: Manifest, count: int, second_of: Callable[[int], int]) -> tuple[StandingChurch, PassResult]:
    church = StandingChurch(manifest, CAMPUS)
    for number in range(count):
        church.create(second_of(number))
    church.now = LATER
    store = DeletingStore(manifest.entities[CAMPUS])
    # With real threads, so that pages and cuts come in any order.
    result = run_entity(Session(manifest, church, store, OrgId("grace"), threads=ThreadPoolExecutor), CAMPUS)
    assert len(store.rows) == result.source_count == count
    return church, result


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 199, 200, 298, 2_000, 4_100, 8_000, 19_500])
@pytest.mark.parametrize("kind", ["by version", "by id"])
def test_all_requests_of_a_listing_are_counted(kind: str, count: int) -> None:
    manifest = small_pages(PCO, in_flight=8, size=100, pages_a_slice=20)
    manifest = manifest if kind == "by version" else by_id_only(manifest)
    church, result = listed(manifest, count, lambda number: 3 * number)
    # What a plan predicts: the pages, and by id the newest version before them.
    pages = count_full_listing(manifest.entities[CAMPUS], manifest.adapter_file.paging, count)
    assert abs(pages + (kind == "by id") - len(church.queries)) <= 0.02 * len(church.queries)
    assert result.requests == len(church.queries)
    # By version, three more are left for merges and for two kinds of children.
    assert len(church.queries) <= 1.01 * count / 100 + (1 if kind == "by version" else 4)


@pytest.mark.parametrize("in_a_second", [2, 30, 60, 300])
def test_a_bulk_import_is_cut_less_often(in_a_second: int) -> None:
    manifest = small_pages(PCO, in_flight=8, size=100, pages_a_slice=20)
    church, _ = listed(manifest, 8_000, lambda number: number // in_a_second)
    assert len(church.queries) <= 1.01 * 80 + 4


def test_a_church_in_which_a_record_was_just_changed_is_counted_again_at_the_end() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(8):
        church.create(second)
    assert sync(manifest, church, DeletingStore(CAMPUS_PART), SyncMode.FULL).source_count == 8
    assert church.queries[-1] == ListingQuery(CAMPUS, size=1, is_reducible=True)


def test_a_record_that_comes_in_does_not_stand_in_for_one_that_is_hidden() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = HidingChurch(manifest, CAMPUS), DeletingStore(CAMPUS_PART)
    for second in range(12):
        church.create(second)
    church.now = 100

    def create_one(moving: MovingChurch) -> None:
        if len(moving.queries) == 1:
            moving.create()

    church.before_request = create_one
    church.hidden = {7}
    result = sync(manifest, church, store, SyncMode.FULL)
    assert {int(number) for number in stored(store)} == set(church.versions)
    assert result.report["listed_again_for"] == 1


@dataclass
class HidingChurch(MovingChurch):
    """Counts a record that it lists only by id."""

    hidden: set[int] = field(default_factory=set)

    def read_page(self, query: ListingQuery) -> Page:
        page = super().read_page(query)
        assert page.total_count is not None
        unlisted = len(self.hidden) if query.order is not Order.ID else 0
        return replace(page, total_count=page.total_count + unlisted)

    def _matches(self, number: int, query: ListingQuery) -> bool:
        return not (query.order is not Order.ID and number in self.hidden) and super()._matches(number, query)


def church_of_one_second(count: int) -> MovingChurch:
    church = MovingChurch(small_pages(PCO, in_flight=1), CAMPUS)
    for _ in range(count):
        church.create(4)
    church.now = 100
    return church


ENTITY = small_pages(PCO, in_flight=1).entities[CAMPUS]
UPPER = at(50)


def test_a_closed_slice_leaves_its_anchors_out() -> None:
    church = church_of_one_second(12)
    walk, slice_, offsets, read = VersionWalk(ENTITY, (), 10**9), Slice(upper=UPPER), [], []
    while not slice_.done:
        query = walk.query(slice_)
        offsets.append(query.offset)
        page = church.read_page(query)
        step = walk.advance(slice_, page, query)
        read += [page.records[index].external_id for index in step.fresh]
        slice_ = step.slice
    assert offsets == [0, 5, 10]
    assert read == [str(number) for number in range(1, 13)]


def test_a_row_that_left_a_closed_slice_is_noticed_by_the_count_and_the_anchors_come_back() -> None:
    church = church_of_one_second(12)
    walk = VersionWalk(ENTITY, (), 10**9)
    slice_ = walk.advance(Slice(upper=UPPER), church.read_page(walk.query(Slice(upper=UPPER)))).slice
    church.update(2)
    step = walk.advance(slice_, church.read_page(walk.query(slice_)))
    assert (step.fresh, step.slice.offset) == ((), 0)
    page = church.read_page(walk.query(step.slice))
    step = walk.advance(step.slice, page)
    assert [page.records[index].external_id for index in step.fresh] == ["6"]
    assert step.slice.counted is None


def test_at_an_open_end_a_row_that_comes_in_does_not_hide_one_that_left() -> None:
    """A delete beside an insert keeps the count: only the anchor shows it."""
    church = church_of_one_second(12)
    walk = VersionWalk(ENTITY, (), 10**9)
    slice_ = walk.advance(Slice(), church.read_page(walk.query(Slice()))).slice
    church.delete(2)
    church.create()
    read: set[str] = set()
    while not slice_.done:
        page = church.read_page(walk.query(slice_))
        step = walk.advance(slice_, page)
        read |= {page.records[index].external_id for index in step.fresh}
        slice_ = step.slice
    assert read == {str(number) for number in range(6, 14)}


def test_a_whole_sync_in_which_a_row_leaves_beside_one_that_comes_in_misses_nothing() -> None:
    for moves_at in range(1, 6):
        church, store = church_of_one_second(23), DeletingStore(ENTITY)

        def swap(moving: MovingChurch, moves_at: int = moves_at) -> None:
            if len(moving.queries) == moves_at:
                moving.delete(2)
                moving.create()

        church.before_request = swap
        sync(church.manifest, church, store, SyncMode.FULL)
        assert set(map(str, church.versions)) <= set(stored(store))


@pytest.mark.parametrize(
    ("slice_", "now", "is_exact"),
    [
        (Slice(), 100, True),
        (Slice(upper=UPPER), 50, True),
        (Slice(upper=UPPER), 100, False),
    ],
    ids=["open", "too young", "counts are not reliable"],
)
def test_the_anchor_is_kept_where_a_row_could_come_in(slice_: Slice, now: int, *, is_exact: bool) -> None:
    entity = ENTITY if is_exact else ENTITY.model_copy(update={"total_count": "unreliable"})
    church = church_of_one_second(12)
    church.now = now
    walk = VersionWalk(entity, (), 10**9)
    slice_ = walk.advance(slice_, church.read_page(walk.query(slice_))).slice
    assert slice_.counted is None
    assert walk.query(slice_).offset == 4


def test_the_overlap_lies_between_a_closed_end_and_the_sources_clock() -> None:
    delta = ENTITY.delta.model_copy(update={"overlap_seconds": 50})
    church = church_of_one_second(12)
    for now, is_kept in ((100, True), (101, False)):
        church.now = now
        walk = VersionWalk(ENTITY.model_copy(update={"delta": delta}), (), 10**9)
        step = walk.advance(Slice(upper=UPPER), church.read_page(walk.query(Slice(upper=UPPER))))
        assert (step.slice.counted is None) is is_kept


@pytest.mark.parametrize("wrong", ["capped", "short", "none"])
def test_anchors_are_kept_to_the_end_once_a_count_was_wrong(wrong: str) -> None:
    church = church_of_one_second(30)
    walk = VersionWalk(ENTITY, (), 10**9)
    query = walk.query(Slice(upper=UPPER))
    slice_ = walk.advance(Slice(upper=UPPER), church.read_page(query), query).slice
    under_way = walk.query(slice_)
    other = walk.query(Slice(lower=at(10), upper=UPPER))
    page = church.read_page(under_way)
    match wrong:
        case "capped":
            walk.advance(slice_, replace(page, total_count=31), under_way)
        case "short":
            walk.advance(Slice(lower=at(10), upper=UPPER), Page((), 3, has_next=False, is_short=True), other)
        case _:
            walk.advance(Slice(lower=at(10), upper=UPPER), Page((), None, has_next=False), other)
    # What was already requested without its anchor proves nothing any more.
    step = walk.advance(slice_, page, under_way)
    assert (step.fresh, step.slice.offset) == ((), 0)
    again = walk.query(step.slice)
    assert walk.advance(step.slice, church.read_page(again), again).slice.counted is None


@pytest.mark.parametrize("walk", [IdWalk(ENTITY, (), 5), DescendingWalk(ENTITY, (), 5)])
def test_other_orders_keep_their_anchors(walk: IdWalk | DescendingWalk) -> None:
    church = church_of_one_second(12)
    slice_ = walk.advance(Slice(), church.read_page(walk.query(Slice()))).slice
    assert (slice_.counted, walk.query(slice_).offset) == (None, 4)


def test_a_count_that_was_made_for_a_longer_slice_proves_nothing_of_a_shorter_one() -> None:
    church = church_of_one_second(12)
    for second in (20, 21, 22):
        church.create(second)
    church.now = 100
    walk = VersionWalk(ENTITY, (), 10**9)
    query = walk.query(Slice(upper=UPPER))
    slice_ = walk.advance(Slice(upper=UPPER), church.read_page(query), query).slice
    under_way = walk.query(slice_)
    assert under_way.expected_count == 15
    shorter = replace(slice_, upper=at(21), counted=None)
    step = walk.advance(shorter, church.read_page(under_way), under_way)
    assert (len(step.fresh), step.slice.counted) == (5, None)
    assert walk.query(step.slice).offset == 9


def test_a_resumed_walk_begins_with_its_anchors() -> None:
    place = WalkPlace((Slice(lower=at(4), upper=UPPER, offset=4, anchor="5", seen=("5",), counted=12),))
    (slice_,) = WalkPlace.from_json(place.to_json()).slices
    assert slice_ == replace(place.slices[0], counted=None)
    assert VersionWalk(ENTITY, (), 10**9).query(slice_).offset == 4
