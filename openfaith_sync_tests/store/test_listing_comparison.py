"""Only what was held and alive before a complete listing, and not in it, is missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest

from openfaith_sync.domain.errors import LeaseLost, UsageError
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.passes.deletions import Hold, HoldStatus
from openfaith_sync.domain.passes.passes import PassStart, SyncMode
from openfaith_sync.domain.records.merges import Merge, MergeCommit
from openfaith_sync.domain.records.record import Record
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions.evidence import PostgresEvidence
from openfaith_sync.store.deletions.hold_decisions import approve_hold, list_holds, reject_hold
from openfaith_sync_tests.store.making import (
    PEOPLE,
    PERSON,
    TABLES,
    Walk,
    batch,
    email,
    fetch,
    person,
    rejection,
    run,
    walking,
)
from openfaith_sync_tests.store.test_evidence import bury, gone, live

RECONCILIATION = PassStart(mode=SyncMode.RECONCILIATION, trigger="test", manifest_version="m1")


@pytest.fixture
def held(database: Database) -> Database:
    """Five e-mail addresses that were stored before."""
    with walking(database) as walk:
        walk.commit(batch(map(email, "12345")))
        walk.close()
    return database


@contextmanager
def reconciling(database: Database) -> Iterator[tuple[Walk, PostgresEvidence]]:
    with walking(database, start=RECONCILIATION) as walk:
        yield walk, walk.store.open_evidence(walk.lease, walk.opened.pass_id)


def list_ids(walk: Walk, *listed: str, records: Sequence[Record] = ()) -> None:
    page = replace(walk.page(batch(records)), listed=tuple(map(ExternalId, listed)))
    walk.store.commit_page(walk.lease, page)


def candidates(evidence: PostgresEvidence) -> list[tuple[str, int]]:
    return [(one.external_id, one.times_missed) for one in evidence.load_candidates(None, 100)[0]]


def test_what_the_listing_lacks_is_a_candidate_once_a_pass_however_often_it_is_compared(held: Database) -> None:
    for times in (1, 2):
        with reconciling(held) as (walk, evidence):
            list_ids(walk, "1", "2", "4")
            for _ in range(2):
                evidence.compare_listing()
                assert candidates(evidence) == [("3", times), ("5", times)]
            walk.close()
    assert live(held) == 5


def test_a_candidate_that_is_listed_again_is_none_and_counts_anew(held: Database) -> None:
    for listed, expected in (("124", [("3", 1), ("5", 1)]), ("1245", [("3", 2)]), ("124", [("3", 3), ("5", 1)])):
        with reconciling(held) as (walk, evidence):
            list_ids(walk, *listed)
            evidence.compare_listing()
            assert candidates(evidence) == expected
            walk.close()


def test_what_came_or_was_written_while_it_was_listed_is_not_missing(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, "1", "2")
        # By a worker of single records, beside the walk.
        run(held, "UPDATE openfaith.emails SET synced_at = now() WHERE external_id = '3'")
        run(
            held,
            "INSERT INTO openfaith.emails (org_id, adapter, type, external_id, id, content_hash)"
            " SELECT org_id, adapter, type, '6', 'email_6', content_hash FROM openfaith.emails LIMIT 1",
        )
        evidence.compare_listing()
        assert candidates(evidence) == [("4", 1), ("5", 1)]


def test_what_was_merged_is_not_missing(database: Database) -> None:
    with walking(database, PEOPLE) as walk:
        walk.commit(batch(map(person, "1345"), entity=PERSON))
        merge = Merge(ExternalId("1"), ExternalId("3"), None)
        walk.store.commit_merges(walk.lease, MergeCommit(PERSON, TABLES[PERSON], (merge,), ()))
        walk.close()
    with walking(database, PEOPLE, RECONCILIATION) as walk:
        evidence = walk.store.open_evidence(walk.lease, walk.opened.pass_id)
        page = replace(walk.page(batch([], entity=PERSON)), listed=(ExternalId("1"), ExternalId("4")))
        walk.store.commit_page(walk.lease, page)
        evidence.compare_listing()
        assert candidates(evidence) == [("5", 1)]


def test_another_orgs_and_another_entitys_listing_say_nothing_here(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, *"12345")
        evidence.compare_listing()
        walk.close()
    run(held, "INSERT INTO sync.listed_ids (org_id, pass_id, external_id) VALUES ('second-baptist', 3, '3')")
    with reconciling(held) as (walk, evidence):
        list_ids(walk, *"1245")
        evidence.compare_listing()
        assert candidates(evidence) == [("3", 1)]


def test_missing_here_is_what_was_listed_and_is_neither_held_nor_set_aside(held: Database) -> None:
    bury(held, "4")
    with walking(held) as walk:
        walk.commit(batch([], [rejection("8")]))
    with reconciling(held) as (walk, evidence):
        bury(held, "5")
        list_ids(walk, *"1234567890")
        # 4 went before the pass and is back; 5 went after it began, and may have been listed before.
        assert evidence.load_missing(None, 100) == ["0", "4", "6", "7", "9"]
        assert evidence.load_missing(ExternalId("4"), 2) == ["6", "7"]


def test_a_tombstone_leaves_what_was_written_since_its_proof_began(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, "1")
        evidence.compare_listing()
        _, proven_at = evidence.load_candidates(None, 100)
        # By a worker of single records, who found it alive.
        run(held, "UPDATE openfaith.emails SET synced_at = clock_timestamp() WHERE external_id = '2'")
        tombstones = tuple(replace(gone(one), proven_at=proven_at) for one in "23")
        walk.store.commit_page(walk.lease, replace(walk.page(batch([])), tombstones=tombstones))
        assert [one for one, _ in candidates(evidence)] == ["4", "5"]
    living = fetch(held, "SELECT external_id FROM openfaith.emails WHERE deleted_at IS NULL ORDER BY external_id")
    assert living == [("1",), ("2",), ("4",), ("5",)]


def test_what_was_undeleted_and_changed_unseen_is_counted(held: Database) -> None:
    bury(held, "4")
    with reconciling(held) as (walk, evidence):
        changed = [email("1"), email("2", "other@example.org"), email("4")]
        list_ids(walk, *"1234", records=changed)
        found = evidence.note_findings()
        assert (found["undeleted"], found["changed_unseen"]) == (1, 1)


def test_what_an_open_pass_listed_is_never_forgotten(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, "1", "2")
        evidence.forget_listed()
        assert evidence.count_listed() == 2
        walk.close()
        evidence.forget_listed()
        assert evidence.count_listed() == 0


def test_figures_of_pages_add_up_in_the_report(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        evidence.note_report({"why": "x"})
        for count in (2, 3):
            walk.store.commit_page(walk.lease, replace(walk.page(batch([])), findings={"fetched": count}))
        assert evidence.load_report() == {"why": "x", "fetched": 5}


def test_a_worker_that_lost_its_lease_compares_and_holds_nothing(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, "1")
        run(held, "UPDATE sync.leases SET token = token + 1")
        for write in (evidence.compare_listing, evidence.close_hold, evidence.forget_listed, evidence.note_findings):
            with pytest.raises(LeaseLost):
                write()
    assert fetch(held, "SELECT count(*) FROM sync.deletion_candidates") == [(0,)]


def hold(evidence: PostgresEvidence) -> Hold:
    return evidence.open_hold(evidence.check_deletions(None), "because")


def test_one_hold_stands_at_a_time_and_an_approval_of_enough_stays(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, "1", "2", "3")
        evidence.compare_listing()
        first = hold(evidence)
        assert hold(evidence).hold_id == first.hold_id
        approve_hold(held, first.hold_id)
        assert evidence.check_deletions(None).is_approved
        assert hold(evidence).status is HoldStatus.APPROVED
        evidence.lower_ceiling(1)
        assert not evidence.check_deletions(None).is_approved
        second = hold(evidence)
        assert second.hold_id != first.hold_id
        assert [(one.hold_id, one.status) for one in list_holds(held, is_all=True)] == [
            (first.hold_id, HoldStatus.SETTLED),
            (second.hold_id, HoldStatus.OPEN),
        ]
        reject_hold(held, second.hold_id)
        with pytest.raises(UsageError, match="is rejected; only one that is open can be approved"):
            approve_hold(held, second.hold_id)
        assert evidence.check_deletions(None).hold is None


def test_what_is_live_and_what_is_missing_is_weighed_by_the_orgs_own_limits(held: Database) -> None:
    with reconciling(held) as (walk, evidence):
        list_ids(walk, "1", "2")
        evidence.compare_listing()
        check = evidence.check_deletions(None)
        assert (check.missing, check.live, check.is_over) == (3, 5, False)
        run(held, "INSERT INTO sync.orgs (org_id, deletion_count) VALUES ('first-baptist', 2)")
        assert evidence.check_deletions(None).is_over
