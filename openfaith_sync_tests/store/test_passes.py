"""A pass goes on where it was, and only its end moves the watermark (law 3)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import PLACE as UNSERVED
from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.passes.passes import Checkpoint, Counts, PassStart, Rider, RiderPass, SyncMode
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    FULL,
    NOON,
    ORG,
    PEOPLE,
    PERSON,
    at,
    batch,
    email,
    fetch,
    rejection,
    riders,
    walking,
)

PHONE = EntityName("phone_number")
DELTA = PassStart(mode=SyncMode.DELTA, trigger="test", manifest_version="m1")
PLACE = WalkPlace((Slice(lower="a", upper="b", offset=3, anchor="7", seen=("6", "7"), remaining=9), Slice(lower="b")))


def load(database: Database, key: SyncKey = EMAILS) -> Checkpoint:
    with open_store(database, ORG) as store:
        return store.load_checkpoint(key)


def load_rider(database: Database, key: SyncKey = EMAILS) -> RiderPass | None:
    with open_store(database, ORG) as store:
        return store.load_rider(key)


def close_one(
    database: Database, start: PassStart = FULL, watermark: datetime | None = None, key: SyncKey = EMAILS
) -> None:
    with walking(database, key, start) as walk:
        walk.close(watermark)


def ride(database: Database, *, close: bool = True, watermark: datetime | None = NOON + timedelta(minutes=5)) -> None:
    """Walk people with one e-mail address riding along; give the riders' passes."""
    with walking(database, PEOPLE, riders(EMAIL, watermark=watermark)) as walk:
        walk.commit(batch([], entity=PERSON), batch([email("1")]))
        if close:
            walk.close(at(9))


def test_a_new_key_has_an_empty_checkpoint(database: Database) -> None:
    assert load(database) == Checkpoint()


def test_an_open_pass_is_loaded_as_it_was_committed(database: Database) -> None:
    start = PassStart(
        mode=SyncMode.DELTA,
        trigger="sensor",
        manifest_version="m7",
        run_id="run-1",
        watermark_from=at(1),
        watermark_to=at(2),
        riders=(Rider(PHONE, at(3), "p1"), Rider(PERSON, None, "p2")),
    )
    with walking(database, EMAILS, start) as walk:
        assert load(database).open_pass == walk.opened
        walk.commit(
            batch([email("1", version=at(4)), email("2", version=at(3))], [rejection("3")]), place=PLACE, requests=3
        )
        walk.commit(batch([email("1", version=at(4))]), place=PLACE)
    opened = load(database).open_pass
    assert opened == replace(
        walk.opened, place=PLACE, counts=Counts(created=2, unchanged=1, dead=1), pages=2, requests=4, newest=at(4)
    )
    assert fetch(database, "SELECT extract(epoch FROM waited)::int FROM sync.passes WHERE parent_pass_id IS NULL") == [
        (4,)
    ]


def test_a_new_pass_abandons_the_open_one_and_its_riders(database: Database) -> None:
    ride(database, close=False)
    with walking(database, PEOPLE) as walk:
        assert load(database, PEOPLE).open_pass == walk.opened
    statuses = fetch(database, "SELECT entity, status, ended_at IS NOT NULL FROM sync.passes ORDER BY pass_id")
    assert statuses == [("person", "abandoned", True), ("email", "abandoned", True), ("person", "open", False)]


def test_an_abandoned_pass_moves_nothing(database: Database) -> None:
    close_one(database, watermark=at(5))
    with walking(database) as walk:
        walk.commit(batch([email("1", version=at(9))]))
        walk.store.abandon_pass(walk.lease, walk.opened.pass_id)
        assert load(database) == replace(load(database), watermark=at(5), open_pass=None)
        with pytest.raises(DefinitionError, match="no open pass"):
            walk.close(at(9))
    assert load(database).watermark == at(5)


def test_a_complete_pass_moves_the_watermark_up_and_never_back(database: Database) -> None:
    for given, expected in ((at(5), at(5)), (at(3), at(5)), (None, at(5)), (at(6), at(6))):
        close_one(database, DELTA, given)
        assert load(database).watermark == expected
    assert load(database).open_pass is None
    assert load(database).completed_at is not None


