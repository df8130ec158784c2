"""One worker at a time writes under a key, and one that lost its lease writes nothing (law 1)."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError, LeaseHeld, LeaseLost, TransientError
from openfaith_sync.domain.ids import EntityId, ExternalId
from openfaith_sync.domain.passes.passes import ParentListing, Tombstone
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.erasures.erasures import make_erasures
from openfaith_sync.store.pages.page_writer import COMMIT_STEPS
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.processes import read_line
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

EVERYTHING = """
SELECT to_jsonb(e) FROM openfaith.emails e
UNION ALL SELECT to_jsonb(d) FROM sync.dead_letters d UNION ALL SELECT to_jsonb(p) FROM sync.passes p
UNION ALL SELECT to_jsonb(c) FROM sync.checkpoints c
"""


class Stop(Exception):
    """Raised in the place of a kill."""


def break_connection(database: Database, walk: Walk) -> None:
    run(database, "SELECT pg_terminate_backend(%s, 5000)", walk.store._connection.info.backend_pid)


def everything(database: Database) -> list[str]:
    return sorted(str(row) for row in fetch(database, EVERYTHING))


def lose_lock(database: Database, walk: Walk) -> None:
    """Take the session's lock away without its knowledge, as a pooler or a failover does."""
    walk.store._connection.execute("SELECT pg_advisory_unlock_all()")


def test_a_second_worker_is_told_who_holds_the_lease(database: Database) -> None:
    with walking(database), open_store(database, ORG) as second:
        with pytest.raises(LeaseHeld, match=r"first-baptist/pco/email is being synced by a test since \d{4}"):
            second.hold_lease(EMAILS, "second").__enter__()
        with second.hold_lease(PEOPLE, "second"):
            pass


def test_the_lease_is_free_after_its_block_and_tokens_grow(database: Database) -> None:
    with open_store(database, ORG) as store:
        tokens = []
        for _ in range(3):
            with store.hold_lease(EMAILS, "one") as lease:
                tokens.append(lease.token)
        assert tokens == [1, 2, 3]
    assert fetch(database, "SELECT released_at IS NOT NULL FROM sync.leases") == [(True,)]


def test_a_store_does_not_lend_its_own_lease_twice(database: Database) -> None:
    with walking(database) as walk, pytest.raises(DefinitionError), walk.store.hold_lease(EMAILS, "again"):
        pass


def test_a_failure_inside_gives_the_lease_back(database: Database) -> None:
    with pytest.raises(Stop), walking(database):
        raise Stop
    with walking(database):
        pass


