"""Whatever moves between two pages, nothing that is alive is missing after the next delta."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import Page
from openfaith_sync.domain.passes.passes import Counts, Lease, PageCommit, PassResult, SyncMode
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.descending_walk import DescendingWalk
from openfaith_sync.engine.passes.id_walk import IdWalk
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.version_walk import VersionWalk
from openfaith_sync.engine.ports.pages import PendingCommit
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import EagerThreads, MovingChurch, Sent, at, small_pages
from openfaith_sync_tests.ten_entities import MANIFESTS

ROOT = Path(__file__).parents[2]
PCO = read_manifest(MANIFESTS, "pco")
CAMPUS = EntityName("campus")
CAMPUS_PART = PCO.entities[CAMPUS]

Move = st.one_of(
    st.tuples(st.just("update"), st.integers(1, 60)),
    st.tuples(st.just("delete"), st.integers(1, 60)),
    st.tuples(st.just("delete_run"), st.integers(1, 60)),
    st.tuples(st.just("update_run"), st.integers(1, 60)),
    st.tuples(st.just("create"), st.just(0)),
    st.tuples(st.just("tick"), st.integers(1, 3)),
)
# Spread over some seconds, or all in one or two, as after an import.
Church = st.one_of(st.lists(st.integers(0, 12), max_size=60), st.lists(st.integers(0, 1), min_size=20, max_size=60))
Moves = st.lists(st.lists(Move, max_size=3), max_size=30)
MovesBetween = list[tuple[str, int]]
"""What moves between two requests."""


def apply(church: MovingChurch, moves: list[tuple[str, int]]) -> None:
    # What changes within the second it was read in is the overlap's concern, and tested below.
    church.now += 1
    for kind, number in moves:
        match kind:
            case "update":
                church.update(number)
            case "delete":
                church.delete(number)
            case "delete_run":
                for other in range(number, number + 4):
                    church.delete(other)
            case "update_run":
                for other in range(number, number + 4):
                    church.update(other)
            case "create":
                church.create()
            case "tick":
                church.now += number


def by_id_only(manifest: Manifest) -> Manifest:
    """Return the manifest with a campus that can only be listed by id, as an address is."""
    campus = manifest.entities[CAMPUS]
    delta = campus.delta.model_copy(update={"by": DeltaCapability.ORDERED})
    return manifest.model_copy(
        update={"entities": {**manifest.entities, CAMPUS: campus.model_copy(update={"delta": delta})}}
    )


def sync(manifest: Manifest, church: MovingChurch, store: DeletingStore, mode: SyncMode = SyncMode.AUTO) -> PassResult:
    return run_entity(Session(manifest, church, store, OrgId("grace"), threads=EagerThreads), CAMPUS, mode)


def stored(store: DeletingStore) -> dict[str, object]:
    return {external_id: row[2][0] for external_id, row in store.rows.items()}


@pytest.mark.parametrize("in_flight", [1, 4])
@given(seconds=Church, moves=Moves)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_walk_by_version_and_the_next_delta_hold_everything_alive(
    in_flight: int, seconds: list[int], moves: list[MovesBetween]
) -> None:
    manifest = small_pages(PCO, in_flight=in_flight)
    church = MovingChurch(manifest, CAMPUS)
    for second in seconds:
        church.create(second)
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    store = DeletingStore(manifest.entities[CAMPUS])
    # So many moves may delete that the sync ends in a safety stop; what lives is stored all the same.
    with suppress(SafetyStop):
        sync(manifest, church, store, SyncMode.FULL)
    church.before_request = lambda _: None
    sync(manifest, church, store)
    held = stored(store)
    assert {str(n): church.names[n] for n in church.versions} == {
        k: v for k, v in held.items() if int(k) in church.versions
    }
    assert len(store.created) == len(set(store.created))


@pytest.mark.parametrize("in_flight", [1, 4])
@given(count=st.integers(0, 60), moves=Moves)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_walk_by_id_reads_everything_that_was_there_all_along(
    in_flight: int, count: int, moves: list[MovesBetween]
) -> None:
    manifest = by_id_only(small_pages(PCO, in_flight=in_flight))
    church = MovingChurch(manifest, CAMPUS)
    for _ in range(count):
        church.create(0)
    before = set(church.versions)
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    store = DeletingStore(manifest.entities[CAMPUS])
    # So many moves may delete that the sync ends in a safety stop; what lives is stored all the same.
    with suppress(SafetyStop):
        sync(manifest, church, store, SyncMode.FULL)
    assert {str(n) for n in before & set(church.versions)} <= set(store.rows)


@given(seconds=Church, pages=st.integers(0, 12), in_flight=st.sampled_from([1, 4]))
@settings(max_examples=200, deadline=None)
def test_a_walk_that_failed_goes_on_from_its_checkpoint(seconds: list[int], pages: int, in_flight: int) -> None:
    manifest = small_pages(PCO, in_flight=in_flight)
    church = MovingChurch(manifest, CAMPUS)
    for second in seconds:
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])

    def fail_after(moving: MovingChurch) -> None:
        if len(moving.queries) >= pages:
            raise ConnectionError

    church.before_request = fail_after
    try:
        sync(manifest, church, store)
    except ConnectionError:
        church.before_request = lambda _: None
        result = sync(manifest, church, store)
        assert result.resumed == (store.pages[0].pass_id == 1)
    assert len(store.rows) == len(church.versions)
    assert sorted(store.created) == sorted(str(n) for n in church.versions)
    assert sum(len(page.batches[0]) for page in store.pages) == len(church.versions)


def test_a_change_within_the_second_it_was_read_in_survives_a_long_interruption() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = MovingChurch(manifest, CAMPUS)
    for _ in range(12):
        church.create(100)
    store = DeletingStore(manifest.entities[CAMPUS])

    def die_after_two_pages(moving: MovingChurch) -> None:
        if len(moving.queries) == 2:
            raise ConnectionError

    church.before_request = die_after_two_pages
    with pytest.raises(ConnectionError):
        sync(manifest, church, store)
    church.before_request = lambda _: None
    church.update(1)
    church.create(100_000)
    sync(manifest, church, store)
    assert stored(store)["1"] == "name 1"
    sync(manifest, church, store)
    assert stored(store)["1"] == church.names[1]


def test_a_slice_that_was_cut_shorter_while_its_request_was_under_way_leaves_the_rest_to_its_neighbour() -> None:
    manifest = small_pages(PCO, in_flight=1, size=10)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(20):
        church.create(second)
    walk = VersionWalk(manifest.entities[CAMPUS], (), 10**9)
    page = church.read_page(walk.query(Slice()))
    step = walk.advance(Slice(upper=at(4)), page)
    assert step.fresh == (0, 1, 2, 3)
    assert step.slice.done
    ids = IdWalk(manifest.entities[CAMPUS], (), 10)
    step = ids.advance(Slice(upper="7"), church.read_page(ids.query(Slice())))
    assert step.fresh == (0, 1, 2, 3, 4, 5)
    assert step.slice.done


def test_a_slice_that_was_cut_shorter_does_not_count_what_its_neighbour_reads() -> None:
    manifest = small_pages(PCO, in_flight=1, size=10)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(60):
        church.create(second)
    walk = VersionWalk(manifest.entities[CAMPUS], (), 10**9)
    slice_, query = Slice(upper=at(25), remaining=25), walk.query(Slice())
    slice_ = walk.advance(slice_, church.read_page(query), query).slice
    assert slice_.remaining == 25
    slice_ = walk.advance(slice_, church.read_page(walk.query(slice_))).slice
    assert slice_.remaining == 25 - 19
    ids = IdWalk(manifest.entities[CAMPUS], (), 10)
    slice_ = Slice(upper="26", remaining=25)
    for left in (15, 6, 0):
        slice_ = ids.advance(slice_, church.read_page(ids.query(slice_))).slice
        assert slice_.remaining == left
    assert slice_.done


def test_an_anchor_met_at_its_old_offset_but_in_a_later_second_proves_nothing() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = MovingChurch(manifest, CAMPUS)
    for _ in range(9):
        church.create(4)
    walk = VersionWalk(manifest.entities[CAMPUS], (), 10**9)
    read = walk.advance(Slice(), church.read_page(walk.query(Slice()))).slice
    assert (read.lower, read.offset, read.anchor) == (at(4), 4, "5")
    for number, second in ((6, 5), (5, 6), (1, 7), (7, 8), (8, 8), (9, 8)):
        church.now = second
        church.update(number)
    page = church.read_page(walk.query(read))
    assert page.records[0].external_id == "5"
    step = walk.advance(read, page)
    assert (step.slice.lower, step.slice.offset, step.fresh) == (at(4), 0, ())
    again = church.read_page(walk.query(step.slice))
    assert "6" in [again.records[i].external_id for i in walk.advance(step.slice, again).fresh]


@pytest.mark.parametrize("version", [None, "yesterday", 7])
def test_a_record_without_a_version_is_passed_on_and_the_walk_goes_around_it(version: str | int | None) -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(20):
        church.create(second)
    walk = VersionWalk(manifest.entities[CAMPUS], (), 10**9)
    page = church.read_page(walk.query(Slice()))
    damaged = page.records[-1]._replace(attributes={"updated_at": version})
    step = walk.advance(Slice(), replace(page, records=(*page.records[:-1], damaged)))
    assert step.fresh == (0, 1, 2, 3, 4)
    assert (step.slice.lower, step.slice.anchor) == (at(3), "5")


@pytest.mark.parametrize("walk", [VersionWalk(CAMPUS_PART, (), 10**9), DescendingWalk(CAMPUS_PART, (), 5)])
def test_records_without_a_version_are_all_read_even_where_whole_pages_have_none(
    walk: VersionWalk | DescendingWalk,
) -> None:
    rows = tuple(
        RawRecord(ExternalId(str(number)), {"updated_at": at(1)} if number in {1, 14} else {}, {}, {})
        for number in range(1, 15)
    )
    slice_, requests = Slice(), 0
    seen: set[ExternalId] = set()
    while not slice_.done:
        requests += 1
        offset = walk.query(slice_).offset
        found = rows[offset : offset + 5]
        page = Page(found, total_count=len(rows), has_next=offset + 5 < len(rows))
        step = walk.advance(slice_, page)
        slice_, seen = step.slice, seen | {found[i].external_id for i in step.fresh}
        assert requests < 10
    assert seen == {row.external_id for row in rows}


@pytest.mark.parametrize("upper", [None, "100"])
def test_a_walk_by_id_goes_on_behind_rows_that_name_none(upper: str | None) -> None:
    manifest = small_pages(PCO, in_flight=1)
    walk = IdWalk(manifest.entities[CAMPUS], (), 5)
    ids = [str(number) if number % 3 else f"unreadable:{number}" for number in range(1, 21)]
    rows = tuple(RawRecord(ExternalId(one), {}, {}, {}) for one in ids)
    slice_ = Slice(upper=upper)
    seen: set[ExternalId] = set()
    while not slice_.done:
        found = rows[slice_.offset : slice_.offset + 5]
        step = walk.advance(slice_, Page(found, total_count=len(rows), has_next=slice_.offset + 5 < len(rows)))
        slice_, seen = step.slice, seen | {found[i].external_id for i in step.fresh}
    assert seen == set(ids)


def test_a_walk_by_id_skips_nothing_when_the_row_that_it_stood_on_names_no_id_and_is_gone() -> None:
    walk = IdWalk(PCO.entities[CAMPUS], (), 5)
    slice_ = Slice(offset=4, anchor="unreadable:5", seen=("1", "2", "3", "4", "unreadable:5"))
    found = tuple(RawRecord(ExternalId(one), {}, {}, {}) for one in ("6", "7", "8"))
    step = walk.advance(slice_, Page(found, total_count=7, has_next=False))
    assert (step.slice.done, step.slice.offset, step.fresh) == (False, 0, ())


def test_pages_that_are_in_together_are_committed_together_and_all_are_counted() -> None:
    manifest = small_pages(PCO, in_flight=4)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(100):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    result = sync(manifest, church, store)
    # No more than half of those under way, so that the others are fetched meanwhile.
    assert max(page.pages for page in store.pages) == 2
    assert sum(page.pages for page in store.pages) == result.pages
    assert sum(page.requests for page in store.pages) == result.requests - 1
    assert result.counts == Counts(created=100)
    assert len(store.pages) < result.pages


def test_a_page_with_a_dead_letter_is_committed_alone_and_in_its_turn() -> None:
    manifest = small_pages(PCO, in_flight=4)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(100):
        church.create(second)
    church.names[50] = church.names[51] = 7  # type: ignore[assignment]  # no text, so no name
    store = DeletingStore(manifest.entities[CAMPUS])
    assert sync(manifest, church, store).counts == Counts(created=98, dead=2)
    assert {page.pages for page in store.pages if page.batches[0].rejected} == {1}


def test_a_second_with_more_records_than_pages_is_read_whole() -> None:
    manifest = small_pages(PCO, in_flight=4)
    church = MovingChurch(manifest, CAMPUS)
    for number in range(200):
        church.create(7 if number > 10 else number % 3)
    store = DeletingStore(manifest.entities[CAMPUS])
    result = sync(manifest, church, store)
    assert result.counts.created == 200
    assert len(church.queries) <= 200 / 4 + 12


def test_a_long_listing_is_cut_into_slices_that_cost_no_extra_requests() -> None:
    manifest = small_pages(PCO, in_flight=8, size=100, pages_a_slice=20)
    church = MovingChurch(manifest, CAMPUS)
    for number in range(20_000):
        church.create(number * 3)
    store = DeletingStore(manifest.entities[CAMPUS])
    result = sync(manifest, church, store)
    assert result.counts.created == 20_000
    slices = store.pages[-1].place.slices
    assert len(slices) >= 8
    assert len(church.queries) <= 1.1 * 200


class LosingStore(DeletingStore):
    """Loses one of its commits, at the moment that it is waited for, and those begun behind it."""

    def __init__(self, entity: Entity, lost: int) -> None:
        super().__init__(entity)
        self.lost = lost
        self.begun = 0
        self.is_lost = False

    def begin_commit(self, lease: Lease, page: PageCommit) -> PendingCommit:
        self.begun += 1
        number, is_late = self.begun, self.is_lost

        def wait() -> Mapping[EntityName, Counts]:
            self.is_lost |= number == self.lost
            if self.is_lost and not is_late:
                raise ConnectionError
            return self.commit_page(lease, page)

        return Sent(wait)


@pytest.mark.parametrize("lost", range(1, 23))
@pytest.mark.parametrize("in_flight", [2, 8])
def test_after_a_commit_that_failed_nothing_later_is_committed(in_flight: int, lost: int) -> None:
    manifest = small_pages(PCO, in_flight=in_flight)
    church = MovingChurch(manifest, CAMPUS)
    for second in range(300):
        church.create(second)
    store = LosingStore(manifest.entities[CAMPUS], lost)
    with pytest.raises(ConnectionError):
        sync(manifest, church, store)
    sync(manifest, church, store)
    assert sorted(map(int, store.rows)) == sorted(church.versions)
    assert len(store.created) == len(set(store.created))