def test_requests_outside_pages_are_added_at_the_end(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1")]), requests=2)
        walk.close(at(1), requests=3)
    assert fetch(database, "SELECT requests, status, watermark_to FROM sync.passes") == [(5, "complete", at(1))]


def test_the_manifest_version_is_that_of_the_last_full_listing_and_every_delta_since(database: Database) -> None:
    def closed(mode: SyncMode, version: str) -> str | None:
        close_one(database, PassStart(mode=mode, trigger="test", manifest_version=version))
        return load(database).manifest_version

    assert closed(SyncMode.DELTA, "m1") is None
    assert closed(SyncMode.FULL, "m1") == "m1"
    assert closed(SyncMode.DELTA, "m1") == "m1"
    assert closed(SyncMode.DELTA, "m2") is None
    assert closed(SyncMode.FULL, "m2") == "m2"


def test_a_rider_counts_once_its_parents_pass_is_complete(database: Database) -> None:
    ride(database, close=False)
    assert load_rider(database) is None
    ride(database)
    rider = load_rider(database)
    assert rider is not None
    assert (rider.watermark_to, rider.counts) == (at(5), Counts(unchanged=1))
    assert load(database).open_pass is None
    assert load_rider(database, PEOPLE) is None


def test_a_rider_has_the_count_that_its_parents_last_page_left(database: Database) -> None:
    counted = []
    for left in ({EMAIL: 2, PHONE: 3}, {PHONE: 3}):
        with walking(database, PEOPLE, riders(EMAIL)) as walk:
            for children in ({EMAIL: 2, PHONE: 3}, left):
                place = WalkPlace((Slice(),), counted_children=children)
                walk.commit(batch([], entity=PERSON), batch([email("1")]), place=place)
            walk.close(at(9))
        rider = load_rider(database)
        counted.append(rider and rider.counted)
    assert counted == [2, None]


def test_the_newest_rider_is_given(database: Database) -> None:
    ride(database, watermark=at(5))
    ride(database, watermark=at(6))
    rider = load_rider(database)
    assert rider is not None
    assert rider.watermark_to == at(6)


def test_a_rider_pass_is_closed_under_the_childs_lease(database: Database) -> None:
    ride(database)
    rider = load_rider(database)
    assert rider is not None
    with open_store(database, ORG) as store, store.hold_lease(EMAILS, "child") as lease:
        store.close_pass(lease, rider.pass_id, rider.watermark_to, requests=1)
    checkpoint = load(database)
    assert (checkpoint.watermark, checkpoint.manifest_version) == (at(5), "email-m1")
    assert load_rider(database) is None


def test_a_rider_of_a_delta_is_no_full_listing(database: Database) -> None:
    start = replace(riders(EMAIL), mode=SyncMode.DELTA)
    with walking(database, PEOPLE, start) as walk:
        walk.close()
    rider = load_rider(database)
    assert rider is not None
    with open_store(database, ORG) as store, store.hold_lease(EMAILS, "child") as lease:
        store.close_pass(lease, rider.pass_id, None, requests=0)
    assert load(database).manifest_version is None


def test_a_rider_older_than_the_childs_own_complete_pass_counts_for_nothing(database: Database) -> None:
    ride(database)
    close_one(database)
    assert load_rider(database) is None
    assert fetch(database, "SELECT status FROM sync.passes WHERE parent_pass_id IS NOT NULL") == [("abandoned",)]


def test_a_child_may_walk_by_itself_while_it_rides_along(database: Database) -> None:
    with walking(database, PEOPLE, riders(EMAIL)) as parent:
        close_one(database)
        with walking(database) as own:
            assert parent.commit(batch([], entity=PERSON), batch([email("1")]))[EMAIL].created == 1
            assert own.commit(batch([email("1"), email("2")]))[EMAIL] == Counts(created=1, unchanged=1)
        parent.close()
    assert load_rider(database) is None


def test_only_live_records_of_the_key_are_counted(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1"), email("2")]))
        assert walk.store.count_live(EMAILS) == 2
        assert walk.store.count_live(PEOPLE) == 0


@pytest.mark.parametrize("mode", [SyncMode.FULL, SyncMode.RECONCILIATION, SyncMode.DELTA])
def test_what_reads_everything_begins_without_the_rows_that_named_no_id_and_the_places_not_served(
    database: Database, mode: SyncMode
) -> None:
    with walking(database, EMAILS, FULL) as walk:
        walk.commit(batch([email("1")], rejected=[rejection(f"{UNSERVED}/1/1"), rejection("7")]))
        walk.close(None)
    with walking(database, EMAILS, replace(DELTA, mode=mode)):
        waiting = fetch(database, "SELECT external_id FROM sync.dead_letters WHERE resolved_at IS NULL ORDER BY 1")
    kept = [("7",)] if mode is not SyncMode.DELTA else [("7",), (f"{UNSERVED}/1/1",)]
    assert sorted(waiting) == kept


def test_the_size_of_page_and_the_children_left_out_outlast_a_kill() -> None:
    place = replace(PLACE, page_size=25, is_without_children=True)
    assert WalkPlace.from_json(place.to_json()) == place
    assert WalkPlace.from_json(PLACE.to_json()) == PLACE


def test_children_that_did_not_ride_along_after_all_have_no_pass_to_be_proven_by(database: Database) -> None:
    with walking(database, PEOPLE, riders(EMAIL, watermark=NOON)) as walk:
        walk.commit(batch([], entity=PERSON), batch([email("1")]))
        walk.store.abandon_riders(walk.lease, walk.opened.pass_id)
        walk.close(at(9))
    assert load_rider(database) is None


def test_a_watermark_that_cannot_be_right_is_forgotten(database: Database) -> None:
    close_one(database, watermark=NOON)
    with open_store(database, ORG) as store, store.hold_lease(EMAILS, "test") as lease:
        store.reset_watermark(lease)
    assert load(database).watermark is None


def test_a_version_that_is_not_believed_is_stored_and_moves_no_watermark(database: Database) -> None:
    with walking(database, EMAILS, FULL) as walk:
        page = walk.page(batch([email("1", version=at(1)), email("2", version=at(50))]))
        walk.store.commit_page(walk.lease, replace(page, believed_until=at(5)))
        opened = walk.store.load_checkpoint(EMAILS).open_pass
        walk.close(None)
    assert opened is not None
    assert opened.newest == at(1)
    assert fetch(database, "SELECT count(*) FROM openfaith.emails") == [(2,)]
