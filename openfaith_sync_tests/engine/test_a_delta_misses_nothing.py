"""A delta by each way the source has, while the source moves between any two pages."""

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import Order
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.engine.moving_church import MovingChurch, moment, small_pages
from openfaith_sync_tests.engine.test_paging_holds_while_the_source_moves import (
    CAMPUS,
    PCO,
    Church,
    Moves,
    MovesBetween,
    apply,
    by_id_only,
    stored,
    sync,
)


def synced_church(seconds: Iterable[int], manifest: Manifest) -> tuple[MovingChurch, DeletingStore]:
    church = MovingChurch(manifest, CAMPUS)
    for second in seconds:
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    sync(manifest, church, store, SyncMode.FULL)
    return church, store


def assert_holds_all_that_lives(church: MovingChurch, store: DeletingStore) -> None:
    held = stored(store)
    assert {str(n): church.names[n] for n in church.versions} == {
        k: v for k, v in held.items() if int(k) in church.versions
    }


@pytest.mark.parametrize("can", ["filter", "order"])
@given(seconds=Church, changes=st.lists(st.integers(1, 60), max_size=40), moves=Moves)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_changed_before_and_during_a_delta_is_held_after_the_next_one(
    can: str, seconds: list[int], changes: list[int], moves: list[MovesBetween]
) -> None:
    small = small_pages(PCO, in_flight=1)
    manifest = small if can == "filter" else by_id_only(small)
    church, store = synced_church(seconds, manifest)
    for number in changes:
        church.now += number % 2
        church.update(number)
    # The second of the last page read may have moved on; see the overlap's own tests.
    church.now += 1
    church.create()
    script = iter(moves)
    church.before_request = lambda moving: apply(moving, next(script, []))
    result = sync(manifest, church, store, SyncMode.DELTA)
    church.before_request = lambda _: None
    if church.versions and seconds:
        assert result.mode is SyncMode.DELTA
    sync(manifest, church, store, SyncMode.DELTA)
    assert_holds_all_that_lives(church, store)


def test_an_ordered_delta_reads_only_down_to_the_watermark() -> None:
    manifest = by_id_only(small_pages(PCO, in_flight=1))
    church, store = synced_church(range(100), manifest)
    church.queries.clear()
    church.now = 200
    for number in (3, 50, 99):
        church.update(number)
    result = sync(manifest, church, store, SyncMode.DELTA)
    assert result.counts.updated == 3
    # One page that shows the newest version, and reaches below the watermark.
    assert [query.order for query in church.queries] == [Order.VERSION_DESCENDING]
    assert result.watermark == moment(200)
    assert_holds_all_that_lives(church, store)


def test_rows_that_are_pulled_up_within_one_second_are_met() -> None:
    manifest = by_id_only(small_pages(PCO, in_flight=1))
    church, store = synced_church([0] * 20, manifest)
    church.now = 9
    for number in range(1, 21):
        church.update(number)
    pages = iter(range(100))

    def delete_what_was_read(moving: MovingChurch) -> None:
        # The first page, and then the five rows of that page are no more.
        if next(pages) == 1:
            for number in range(1, 6):
                moving.delete(number)

    church.before_request = delete_what_was_read
    sync(manifest, church, store, SyncMode.DELTA)
    assert_holds_all_that_lives(church, store)


def test_an_ordered_delta_reads_no_record_twice() -> None:
    manifest = by_id_only(small_pages(PCO, in_flight=1))
    church, store = synced_church([0] * 20, manifest)
    church.now = 9
    for number in range(1, 21):
        church.update(number)
    assert sync(manifest, church, store, SyncMode.DELTA).counts.records == 20


@given(seconds=Church, pages=st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_an_ordered_delta_that_failed_goes_on_from_its_checkpoint(seconds: list[int], pages: int) -> None:
    manifest = by_id_only(small_pages(PCO, in_flight=1))
    church, store = synced_church([0, *seconds], manifest)
    church.now += 10
    for number in list(church.versions):
        church.update(number)
    start = len(church.queries)

    def fail_after(moving: MovingChurch) -> None:
        if len(moving.queries) - start >= pages:
            raise ConnectionError

    church.before_request = fail_after
    try:
        sync(manifest, church, store, SyncMode.DELTA)
    except ConnectionError:
        church.before_request = lambda _: None
        church.now += 1
        church.update(1)
        sync(manifest, church, store, SyncMode.DELTA)
        sync(manifest, church, store, SyncMode.DELTA)
    assert_holds_all_that_lives(church, store)


def test_a_filter_that_the_source_ignores_is_noticed_and_the_listing_read_another_way() -> None:
    manifest = small_pages(PCO, in_flight=1)
    church, store = synced_church(range(30), manifest)
    church.ignores_filters = True
    church.now = 100
    church.update(4)
    result = sync(manifest, church, store, SyncMode.DELTA)
    assert "ignored the filter" in str(result.report["filter_ignored"])
    assert store.reports[-1] == result.report
    assert_holds_all_that_lives(church, store)
    assert result.watermark is not None


def test_a_full_sync_copes_with_an_ignored_filter_too() -> None:
    manifest = small_pages(PCO, in_flight=4)
    church = MovingChurch(manifest, CAMPUS, ignores_filters=True)
    for second in range(60):
        church.create(second)
    store = DeletingStore(manifest.entities[CAMPUS])
    result = sync(manifest, church, store, SyncMode.FULL)
    assert "filter_ignored" in result.report
    assert_holds_all_that_lives(church, store)


def test_a_listing_that_can_do_no_less_says_so() -> None:
    manifest = small_pages(PCO, in_flight=1)
    campus = manifest.entities[CAMPUS]
    delta = campus.delta.model_copy(update={"by": DeltaCapability.NONE})
    whole = manifest.model_copy(
        update={"entities": {**manifest.entities, CAMPUS: campus.model_copy(update={"delta": delta})}}
    )
    church, store = synced_church(range(12), whole)
    church.update(2)
    assert sync(whole, church, store, SyncMode.DELTA).mode is SyncMode.FULL
    assert_holds_all_that_lives(church, store)
    from openfaith_sync.engine.entity_sync import _less_capable  # noqa: PLC0415

    with pytest.raises(DefinitionError, match="cannot be listed in a simpler way"):
        _less_capable(whole.entities[CAMPUS])
