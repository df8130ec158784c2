"""Law 12: a pass is complete when the source's count is accounted for, or it says what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest

from openfaith_sync.domain.errors import ListingIncomplete
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.counted_records import CountedRecords, is_tolerable
from openfaith_sync.domain.passes.listing import ListingQuery, Order, Page
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import MovingChurch, small_pages
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import CAMPUS, PCO, by_id_only, stored, sync

KINDS = {"by version": lambda manifest: manifest, "by id": by_id_only}


@dataclass
class MiscountingChurch(MovingChurch):
    """Counts more or fewer records than it lists, and says that a listing ends where it does end."""

    wrong_by: int = 0
    hidden: set[int] = field(default_factory=set)
    """Left out of listings by version, and counted."""

    def read_page(self, query: ListingQuery) -> Page:
        page = super().read_page(query)
        assert page.total_count is not None
        total = page.total_count + self.wrong_by
        if query.order is not Order.ID:
            total += len(self.hidden & set(self.versions))
        is_short = not page.has_next and query.offset + page.rows < total
        return replace(page, total_count=total, is_short=is_short)

    def _matches(self, number: int, query: ListingQuery) -> bool:
        return not (query.order is not Order.ID and number in self.hidden) and super()._matches(number, query)


def church_of(
    manifest: Manifest, count: int, wrong_by: int = 0, hidden: Iterable[int] = ()
) -> tuple[MiscountingChurch, DeletingStore]:
    church = MiscountingChurch(manifest, CAMPUS, wrong_by=wrong_by, hidden=set(hidden))
    for second in range(count):
        church.create(second)
    return church, DeletingStore(manifest.entities[CAMPUS])


@pytest.mark.parametrize(
    ("source", "stored_count", "set_aside", "rows", "missing"),
    [(130, 130, 0, 130, 0), (130, 100, 0, 100, 30), (130, 128, 2, 130, 0), (100, 130, 0, 70, 30)],
)
def test_what_is_missing_is_what_was_neither_read_nor_kept(
    source: int, stored_count: int, set_aside: int, rows: int, missing: int
) -> None:
    assert CountedRecords(source, stored_count, set_aside).count_missing(rows) == missing


@pytest.mark.parametrize(
    ("missing", "count", "is_little"), [(3, 10, True), (4, 10, False), (10, 1_000, True), (11, 1_000, False)]
)
def test_three_records_or_one_in_a_hundred_may_be_the_counts_mistake(missing: int, count: int, is_little: bool) -> None:
    assert is_tolerable(missing, count) is is_little


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong_by", [-3, -1, 1, 3])
@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION])
def test_a_count_that_is_wrong_by_little_stops_nothing_and_deletes_nothing(
    kind: str, wrong_by: int, mode: SyncMode
) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=1))
    church, store = church_of(manifest, 23, wrong_by=wrong_by)
    result = sync(manifest, church, store, mode)
    assert len(stored(store)) == 23
    assert not store.buried
    assert result.report.get("counted_but_not_listed", 0) == max(0, wrong_by)
    church.now = 100
    church.update(5)
    sync(manifest, church, store)
    assert stored(store)["5"] == church.names[5]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION])
def test_a_listing_that_twice_lacks_many_that_are_counted_fails_with_its_rows_kept(kind: str, mode: SyncMode) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=1))
    church, store = church_of(manifest, 20, wrong_by=8)
    with pytest.raises(ListingIncomplete, match="8 of the 28 records"):
        sync(manifest, church, store, mode)
    assert len(stored(store)) == 20
    assert not store.buried
    assert store.checkpoint.watermark is None


def test_what_a_walk_by_version_never_met_is_read_by_id() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = church_of(manifest, 30, hidden=set(range(20, 28)))
    result = sync(manifest, church, store, SyncMode.FULL)
    assert {int(one) for one in stored(store)} == set(church.versions)
    assert result.report["listed_again_for"] == 8
    assert "counted_but_not_listed" not in result.report
    assert result.watermark is not None


def test_records_that_are_gone_do_not_stand_in_for_records_never_read() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = church_of(manifest, 30)
    sync(manifest, church, store, SyncMode.FULL)
    for gone in range(1, 9):
        church.delete(gone)
    new = {church.create(second) for second in range(40, 48)}
    church.hidden = new
    sync(manifest, church, store, SyncMode.FULL)
    assert new <= {int(one) for one in stored(store)}


@dataclass
class RepeatingChurch(MovingChurch):
    """Lists one record twice, side by side, and counts it twice."""

    twice: int = 3

    def read_page(self, query: ListingQuery) -> Page:
        page = super().read_page(replace(query, offset=0, size=1_000))
        rows = [one for one in page.records for _ in range(1 + (one.external_id == str(self.twice)))]
        end = query.offset + (query.size or 5)
        return replace(page, records=tuple(rows[query.offset : end]), total_count=len(rows), has_next=end < len(rows))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("twice", [1, 3, 5, 6, 12])
def test_a_record_that_is_listed_twice_is_held_once_and_said(kind: str, twice: int) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=1))
    church = RepeatingChurch(manifest, CAMPUS, twice=twice)
    for second in range(12):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    for mode in (SyncMode.FULL, SyncMode.RECONCILIATION):
        result = sync(manifest, church, store, mode)
        assert len(stored(store)) == 12
        # A repetition that stands where one page ends and the next begins looks like the anchor.
        assert result.report.get("listed_twice", result.report.get("counted_but_not_listed")) == 1
    assert not store.buried
