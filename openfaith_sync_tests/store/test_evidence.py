"""What a page proves gone stays gone, and only that."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import RECORDS, ExternalId, SyncKey, derive_entity_id
from openfaith_sync.domain.passes.passes import Counts, ParentListing, PassStart, SyncMode, Tombstone
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    ORG,
    PCO,
    PEOPLE,
    PERSON,
    at,
    batch,
    email,
    fetch,
    person,
    run,
    walking,
)

SINGLE = SyncKey(ORG, PCO, RECORDS)
RECORD = PassStart(mode=SyncMode.RECORD, trigger="test", manifest_version="m1")
LIVE = "SELECT count(*) FROM openfaith.emails WHERE deleted_at IS NULL"


def gone(external_id: str) -> Tombstone:
    return Tombstone(
        EMAIL, CANONICAL_TABLES["emails"], ExternalId(external_id), derive_entity_id(ORG, PCO, EMAIL, external_id)
    )


def bury(database: Database, *external_ids: str) -> None:
    """Tombstone as a worker of single records does, beside whatever walks."""
    with walking(database, SINGLE, RECORD) as records:
        page = replace(records.page(), tombstones=tuple(map(gone, external_ids)))
        records.store.commit_page(records.lease, page)


def live(database: Database) -> int:
    return int(fetch(database, LIVE)[0][0])


def test_a_tombstone_keeps_the_row_and_counts_once(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1"), email("2")]))
        for _ in range(2):
            walk.store.commit_page(walk.lease, replace(walk.page(batch([])), tombstones=(gone("1"),)))
        assert walk.store.count_live(EMAILS) == 1
    assert fetch(database, "SELECT count(*), count(deleted_at) FROM openfaith.emails") == [(2, 1)]
    assert fetch(database, "SELECT tombstoned FROM sync.passes") == [(1,)]


@pytest.mark.parametrize("is_known", [True, False], ids=["known before", "never seen before"])
def test_a_page_read_before_a_record_went_does_not_bring_it_back(database: Database, is_known: bool) -> None:
    with walking(database) as walk:
        if is_known:
            walk.commit(batch([email("1", "old@x.org")]))
        bury(database, "1")
        assert walk.commit(batch([email("1", "new@x.org", at(5)), email("2")])) == {
            EMAIL: Counts(created=1, unchanged=1)
        }
    assert live(database) == 1
    waiting = fetch(database, "SELECT name, entity, external_id, action FROM sync.webhook_events WHERE done_at IS NULL")
    assert waiting == [("conflict", EMAIL, "1", "check")]


def waits_for_a_lock(database: Database, work: Future[Any]) -> bool:
    """Return once another session waits for a row, or the work is done; says whether it waits."""
    with database.connect_fleet() as connection:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')"
        while not work.done():
            if connection.execute(waiting).fetchall()[0][0]:
                return True
            connection.execute("SELECT pg_sleep(0.01)")
    return False


def test_a_page_that_waits_for_a_tombstone_being_written_does_not_bring_the_record_back(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "old@x.org")]))
        with database.connect_fleet() as other, ThreadPoolExecutor(1) as thread:
            with other.transaction():
                other.execute("UPDATE openfaith.emails SET deleted_at = now()")
                # It read the row while it was alive, and compares again once it holds the row's lock.
                stored = thread.submit(walk.commit, batch([email("1", "new@x.org", at(5))]))
                assert waits_for_a_lock(database, stored)
            assert stored.result(timeout=30) == {EMAIL: Counts(unchanged=1)}
    assert live(database) == 0


def test_a_tombstone_that_waits_for_a_page_being_written_leaves_what_it_stored(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1", "old@x.org")]))
        (proven_at,) = fetch(database, "SELECT clock_timestamp()")[0]
        with database.connect_fleet() as other, ThreadPoolExecutor(1) as thread:
            with other.transaction():
                other.execute("UPDATE openfaith.emails SET synced_at = clock_timestamp()")
                page = replace(walk.page(batch([])), tombstones=(replace(gone("1"), proven_at=proven_at),))
                stored = thread.submit(walk.store.commit_page, walk.lease, page)
                assert waits_for_a_lock(database, stored)
            stored.result(timeout=30)
    assert live(database) == 1


def test_a_pass_that_began_later_brings_a_record_back_that_reappeared(database: Database) -> None:
    bury(database, "1")
    with walking(database) as walk:
        walk.commit(batch([email("1")]))
    assert live(database) == 1
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events") == [(0,)]


def test_a_page_never_brings_a_merged_record_back(database: Database) -> None:
    with walking(database, PEOPLE) as walk:
        walk.commit(batch([person("1")], entity=PERSON))
    run(database, "UPDATE openfaith.people SET deleted_at = now(), merged_into_id = 'person_2'")
    with walking(database, PEOPLE) as walk:
        walk.commit(batch([person("1", "Again", at(9))], entity=PERSON))
        assert walk.store.count_live(PEOPLE) == 0
    # But it is read by its id, since the merge may be wrong.
    waiting = fetch(database, "SELECT name, external_id, action FROM sync.webhook_events WHERE done_at IS NULL")
    assert waiting == [("conflict", "1", "check")]


def test_records_of_several_entities_are_stored_in_one_commit(database: Database) -> None:
    with walking(database, SINGLE, RECORD) as records:
        counts = records.commit(batch([email("1")]), batch([], entity=PERSON), place=WalkPlace(()))
    assert counts[EMAIL] == Counts(created=1)
    assert fetch(database, "SELECT mode, created FROM sync.passes") == [("record", 1)]


def listing(database: Database, parent: str, *listed: str) -> None:
    with walking(database) as walk:
        told = ParentListing(ExternalId(parent), b"hash", tuple(map(ExternalId, listed)))
        walk.store.commit_page(walk.lease, replace(walk.page(batch(map(email, listed))), parents=(told,)))


def candidates(database: Database) -> list[tuple[Any, ...]]:
    return fetch(
        database, "SELECT external_id, parent_id, times_missed FROM sync.deletion_candidates ORDER BY external_id"
    )


def test_what_left_a_parents_list_is_a_candidate_and_no_more(database: Database) -> None:
    listing(database, "9", "1", "2")
    assert candidates(database) == []
    listing(database, "9", "2")
    assert candidates(database) == [("1", "9", 1)]
    assert live(database) == 2
    listing(database, "8", "1")
    assert candidates(database) == []
