"""What the engine relies on of any store: the real one and the one that stands for it in memory both keep it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import (
    CandidateAnswer,
    Counts,
    Lease,
    OpenPass,
    PageCommit,
    PassStart,
    SyncMode,
)
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.domain.records.record import MappedBatch, Record
from openfaith_sync.engine.ports.store import Store
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.engine.memory_evidence import DeletingStore
from openfaith_sync_tests.store.making import EMAIL, EMAILS, FULL, ORG, at, batch, email, rejection
from openfaith_sync_tests.store.test_evidence import gone

RECONCILIATION = PassStart(mode=SyncMode.RECONCILIATION, trigger="test", manifest_version="m1")


@pytest.fixture(params=["in memory", "in PostgreSQL"])
def store(request: pytest.FixtureRequest, database: Database, pco_manifest: Manifest) -> Iterator[Store]:
    if request.param == "in memory":
        yield DeletingStore(pco_manifest.entities[EMAIL])
    else:
        with open_store(database, ORG) as opened:
            yield opened


@dataclass
class Walk:
    """An open pass over the e-mail addresses."""

    store: Store
    lease: Lease
    opened: OpenPass

    def page(self, records: list[Record], *, rejected: tuple[str, ...] = (), offset: int = 1) -> PageCommit:
        place = WalkPlace((Slice(offset=offset),))
        batches = (batch(records, map(rejection, rejected)),)
        return PageCommit(self.opened.pass_id, place, batches, listed=tuple(one.external_id for one in records))

    def commit(self, *records: Record, rejected: tuple[str, ...] = ()) -> Counts:
        return self.store.commit_page(self.lease, self.page(list(records), rejected=rejected))[EMAIL]


@contextmanager
def walking(store: Store, start: PassStart = FULL) -> Iterator[Walk]:
    with store.hold_lease(EMAILS, "a test") as lease:
        yield Walk(store, lease, store.open_pass(lease, start, WalkPlace()))


@contextmanager
def reconciling(store: Store, *held: str) -> Iterator[Walk]:
    """Walk again where these are held from a pass before."""
    with walking(store) as walk:
        walk.commit(*map(email, held))
        store.close_pass(walk.lease, walk.opened.pass_id, None, 0)
    with walking(store, RECONCILIATION) as walk:
        yield walk


def is_held(store: Store, record: Record) -> bool:
    return store.count_changes(EMAILS, batch([record])) == 0


def test_a_new_key_has_an_empty_checkpoint(store: Store) -> None:
    checkpoint = store.load_checkpoint(EMAILS)
    assert (checkpoint.watermark, checkpoint.open_pass, checkpoint.completed_at) == (None, None, None)
    assert store.count_live(EMAILS) == 0


def test_an_open_pass_is_resumed_behind_its_last_page(store: Store) -> None:
    with walking(store) as walk:
        walk.commit(email("1"), rejected=("2",))
        store.commit_page(walk.lease, replace(walk.page([email("3")], offset=7), requests=3, pages=2))
    opened = store.load_checkpoint(EMAILS).open_pass
    assert opened is not None
    assert (opened.pass_id, opened.start) == (walk.opened.pass_id, FULL)
    assert opened.place == WalkPlace((Slice(offset=7),))
    assert opened.counts == Counts(created=2, dead=1)
    assert (opened.pages, opened.requests, opened.newest) == (3, 4, at(0))


def test_another_pass_abandons_an_open_one(store: Store) -> None:
    with walking(store) as first:
        first.commit(email("1"))
    with walking(store) as second:
        opened = store.load_checkpoint(EMAILS).open_pass
    assert opened is not None
    assert opened.pass_id == second.opened.pass_id != first.opened.pass_id
    assert (opened.place, opened.counts) == (WalkPlace(), Counts())
    assert is_held(store, email("1"))


def test_what_is_equal_writes_nothing_and_older_never_overwrites_newer(store: Store) -> None:
    newer, older = email("1", "new@example.org", at(2)), email("1", "old@example.org", at(1))
    with walking(store) as walk:
        assert walk.commit(newer) == Counts(created=1)
        assert walk.commit(newer) == Counts(unchanged=1)
        assert walk.commit(older) == Counts(unchanged=1)
        assert is_held(store, newer)
        newest = email("1", "newest@example.org", at(3))
        assert not is_held(store, newest)
        assert walk.commit(newest) == Counts(updated=1)
    assert is_held(store, newest)
    assert store.count_live(EMAILS) == 1


def test_a_watermark_moves_when_a_pass_is_closed_and_never_back(store: Store) -> None:
    with walking(store) as walk:
        walk.commit(email("1"))
        assert store.load_checkpoint(EMAILS).watermark is None
        store.close_pass(walk.lease, walk.opened.pass_id, at(5), 0)
    for watermark in (at(1), None):
        with walking(store) as walk:
            store.close_pass(walk.lease, walk.opened.pass_id, watermark, 0)
        assert store.load_checkpoint(EMAILS).watermark == at(5)


def test_an_abandoned_pass_leaves_the_watermark(store: Store) -> None:
    with walking(store) as walk:
        store.close_pass(walk.lease, walk.opened.pass_id, at(5), 0)
    with walking(store) as walk:
        walk.commit(email("1"))
        store.abandon_pass(walk.lease, walk.opened.pass_id)
    checkpoint = store.load_checkpoint(EMAILS)
    assert (checkpoint.watermark, checkpoint.open_pass) == (at(5), None)
    assert is_held(store, email("1"))


def test_a_watermark_that_is_reset_is_forgotten(store: Store) -> None:
    with walking(store) as walk:
        store.close_pass(walk.lease, walk.opened.pass_id, at(5), 0)
    with walking(store) as walk:
        store.reset_watermark(walk.lease)
    assert store.load_checkpoint(EMAILS).watermark is None


def test_a_closed_pass_is_complete_under_its_manifest(store: Store) -> None:
    with walking(store) as walk:
        store.close_pass(walk.lease, walk.opened.pass_id, None, 0)
    checkpoint = store.load_checkpoint(EMAILS)
    assert checkpoint.open_pass is None
    assert checkpoint.completed_at is not None
    assert checkpoint.manifest_version == "m1"


def test_pending_pages_are_stored_in_the_order_in_which_they_were_sent(store: Store) -> None:
    with walking(store) as walk:
        pages = [walk.page([email("1", f"{n}@example.org", at(n)), email(f"n{n}")], offset=n) for n in range(1, 5)]
        pending = [store.begin_commit(walk.lease, page) for page in pages]
        counts = [one.result()[EMAIL] for one in pending]
        assert counts == [Counts(created=2), *[Counts(created=1, updated=1)] * 3]
        opened = store.load_checkpoint(EMAILS).open_pass
    assert opened is not None
    assert opened.place == WalkPlace((Slice(offset=4),))
    assert is_held(store, email("1", "4@example.org", at(4)))


def test_dead_letters_are_set_aside_until_their_records_are_stored(store: Store) -> None:
    with walking(store) as walk:
        assert walk.commit(email("1"), rejected=("2", "3")) == Counts(created=1, dead=2)
        rejected = store.count_rejected(EMAILS)
        assert (store.count_set_aside(EMAILS), rejected.waiting, rejected.known) == (2, 2, 3)
        walk.commit(email("2"))
    assert (store.count_set_aside(EMAILS), store.count_rejected(EMAILS).waiting) == (1, 1)
    assert store.count_live(EMAILS) == 2


def test_a_dead_letter_of_a_record_that_is_held_is_not_missing(store: Store) -> None:
    with walking(store) as walk:
        walk.commit(email("1"))
        walk.commit(rejected=("1",))
    assert (store.count_set_aside(EMAILS), store.count_rejected(EMAILS).waiting) == (0, 1)


def test_what_a_listing_lacks_is_a_candidate_until_it_is_listed(store: Store) -> None:
    with reconciling(store, "1", "2", "3") as walk:
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        walk.commit(email("1"), email("4"))
        assert evidence.count_listed() == 2
        evidence.compare_listing()
        assert [one.external_id for one in evidence.load_candidates(None, 10)[0]] == ["2", "3"]
        check = store.check_deletions(EMAILS, None)
        assert (check.missing, check.live) == (2, 4)
        store.close_pass(walk.lease, walk.opened.pass_id, None, 0)
    with walking(store, RECONCILIATION) as walk:
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        walk.commit(*map(email, ("1", "2", "4")))
        evidence.compare_listing()
        assert [(one.external_id, one.times_missed) for one in evidence.load_candidates(None, 10)[0]] == [("3", 2)]


def test_what_was_not_held_before_a_pass_cannot_be_missing_from_its_listing(store: Store) -> None:
    with reconciling(store, "1") as walk:
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        walk.commit(email("1"))
        store.commit_page(walk.lease, replace(walk.page([email("2")]), listed=()))
        evidence.compare_listing()
        assert evidence.load_candidates(None, 10)[0] == []


def test_what_was_listed_and_is_not_held_is_to_be_fetched(store: Store) -> None:
    with reconciling(store, "1") as walk:
        listed = tuple(map(ExternalId, ("1", "2", "3")))
        store.commit_page(walk.lease, replace(walk.page([]), listed=listed))
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        assert list(evidence.load_missing(None, 10)) == ["2", "3"]
        assert list(evidence.load_missing(ExternalId("2"), 10)) == ["3"]


def test_a_candidate_that_was_read_alive_is_not_read_again_in_this_pass(store: Store) -> None:
    with reconciling(store, "1", "2", "3") as walk:
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        walk.commit(email("1"))
        evidence.compare_listing()
        answers = {ExternalId("2"): CandidateAnswer.ALIVE, ExternalId("3"): CandidateAnswer.REFUSED}
        store.commit_page(walk.lease, replace(walk.page([]), listed=(), answers=answers))
        assert list(evidence.load_candidates(None, 10)[0]) == []
        assert evidence.count_unproven(None, is_readable=True).refused == 1


def test_a_tombstone_is_kept_and_a_record_that_reappears_lives_again(store: Store) -> None:
    ids = [ExternalId("1"), ExternalId("2"), ExternalId("3")]
    with reconciling(store, "1", "2") as walk:
        store.commit_page(walk.lease, replace(walk.page([]), listed=(), tombstones=(gone("2"),)))
        assert store.load_live(EMAILS, ids) == {"1"}
        assert store.load_gone(EMAILS, ids) == {"2"}
        assert store.count_live(EMAILS) == 1
        # The page may have been read before the record was found gone.
        assert walk.commit(email("2")) == Counts(unchanged=1)
        assert store.count_live(EMAILS) == 1
    with walking(store) as walk:
        assert walk.commit(email("2")) == Counts(updated=1)
    assert store.load_live(EMAILS, ids) == {"1", "2"}
    assert store.load_gone(EMAILS, ids) == set()


def test_one_hold_stands_until_it_is_closed(store: Store) -> None:
    with reconciling(store, "1", "2", "3") as walk:
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        walk.commit(email("1"))
        evidence.compare_listing()
        hold = evidence.open_hold(evidence.check_deletions(None), "two of three are missing")
        assert (hold.key, hold.missing, hold.live) == (EMAILS, 2, 3)
        standing = evidence.check_deletions(None).hold
        assert standing is not None
        assert standing.hold_id == hold.hold_id
        evidence.close_hold()
        assert evidence.check_deletions(None).hold is None


def test_a_report_is_added_to(store: Store) -> None:
    with reconciling(store, "1") as walk:
        evidence = store.open_evidence(walk.lease, walk.opened.pass_id)
        store.write_report(walk.lease, walk.opened.pass_id, {"why": "x"})
        evidence.note_report({"listed": 3})
        for count in (2, 3):
            store.commit_page(walk.lease, replace(walk.page([]), listed=(), findings={"fetched": count}))
        assert store.load_report(walk.lease, walk.opened.pass_id) == {"why": "x", "listed": 3, "fetched": 5}


def test_a_church_without_webhooks_has_no_events(store: Store) -> None:
    assert list(store.load_due_records(EMAILS, 10)) == []
    assert store.count_waiting(EMAILS) == 0
    assert store.load_merged(EMAILS, [ExternalId("1")]) == {}


def test_nothing_is_written_by_counting_changes(store: Store) -> None:
    news: MappedBatch = batch([email("1"), email("2")])
    assert [store.count_changes(EMAILS, news) for _ in range(2)] == [2, 2]
    assert store.count_live(EMAILS) == 0
