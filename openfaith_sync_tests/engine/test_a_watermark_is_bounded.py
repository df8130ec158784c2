"""Law 3: a stamp is a claim. The watermark never passes the source's own clock, and one that did is brought back."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.passes.listing import ListingQuery, Page
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.version_walk import parse_key
from openfaith_sync.engine.passes.watermarks import bound_watermark, delta_start, is_ahead, is_plausible, look_back
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import EPOCH, MovingChurch, small_pages
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import CAMPUS, PCO, by_id_only, stored, sync

Moment = st.datetimes(timezones=st.just(UTC))
FAR = 10**8
"""Seconds: more than three years ahead."""
KINDS = {"by version": lambda manifest: manifest, "by id": by_id_only}


@dataclass
class DatedChurch(MovingChurch):
    """A church whose answers say when they were given."""

    clock: int = 1_000

    def read_page(self, query: ListingQuery) -> Page:
        return replace(super().read_page(query), answered_at=EPOCH + timedelta(seconds=self.clock))


@given(newest=Moment, answered_at=Moment, overlap=st.timedeltas(timedelta(), timedelta(days=1)))
def test_no_watermark_passes_the_sources_clock_less_the_overlap(
    newest: datetime, answered_at: datetime, overlap: timedelta
) -> None:
    bounded = bound_watermark(newest, answered_at, overlap)
    assert bounded is not None
    assert bounded <= newest
    assert bounded <= look_back(answered_at, overlap)
    assert not is_ahead(bounded, answered_at)


@given(moment=Moment, overlap=st.timedeltas(timedelta(), timedelta(days=1)))
def test_every_watermark_has_a_delta_that_begins_before_it(moment: datetime, overlap: timedelta) -> None:
    start = delta_start(moment, overlap)
    assert start is not None
    found = parse_key(start)
    assert found is not None
    assert found <= moment


@given(one=Moment, other=Moment)
def test_keys_sort_as_their_moments_do_in_every_year(one: datetime, other: datetime) -> None:
    keys = version_key(one), version_key(other)
    assert all(len(key) == len("2026-01-01T00:00:00Z") for key in keys)
    assert (keys[0] <= keys[1]) == (one.replace(microsecond=0) <= other.replace(microsecond=0))


def test_a_stamp_is_plausible_between_1970_and_the_sources_clock() -> None:
    now, overlap = datetime(2026, 7, 1, tzinfo=UTC), timedelta(minutes=5)
    assert is_plausible(now + timedelta(minutes=4), now, overlap)
    assert not is_plausible(now + timedelta(minutes=6), now, overlap)
    assert is_plausible(datetime(1970, 1, 1, tzinfo=UTC), now, overlap)
    assert not is_plausible(datetime(1969, 12, 31, tzinfo=UTC), now, overlap)
    assert not is_plausible(datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC), overlap)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_stamped_in_the_future_hides_no_change_and_is_reported(kind: str) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=1))
    church = DatedChurch(manifest, CAMPUS)
    for second in (*range(10), FAR):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    result = sync(manifest, church, store, SyncMode.FULL)
    assert result.watermark is not None
    assert result.watermark <= EPOCH + timedelta(seconds=church.clock)
    assert result.report["stamps_out_of_bounds"] == 1
    assert result.watermark == EPOCH + timedelta(seconds=9)
    church.clock += 100
    # Stamped before the source's clock, as after a restored backup or an import.
    church.now = 20
    church.update(3)
    sync(manifest, church, store, SyncMode.DELTA)
    assert stored(store)["3"] == church.names[3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [SyncMode.AUTO, SyncMode.DELTA])
def test_a_watermark_in_the_future_is_brought_back_and_what_it_hid_is_read(kind: str, mode: SyncMode) -> None:
    manifest = KINDS[kind](small_pages(PCO, in_flight=1))
    church = DatedChurch(manifest, CAMPUS)
    for second in range(10):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    sync(manifest, church, store, SyncMode.FULL)
    future = EPOCH + timedelta(seconds=FAR)
    store.checkpoint = replace(store.checkpoint, watermark=future)
    church.now = 500
    church.update(3)
    result = sync(manifest, church, store, mode)
    assert stored(store)["3"] == church.names[3]
    assert result.watermark is not None
    assert result.watermark < future
    assert result.report["watermark_was_ahead"] == future.isoformat()


def test_a_probe_sees_what_changed_behind_a_page_of_records_stamped_in_the_future() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = DatedChurch(manifest, CAMPUS)
    for second in (*range(10), *range(FAR, FAR + 20)):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    sync(manifest, church, store, SyncMode.FULL)
    org = OrgId("grace")
    assert not probe_entity(Session(manifest, church, store, org), CAMPUS).has_work
    church.clock += 100
    church.now = church.clock - 1
    church.update(3)
    assert probe_entity(Session(manifest, church, store, org), CAMPUS).has_work


def test_a_probe_finds_work_where_the_watermark_lies_in_the_future() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church = DatedChurch(manifest, CAMPUS)
    for second in range(10):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    sync(manifest, church, store, SyncMode.FULL)
    store.checkpoint = replace(store.checkpoint, watermark=EPOCH + timedelta(seconds=FAR))
    assert probe_entity(Session(manifest, church, store, OrgId("grace")), CAMPUS).has_work