def test_the_lease_ends_with_a_killed_process(database: Database) -> None:
    script = f"""
import sys, time
from pathlib import Path
from openfaith_sync.domain.ids import *
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres_store import open_store
database = Database(DatabaseUrl({database.libpq_url!r}), SecretKeys(Path("/nonexistent")))
with open_store(database, OrgId({ORG!r})) as store, store.hold_lease(SyncKey(OrgId({ORG!r}), "pco", "email"), "victim"):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert read_line(victim) == "held\n"
        with open_store(database, ORG) as store, pytest.raises(LeaseHeld, match="victim"):
            store.hold_lease(EMAILS, "next").__enter__()
        os.kill(victim.pid, signal.SIGKILL)
    # The server notices the closed socket by itself; asking it to end that session only waits for it.
    waiting = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
    )
    run(database, waiting + " (SELECT oid FROM pg_database WHERE datname = current_database())")
    with open_store(database, ORG) as store, store.hold_lease(EMAILS, "next") as lease:
        assert lease.token == 2


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    with walking(database) as older:
        older.commit(batch([email("1")]))
        lose_lock(database, older)
        with walking(database) as newer:
            newer.commit(batch([email("2")]))
            before = everything(database)
            for refused in (
                lambda: older.commit(batch([email("1", "zombie@x.org", at(9)), email("3")], [rejection("4")])),
                lambda: older.close(at(99)),
                lambda: older.store.abandon_pass(older.lease, newer.opened.pass_id),
                lambda: older.store.open_pass(older.lease, FULL, WalkPlace()),
            ):
                with pytest.raises(LeaseLost, match="another worker took over first-baptist/pco/email"):
                    refused()
                assert everything(database) == before
            newer.commit(batch([email("3")]))


def test_a_lease_cannot_be_taken_over_in_the_middle_of_a_commit(database: Database) -> None:
    """The page is in before the takeover, or refused whole: here the takeover waits for it."""
    waited: list[str] = []

    def take_over(step: str) -> None:
        if step != "commit":
            return
        with pytest.raises(TransientError):
            run(database, "SET lock_timeout = '50ms'; UPDATE sync.leases SET token = token + 1")
        waited.append(step)

    with walking(database, on_step=take_over) as walk:
        lose_lock(database, walk)
        walk.commit(batch([email("1")]))
    assert waited == ["commit"]


EVIDENCE = (
    "note_listed",
    "step_back",
    "note_answers",
    "follow_hold",
    "tombstone",
    "note_parent",
    "handle_events",
    "note_report",
    "note_erased",
)
REPLAYED = ("resolve_dead_letters",)
"""Killed at in ``laws/test_replayed_dead_letters.py``."""
PLAIN = tuple(step for step in COMMIT_STEPS if step not in (*EVIDENCE, *REPLAYED))
STEPS = (*PLAIN[:2], "store_dead_letters", *PLAIN[2:])
"""Those of a page with one bad person, one e-mail address and one bad one."""


@pytest.mark.parametrize("stop_at", range(len(STEPS)))
def test_stopped_at_any_step_a_page_is_whole_or_absent(database: Database, stop_at: int) -> None:
    told: list[str] = []

    def on_step(step: str) -> None:
        told.append(step)
        if len(told) - 1 == stop_at:
            raise Stop

    people = batch([], [rejection("p")], PERSON)
    both = batch([email("1")], [rejection("2")])
    with walking(database, PEOPLE, riders(EMAIL), on_step) as walk:
        before = everything(database)
        with pytest.raises(Stop):
            walk.commit(people, both)
    assert tuple(told) == STEPS[: stop_at + 1]
    if "committed" in told:
        assert len(everything(database)) == len(before) + 3
    else:
        assert everything(database) == before


def test_the_steps_are_those_that_are_named(database: Database) -> None:
    told: list[str] = []
    with database.connect(ORG) as connection:
        erased = make_erasures(connection, database.keys, ORG, PCO).hash(email("4").entity_id)
    statement = "INSERT INTO sync.erased_records VALUES (%s, %s, %s, %s, %s, true)"
    run(database, statement, ORG, PCO, EMAIL, erased, erased)
    with walking(database, on_step=told.append) as walk:
        page = replace(
            walk.page(batch([email("1"), email("4")], [rejection("2")])),
            tombstones=(Tombstone(EMAIL, CANONICAL_TABLES["emails"], ExternalId("3"), EntityId("email_3")),),
            listed=(ExternalId("1"),),
            parents=(ParentListing(ExternalId("9"), None, ()),),
            handled={"event": "stored"},
            findings={"fetched": 1},
        )
        walk.store.commit_page(walk.lease, page)
    # These two come in commits of reconciliations alone, which are killed at them in ``laws/``.
    others = {"step_back", "note_answers", *REPLAYED}
    assert tuple(told) == tuple(step for step in COMMIT_STEPS if step not in others)


def test_a_lost_connection_is_a_transient_error_and_nothing_is_written(database: Database) -> None:
    with walking(database) as walk:
        before = everything(database)
        break_connection(database, walk)
        with pytest.raises(TransientError):
            walk.commit(batch([email("1")]))
    assert everything(database) == before


def test_errors_on_the_way_out_do_not_hide_what_happened(database: Database) -> None:
    with pytest.raises(Stop), walking(database) as walk:  # noqa: PT012
        break_connection(database, walk)
        raise Stop
