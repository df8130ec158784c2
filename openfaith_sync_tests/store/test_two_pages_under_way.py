"""A page may be sent before the one before it is answered; each is stored only when all before it were."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError, LeaseLost, TransientError
from openfaith_sync.domain.ids import ExternalId, derive_entity_id
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.domain.passes.walk_place import Slice, WalkPlace
from openfaith_sync.domain.records.record import Record
from openfaith_sync.engine.ports.pages import PendingCommit
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.pages.page_writer import COMMIT_STEPS
from openfaith_sync.store.pages.pipeline import Pipeline
from openfaith_sync.store.postgres_store import PostgresStore
from openfaith_sync_tests.store.making import (
    EMAIL,
    EMAILS,
    FULL,
    ORG,
    PCO,
    PEOPLE,
    PERSON,
    Walk,
    at,
    batch,
    email,
    fetch,
    rejection,
    riders,
    run,
    walking,
)

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
PASS = "SELECT place, created, dead, pages FROM sync.passes"


def begin(walk: Walk, *records: Record, offset: int = 1) -> PendingCommit:
    page = walk.page(batch(records), place=WalkPlace((Slice(offset=offset),)))
    return walk.store.begin_commit(walk.lease, page)


def stored(database: Database) -> list[str]:
    return sorted(row[0] for row in fetch(database, "SELECT external_id FROM openfaith.emails"))


def backend(walk: Walk) -> int:
    return walk.store._connection.info.backend_pid


def until_it_waits_for_a_lock(database: Database, pid: int) -> None:
    while not fetch(database, WAITING, pid)[0][0]:
        time.sleep(0.01)


def test_both_are_stored_in_their_order_and_counted(database: Database) -> None:
    with walking(database) as walk:
        first = begin(walk, email("1", "old@x.org"), email("2"), offset=2)
        second = begin(walk, email("1", "new@x.org", at(1)), offset=3)
        assert second.result() == {EMAIL: Counts(updated=1)}
        assert first.result() == {EMAIL: Counts(created=2)}
        opened = walk.store.load_checkpoint(EMAILS).open_pass
        assert opened is not None
        assert opened.place == WalkPlace((Slice(offset=3),))
    assert fetch(database, "SELECT address FROM openfaith.emails ORDER BY updated_at DESC LIMIT 1") == [("new@x.org",)]


def test_a_record_that_is_refused_in_the_first_is_set_aside_and_the_second_is_whole(database: Database) -> None:
    bad = email("bad")._replace(values=(*email("bad").values[:5], "asleep", *email("bad").values[6:]))
    with walking(database) as walk:
        first = begin(walk, email("1"), bad, offset=2)
        second = begin(walk, email("2"), offset=3)
        assert first.result() == {EMAIL: Counts(created=1, dead=1)}
        assert second.result() == {EMAIL: Counts(created=1)}
    assert stored(database) == ["1", "2"]
    assert [row[1:] for row in fetch(database, PASS)] == [(2, 1, 2)]


@pytest.mark.parametrize("text", ["nul \0 inside", "\ud800"])
def test_a_record_that_cannot_be_sent_is_set_aside_and_the_page_before_it_is_whole(
    database: Database, text: str
) -> None:
    with walking(database) as walk:
        first = begin(walk, email("1"), offset=2)
        second = begin(walk, email("2"), email("bad", text), offset=3)
        assert first.result() == {EMAIL: Counts(created=1)}
        assert second.result() == {EMAIL: Counts(created=1, dead=1)}
    assert stored(database) == ["1", "2"]


def test_what_was_sent_behind_a_page_that_fails_is_not_stored_and_says_so(database: Database) -> None:
    with walking(database) as walk:
        before = fetch(database, PASS)
        run(database, "UPDATE sync.leases SET token = token + 1")
        first, second = begin(walk, email("1"), offset=2), begin(walk, email("2"), offset=3)
        with pytest.raises(LeaseLost):
            first.result()
        run(database, "UPDATE sync.leases SET token = token - 1")
        with pytest.raises(TransientError, match="the one before it"):
            second.result()
        assert fetch(database, PASS) == before
        assert walk.commit(batch([email("3")])) == {EMAIL: Counts(created=1)}
    assert stored(database) == ["3"]


def test_a_connection_that_breaks_fails_both(database: Database) -> None:
    with walking(database) as walk:
        begin(walk, email("0")).result()
        run(database, "SELECT pg_terminate_backend(%s, 5000)", backend(walk))
        with pytest.raises(TransientError):
            begin(walk, email("1")).result()
        with pytest.raises(TransientError):
            begin(walk, email("2")).result()
    assert stored(database) == ["0"]


def test_whoever_asks_for_something_else_meanwhile_is_answered_after_both(database: Database) -> None:
    with walking(database) as walk:
        first, second = begin(walk, email("1")), begin(walk, email("2"))
        assert walk.store.count_live(EMAILS) == 2
        assert second.result() == first.result() == {EMAIL: Counts(created=1)}


def test_a_page_that_nobody_waited_for_is_in_when_the_lease_is_given_back(database: Database) -> None:
    with walking(database) as walk:
        begin(walk, email("1"))
        begin(walk, email("2"))
    assert stored(database) == ["1", "2"]


def test_ctrl_c_ends_a_wait_for_a_lock_at_once_and_leaves_the_connection_whole(database: Database) -> None:
    with walking(database) as walk, database.connect_fleet() as other:
        with other.transaction():
            other.execute("SELECT FROM sync.passes FOR UPDATE")
            first = begin(walk, email("1"))

            def interrupt() -> None:
                until_it_waits_for_a_lock(database, backend(walk))
                os.kill(os.getpid(), signal.SIGINT)

            presser = threading.Thread(target=interrupt)
            presser.start()
            with pytest.raises(KeyboardInterrupt):
                first.result()
            presser.join()
        assert walk.commit(batch([email("2")])) == {EMAIL: Counts(created=1)}
    assert stored(database) == ["2"]


def test_more_than_the_sockets_hold_goes_through(database: Database) -> None:
    many = [email(f"{number}", "x" * 2000) for number in range(4000)]
    with walking(database) as walk:
        waits = [begin(walk, *many[place : place + 1000], offset=place) for place in range(0, 4000, 1000)]
        assert [wait.result() for wait in waits] == [{EMAIL: Counts(created=1000)}] * 4


def test_a_page_whose_answer_came_before_the_connection_broke_is_in(database: Database) -> None:
    with walking(database) as walk:
        wait = begin(walk, email("1"))
        walk.store._pages._pipeline.catch_up()
        run(database, "SELECT pg_terminate_backend(%s, 5000)", backend(walk))
        assert wait.result() == {EMAIL: Counts(created=1)}
        with pytest.raises(TransientError):
            walk.commit(batch([email("2")]))
    assert stored(database) == ["1"]


def test_a_page_that_is_in_is_not_stored_again_for_what_the_half_sent_one_behind_it_holds(database: Database) -> None:
    """The server refuses a person of the second page; an address of the same page could not even be sent."""
    asleep = tuple("asleep" if column.name == "status" else None for column in CANONICAL_TABLES["people"].columns)
    person = Record(ExternalId("p"), derive_entity_id(ORG, PCO, PERSON, "p"), at(0), asleep, b"{}", b"hash")
    with walking(database, PEOPLE, riders(EMAIL)) as walk:

        def begin_both(people: Sequence[Record], *emails: Record) -> PendingCommit:
            page = walk.page(batch(people, entity=PERSON), batch(emails))
            return walk.store.begin_commit(walk.lease, page)

        first = begin_both([], email("1"))
        second = begin_both([person], email("2"), email("bad", "nul \0"))
        assert first.result()[EMAIL] == Counts(created=1)
        assert second.result() == {PERSON: Counts(dead=1), EMAIL: Counts(created=1, dead=1)}
    found = fetch(database, "SELECT entity, pages, created, unchanged, dead FROM sync.passes ORDER BY pass_id")
    assert found == [("person", 2, 0, 0, 1), ("email", 0, 2, 0, 1)]


def test_a_transaction_that_is_rolled_back_over_the_same_connection_takes_no_page_along(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1")]))
        evidence = walk.store.open_evidence(walk.lease, walk.opened.pass_id)
        for _ in range(10):
            evidence.load_report()
        run(database, "UPDATE sync.leases SET token = token + 1")
        with pytest.raises(LeaseLost):
            evidence.note_report({"a": 1})
        run(database, "UPDATE sync.leases SET token = token - 1")
        assert walk.commit(batch([email("2")])) == {EMAIL: Counts(created=1)}


def test_what_cannot_be_stored_at_all_stops_no_page_before_it(database: Database) -> None:
    with walking(database) as walk:
        first = begin(walk, email("1"))
        nowhere = replace(batch([email("2")]), table=None)
        with pytest.raises(DefinitionError, match="the records of email have no table"):
            walk.store.begin_commit(walk.lease, walk.page(nowhere))
        assert first.result() == {EMAIL: Counts(created=1)}
        assert walk.commit(batch([email("3")])) == {EMAIL: Counts(created=1)}
    assert stored(database) == ["1", "3"]


def test_who_is_told_late_why_a_page_failed_is_told_the_reason(database: Database) -> None:
    with walking(database) as walk:
        run(database, "UPDATE sync.leases SET token = token + 1")
        first = begin(walk, email("1"))
        assert walk.store.count_live(EMAILS) == 0
        with pytest.raises(LeaseLost):
            first.result()


def test_ctrl_c_while_ctrl_c_is_seen_to_closes_the_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with walking(database) as walk:

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        begin(walk, email("1"))
        begin(walk, email("2"))
        connection = walk.store._connection
        monkeypatch.setattr(connection, "cancel_safe", interrupted)
        monkeypatch.setattr(Pipeline, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            walk.commit(batch([email("3")]))
        assert connection.closed
        with pytest.raises(TransientError):
            walk.store.count_live(EMAILS)


def prepared(walk: Walk) -> int:
    ((count,),) = walk.store._connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchall()
    return int(count)


@pytest.mark.parametrize("at_once", [1, 2])
def test_pages_that_are_refused_leave_nothing_behind_in_the_server(database: Database, at_once: int) -> None:
    bad = email("bad")._replace(values=(*email("bad").values[:5], "asleep", *email("bad").values[6:]))
    with walking(database) as walk:
        walk.commit(batch([email("1")], [rejection("2")]))
        before = prepared(walk)
        assert before > 0
        for number in range(200):
            waits = [begin(walk, email(f"{number}"), bad, offset=place) for place in range(at_once)]
            assert [wait.result()[EMAIL].dead for wait in waits] == [1] * at_once
        assert prepared(walk) == before


def test_a_statement_that_was_prepared_behind_a_failure_is_prepared_again_and_no_other(database: Database) -> None:
    with walking(database) as walk:
        walk.commit(batch([email("1")]))
        before = prepared(walk)
        run(database, "UPDATE sync.leases SET token = token + 1")
        for _ in range(100):
            # The server skips the preparation of the second statement, which no page needed before.
            with pytest.raises(LeaseLost):
                walk.commit(batch([email("2")], [rejection("3")]))
        assert prepared(walk) == before
        run(database, "UPDATE sync.leases SET token = token - 1")
        assert walk.commit(batch([email("2")], [rejection("3")])) == {EMAIL: Counts(created=1, dead=1)}
        assert prepared(walk) == before + 1


def test_stores_that_share_a_connection_prepare_their_statements_once(database: Database) -> None:
    with database.connect(ORG) as connection:
        counted = set()
        for number in range(20):
            store = PostgresStore(connection, ORG)
            with store.hold_lease(EMAILS, "a test") as lease:
                walk = Walk(store, lease, store.open_pass(lease, FULL, WalkPlace()))
                walk.commit(batch([email(f"{number}")]))
                counted.add(prepared(walk))
    assert len(counted) == 1


def test_a_page_that_was_interrupted_before_its_answers_leaves_its_statements_usable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with walking(database) as walk:
        for _ in range(100):
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
                patch.setattr(Pipeline, "wait", interrupted)
                walk.commit(batch([email("1")]))
        before = prepared(walk)
        assert walk.commit(batch([email("2")])) == {EMAIL: Counts(created=1)}
        assert prepared(walk) <= before + len(COMMIT_STEPS)
        assert before <= len(COMMIT_STEPS)
