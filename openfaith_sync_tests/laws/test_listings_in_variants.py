"""A listing in several variants is one listing: a record is in it once, and absent only if it is in none of them."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.engine.planning.source_view import SourceLook
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.adapters.dialects.declared import answered, listed
from openfaith_sync_tests.laws.variant_church import ARCHIVED, EVENT, KEY, LIVE, Request, VariantChurch, a_church

Church = Callable[..., VariantChurch]
FULL, RECONCILIATION = SyncMode.FULL, SyncMode.RECONCILIATION


@pytest.fixture
def church(database: Database, tmp_path: Path) -> Church:
    """Makes a church."""
    return lambda **how: a_church(database, tmp_path, **how)


def is_completed(church: VariantChurch) -> bool:
    with church.session() as session:
        return session.store.load_checkpoint(KEY).completed_at is not None


def is_first_page(request: Request) -> bool:
    return not request.keys() & {"offset", "where[updated_at][gte]"}


@pytest.mark.parametrize("delta", ["filter", "ordered", "none"])
def test_a_full_sync_stores_every_variant_once(church: Church, delta: str) -> None:
    synced = church(delta=delta)
    result = synced.sync(FULL)
    assert synced.live() == set(synced.events)
    assert (result.source_count, result.counts.created, result.counts.unchanged) == (14, 14, 0)
    assert is_completed(synced)
    synced.now += timedelta(hours=1)
    synced.change(3, name="Changed")
    synced.change(4, name="Changed")
    assert synced.sync().counts.updated == 2


def test_a_delta_asks_each_variant_for_what_changed(church: Church) -> None:
    synced = church()
    synced.sync(FULL)
    synced.now += timedelta(hours=1)
    synced.change(6, name="Archived and changed")
    synced.requests.clear()
    assert synced.sync().counts.updated == 1
    assert [request["filter"] for request in synced.requests] == [ARCHIVED, LIVE]


def move_13_and_keep_changing_14(church: VariantChurch) -> Callable[[VariantChurch, Request], None]:
    """Return what happens from the second page of the live ones on, when the archived ones are read to their end."""
    seen = 0

    def move(source: VariantChurch, request: Request) -> None:
        nonlocal seen
        seen += request["filter"] == LIVE and request["per_page"] != "1"
        if seen > 1 and request["filter"] == LIVE:
            if source.events[13].state == LIVE:
                source.change(13, state=ARCHIVED, name="Moved")
            source.change(14, name=f"Changed at {source.now:%H:%M}")

    # Ten minutes a page: longer than deltas look back.
    church.step = timedelta(minutes=10)
    return move


@pytest.mark.parametrize("delta", ["filter", "ordered"])
def test_a_record_that_moves_to_a_variant_that_was_read_comes_with_the_next_delta(church: Church, delta: str) -> None:
    synced = church(delta=delta)
    synced.sync(FULL)
    synced.now += timedelta(days=1)
    for number in range(1, 13):
        synced.now += timedelta(minutes=1)
        synced.change(number, name="Changed")
    synced.before = move_13_and_keep_changing_14(synced)
    synced.sync(SyncMode.DELTA)
    assert synced.events[13].state == ARCHIVED
    synced.before = lambda *_: None
    synced.now += timedelta(hours=1)
    synced.sync(SyncMode.DELTA)
    assert synced.names() == {number: event.name for number, event in synced.events.items()}


@pytest.mark.parametrize("delta", ["filter", "ordered", "none"])
def test_a_record_that_moves_in_a_first_sync_is_not_missed(church: Church, delta: str) -> None:
    synced = church(delta=delta)
    synced.before = move_13_and_keep_changing_14(synced)
    synced.sync(FULL)
    assert synced.events[13].state == ARCHIVED
    assert synced.live() == set(synced.events)


def test_a_record_that_moves_while_ids_are_listed_is_not_deleted(church: Church) -> None:
    synced = church()
    synced.sync(FULL)

    def move(source: VariantChurch, request: Request) -> None:
        if request["filter"] == LIVE and not is_first_page(request):
            source.change(14, state=ARCHIVED)

    synced.before = move
    result = synced.sync(RECONCILIATION)
    assert synced.events[14].state == ARCHIVED
    assert result.counts.tombstoned == 0
    assert synced.live() == set(synced.events)


def test_only_what_is_in_no_variant_is_deleted(church: Church) -> None:
    synced = church()
    synced.sync(FULL)
    del synced.events[3], synced.events[4]
    assert synced.sync(RECONCILIATION).counts.tombstoned == 2
    assert synced.live() == set(range(1, 15)) - {3, 4}
    # All others are listed, so that no doubt about them costs a request.
    assert synced.read_by_id == [3, 4]


FAILURES: dict[str, Callable[[], httpx.Response]] = {
    "a failed request": lambda: answered(500),
    "a refusal": lambda: answered(403),
    "an empty page": lambda: answered(listed()),
    "nothing there": lambda: answered(404),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("variant", [ARCHIVED, LIVE])
def test_a_variant_that_fails_never_completes_the_listing(church: Church, variant: str, name: str) -> None:
    synced = church(without_single_reads=True)
    synced.sync(FULL)

    def fail(_: VariantChurch, request: Request) -> httpx.Response | None:
        # An empty page is believed the least where the source counts records, which is asked for with a single one.
        is_counted = request["per_page"] == "1" and name == "an empty page"
        return FAILURES[name]() if request["filter"] == variant and not is_counted else None

    synced.before = fail
    for _ in range(3):
        synced.now += timedelta(days=1)
        with pytest.raises(SyncError):
            synced.sync(RECONCILIATION)
    assert synced.live() == set(range(1, 15))
    synced.before = lambda *_: None
    synced.sync(RECONCILIATION)
    assert synced.live() == set(range(1, 15))


@pytest.mark.parametrize("variant", [ARCHIVED, LIVE])
def test_a_first_sync_is_not_complete_without_a_variant(church: Church, variant: str) -> None:
    synced = church()
    synced.before = lambda _, request: answered(500) if request["filter"] == variant else None
    with pytest.raises(SyncError):
        synced.sync(FULL)
    assert not is_completed(synced)
    # That the other one is served does not make every row of this one a bad row, to be stepped over.
    assert len(synced.requests) < 50
    synced.before = lambda *_: None
    synced.sync()
    assert synced.live() == set(synced.events)
    assert is_completed(synced)


@pytest.mark.parametrize("mode", [FULL, RECONCILIATION])
def test_a_walk_that_fails_at_any_request_goes_on_in_all_variants(church: Church, mode: SyncMode) -> None:
    synced = church()
    for number in range(1, 20):
        sent = 0

        def fail(_: VariantChurch, __: Request, at: int = number) -> httpx.Response | None:
            nonlocal sent
            sent += 1
            return answered(500) if sent >= at else None

        synced.before = fail
        with suppress(SyncError):
            synced.sync(mode)
    synced.before = lambda *_: None
    synced.sync(mode)
    assert synced.live() == set(synced.events)
    assert is_completed(synced)


def test_variants_that_overlap_are_counted_once(church: Church) -> None:
    synced = church()

    def ignore_filter(source: VariantChurch, request: Request) -> httpx.Response:
        page: dict[str, Any] = {}
        for event in source.events.values():
            event.state = request["filter"]
        page = source._page(request)
        return source.dated(page)

    synced.before = ignore_filter
    for mode in (FULL, RECONCILIATION, FULL):
        result = synced.sync(mode)
        assert result.source_count == result.stored_count == 14
        assert "listed_again_for" not in result.report
        assert is_completed(synced)


@pytest.mark.parametrize("delta", ["filter", "none"])
def test_a_probe_looks_at_every_variant(church: Church, delta: str) -> None:
    synced = church(delta=delta)
    synced.sync(FULL)
    for number in (3, 4):
        synced.now += timedelta(hours=1)
        with synced.session() as session:
            assert not probe_entity(session, EVENT).has_work
        synced.change(number, name="Changed")
        with synced.session() as session:
            assert probe_entity(session, EVENT).has_work
        synced.sync()


def test_a_plan_counts_all_variants(church: Church) -> None:
    synced = church()
    with synced.session() as session:
        assert SourceLook(session, EVENT).look().counted == 14


def test_a_place_remembers_which_variant_its_slices_are_of() -> None:
    place = WalkPlace((Slice(lower="a", variant=1), Slice(variant=0)), answered_from="2026-06-01T12:00:00Z")
    assert WalkPlace.from_json(place.to_json()) == place
