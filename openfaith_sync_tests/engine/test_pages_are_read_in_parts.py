"""A page that the source does not serve whole is read in parts, and what it cannot serve at all is stepped over."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openfaith_sync.domain.errors import AccessDenied, MostlyRejected, PageNotServed, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId, is_place
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.passes.page_reading import PAGES_BEFORE_GROWTH, PageReader
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import small_pages
from openfaith_sync_tests.engine.picky_church import PickyChurch
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import (
    CAMPUS,
    PCO,
    Moves,
    MovesBetween,
    apply,
    by_id_only,
    stored,
    sync,
)

KINDS = {"by version": lambda manifest: manifest, "by id": by_id_only}
CHILD = EntityName("email")


def church_of(
    manifest: Manifest, seconds: Iterable[int], bad: Iterable[int] = (), most: int = 1_000, away: range = range(0)
) -> PickyChurch:
    church = PickyChurch(manifest, CAMPUS, bad=set(bad), most=most, away=away)
    for second in seconds:
        church.create(second)
    return church


def set_aside(store: DeletingStore) -> set[str]:
    return {bad.external_id for page in store.pages for bad in page.batches[0].rejected}


@pytest.mark.parametrize("kind", KINDS)
@given(
    seconds=st.lists(st.integers(0, 12), max_size=40),
    bad=st.sets(st.integers(1, 40), max_size=15),
    most=st.integers(1, 6),
    in_flight=st.sampled_from([1, 4]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_everything_but_the_bad_records_is_stored_and_each_of_them_is_a_dead_letter(
    kind: str, seconds: list[int], bad: set[int], most: int, in_flight: int
) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=in_flight))
    church = church_of(manifest, seconds, bad=bad, most=most)
    store = DeletingStore(manifest.entities[CAMPUS])
    bad &= set(church.versions)
    with suppress(MostlyRejected):
        sync(manifest, church, store, SyncMode.FULL)
    assert {int(one) for one in stored(store)} == set(church.versions) - bad
    assert len(set_aside(store)) == len(bad)
    assert all(is_place(ExternalId(one)) for one in set_aside(store))
    assert "missing" not in store.evidence.report


@pytest.mark.parametrize("kind", KINDS)
@given(bad=st.sets(st.integers(1, 30), max_size=8), moves=Moves)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_moves_meanwhile_everything_served_is_held_after_the_next_sync(
    kind: str, bad: set[int], moves: list[MovesBetween]
) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=2))
    church = church_of(manifest, range(30), bad=bad)
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    store = DeletingStore(manifest.entities[CAMPUS])
    with suppress(MostlyRejected):
        sync(manifest, church, store, SyncMode.FULL)
    church.before_request = lambda _: None
    church.bad = set()
    sync(manifest, church, store, SyncMode.FULL)
    held = stored(store)
    assert {one: held[str(one)] for one in church.versions} == {one: church.names[one] for one in church.versions}


def test_a_whole_page_that_is_not_served_is_stepped_over_place_by_place() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = church_of(manifest, range(30), bad=set(range(11, 16)))
    store = DeletingStore(manifest.entities[CAMPUS])
    result = sync(manifest, church, store, SyncMode.FULL)
    assert len(stored(store)) == 25
    assert result.report["places_stepped_over"] == 5
    assert result.counts.dead == 5


@pytest.mark.parametrize("first", range(1, 12))
@pytest.mark.parametrize("lasts", [10, 40])
def test_an_outage_steps_over_nothing(first: int, lasts: int) -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = church_of(manifest, range(30), away=range(first, first + lasts))
    store = DeletingStore(manifest.entities[CAMPUS])
    with suppress(PageNotServed):
        sync(manifest, church, store, SyncMode.FULL)
    assert not set_aside(store)
    church.away = range(0)
    sync(manifest, church, store, SyncMode.FULL)
    assert len(stored(store)) == 30


def test_an_outage_from_the_first_request_steps_over_nothing() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = church_of(manifest, range(30), away=range(1_000_000))
    store = DeletingStore(manifest.entities[CAMPUS])
    with pytest.raises(PageNotServed):
        sync(manifest, church, store, SyncMode.FULL)
    assert not store.pages
    # The outage is noticed before the listing is asked for place by place.
    assert len(church.queries) < 30


def test_a_reconciliation_that_steps_over_a_place_makes_nothing_a_candidate_for_deletion() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = church_of(manifest, range(12))
    store = DeletingStore(manifest.entities[CAMPUS])
    sync(manifest, church, store, SyncMode.FULL)
    church.bad = {5}
    church.delete(9)
    result = sync(manifest, church, store, SyncMode.RECONCILIATION)
    assert result.report["places_stepped_over"] == 1
    assert not store.evidence.missed
    assert store.live == {str(one) for one in range(1, 13)}


Refuses = Callable[[ListingQuery, list[str]], Exception | None]


class Listing:
    """Answers queries from a list of ids, and keeps what was asked."""

    def __init__(self, rows: int, refuses: Refuses) -> None:
        self.rows, self.refuses = [str(one) for one in range(1, rows + 1)], refuses
        self.asked: list[ListingQuery] = []

    def __call__(self, query: ListingQuery) -> Page:
        self.asked.append(query)
        ids = self.rows[query.offset : query.offset + (query.size or 0)]
        refusal = self.refuses(query, ids)
        if refusal is not None:
            raise refusal
        records = tuple(RawRecord(ExternalId(one), {}, {}, {}) for one in ids)
        children = dict.fromkeys(query.children, records)
        return Page(records, len(self.rows), query.offset + len(ids) < len(self.rows), children)


def walk(reader: PageReader, query: ListingQuery) -> list[Page]:
    pages = [reader.read(query)]
    while pages[-1].has_next:
        query = replace(query, offset=query.offset + pages[-1].rows)
        pages.append(reader.read(query))
    return pages


def test_the_size_that_is_served_is_learnt_once_and_grows_back_when_the_source_is_well() -> None:
    limit = 25
    listing = Listing(2_000, lambda query, _: PageNotServed("too much") if (query.size or 0) > limit else None)
    reader = PageReader(listing, 100)
    query = ListingQuery(CAMPUS)
    pages = [reader.read(query)]
    assert [asked.size for asked in listing.asked] == [100, 50, 25]
    assert reader.reduced_size == 25
    limit = 1_000
    for _ in range(2 * PAGES_BEFORE_GROWTH):
        pages.append(reader.read(replace(query, offset=sum(page.rows for page in pages))))
    assert reader.reduced_size is None
    assert pages[-1].rows == 100


def test_a_size_that_is_never_served_is_tried_less_and_less() -> None:
    listing = Listing(10_000, lambda query, _: PageNotServed("too much") if (query.size or 0) > 50 else None)
    pages = walk(PageReader(listing, 100), ListingQuery(CAMPUS))
    assert sum(page.rows for page in pages) == 10_000
    in_vain = sum(asked.size == 100 for asked in listing.asked)
    assert in_vain <= 8


def test_one_bad_record_does_not_leave_pages_small() -> None:
    listing = Listing(2_000, lambda _, ids: PageNotServed("bad") if "317" in ids else None)
    pages = walk(PageReader(listing, 100), ListingQuery(CAMPUS))
    assert sum(page.rows for page in pages) == 2_000
    assert len(listing.asked) < 20 + 30


def test_an_empty_page_that_promises_more_is_returned_as_it_is() -> None:
    asked: list[ListingQuery] = []

    def promising(query: ListingQuery) -> Page:
        asked.append(query)
        return Page((), 3, has_next=True)

    assert PageReader(promising, 100).read(ListingQuery(CAMPUS)).rows == 0
    assert len(asked) == 1


def test_children_that_may_not_be_read_are_left_out_at_once_and_for_good() -> None:
    listing = Listing(500, lambda query, _: AccessDenied("no") if query.children else None)
    reader = PageReader(listing, 100)
    pages = walk(reader, ListingQuery(CAMPUS, children=(CHILD,)))
    assert [page.rows for page in pages] == [100] * 5
    assert reader.is_without_children
    assert len(listing.asked) == 6


def test_a_record_that_is_served_without_its_children_is_not_stepped_over() -> None:
    listing = Listing(200, lambda query, ids: PageNotServed("bad") if query.children and "42" in ids else None)
    reader = PageReader(listing, 100)
    pages = walk(reader, ListingQuery(CAMPUS, children=(CHILD,)))
    assert [record.external_id for page in pages for record in page.records] == listing.rows
    assert reader.is_without_children


def test_a_listing_that_may_not_be_read_either_way_is_refused() -> None:
    listing = Listing(500, lambda query, _: AccessDenied("with" if query.children else "without"))
    with pytest.raises(AccessDenied, match="without"):
        PageReader(listing, 100).read(ListingQuery(CAMPUS, children=(CHILD,)))


# The row that is stepped over leaves before the one after it is read.
@example(bad={2}, moves=[[], [], [], [], [], [], [("update", 2)]])
# It leaves for a place that is stepped over next.
@example(bad={29}, moves=[[], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [("update", 29)]])
@given(bad=st.sets(st.integers(1, 30), max_size=4), moves=Moves)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rows_that_move_while_a_place_is_stepped_over_are_read(bad: set[int], moves: list[MovesBetween]) -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = church_of(manifest, range(30))
    store = DeletingStore(manifest.entities[CAMPUS])
    sync(manifest, church, store, SyncMode.FULL)
    church.now = 100
    for number in range(1, 31):
        church.now += 1
        church.update(number)
    church.bad = bad
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    for _ in range(3):
        # A listing that moves too fast to be read in parts is read by the next sync.
        with suppress(MostlyRejected, TransientError):
            sync(manifest, church, store, SyncMode.DELTA)
        church.before_request = lambda _: None
    held = stored(store)
    served = set(church.versions) - bad
    assert {one: held[str(one)] for one in served} == {one: church.names[one] for one in served}
