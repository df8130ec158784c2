"""Law 1: a worker that is stopped keeps an entity for a time only, and writes nothing after that."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from openfaith_sync.domain.errors import LeaseHeld
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.rows import RECORDS
from openfaith_sync_tests.processes import write_line
from openfaith_sync_tests.store.making import EMAILS, ORG, batch, email, fetch, run, walking

SHORT = timedelta(milliseconds=200)
LONG = timedelta(minutes=30)
IN_BETWEEN = ("nothing", "page", "transaction")
"""What the worker is at when it is stopped: between two pages, with a page whose answers nobody reads, or in
the middle of a transaction that keeps the lease from being taken over."""

WORKER = """
import json, sys
from pathlib import Path
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.store.making import batch, email, walking

url, at = sys.argv[1:]
database = Database(DatabaseUrl(url), SecretKeys(Path("/nonexistent")))

def pause(step):
    if step == "commit" and at == "transaction":
        print("ready", flush=True)
        sys.stdin.readline()

try:
    with walking(database, on_step=pause if at == "transaction" else None) as walk:
        if at == "page":
            walk.store.begin_commit(walk.lease, walk.page(batch([email("mine")])))
        if at != "transaction":
            print("ready", flush=True)
            sys.stdin.readline()
        walk.commit(batch([email("late")]))
except SyncError as error:
    print(json.dumps([type(error).__name__, str(error)]), flush=True)
else:
    print(json.dumps(["nothing", ""]), flush=True)
"""
SILENT = """
SELECT count(*) FROM pg_locks held JOIN pg_stat_activity session USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND session.pid = %s AND session.wait_event_type = 'Client'
  AND greatest(session.query_start, session.state_change) < clock_timestamp() - %s
"""
HOLDERS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Worker:
    """A walk in a process of its own that holds the lease of the e-mail addresses."""

    def __init__(self, process: subprocess.Popen[str], backend: int) -> None:
        self._process = process
        self.backend = backend

    def stop(self) -> None:
        os.kill(self._process.pid, signal.SIGSTOP)
        while psutil.Process(self._process.pid).status() != psutil.STATUS_STOPPED:
            pass

    def go_on(self) -> list[str]:
        """Run it to its end; return the error that it ended with."""
        os.kill(self._process.pid, signal.SIGCONT)
        said, _ = self._process.communicate("\n", timeout=60)
        found: list[str] = json.loads(said)
        return found


@contextmanager
def working(database: Database, at: str) -> Iterator[Worker]:
    command = [sys.executable, "-c", WORKER, database.libpq_url, at]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ((backend,),) = fetch(database, HOLDERS)
        try:
            yield Worker(process, backend)
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def until_it_is_silent_for(database: Database, worker: Worker, lasts: timedelta) -> None:
    while fetch(database, SILENT, worker.backend, lasts) != [(1,)]:
        pass


def rows(database: Database) -> list[str]:
    return sorted(row[0] for row in fetch(database, f"SELECT external_id FROM ({RECORDS}) held"))


@pytest.mark.parametrize("at", IN_BETWEEN)
def test_a_stopped_worker_is_taken_over_and_writes_nothing_when_it_goes_on(database: Database, at: str) -> None:
    with working(database, at) as worker:
        worker.stop()
        until_it_is_silent_for(database, worker, SHORT)
        with walking(replace(database, lease_lasts=SHORT)) as successor:
            successor.commit(batch([email("next")]))
            stored = rows(database)
            kind, message = worker.go_on()
            assert kind == "LeaseLost"
            assert message.startswith("a test took over first-baptist/pco/email after this worker had been silent")
            assert rows(database) == stored
            successor.commit(batch([email("more")]))
    assert "late" not in rows(database)
    assert {"next", "more"} <= {*rows(database)}


@pytest.mark.parametrize("at", IN_BETWEEN)
def test_a_worker_that_was_silent_for_less_keeps_its_lease(database: Database, at: str) -> None:
    with working(database, at) as worker:
        worker.stop()
        until_it_is_silent_for(database, worker, SHORT)
        with open_store(database, ORG) as store, pytest.raises(LeaseHeld, match="a test since"):
            store.hold_lease(EMAILS, "next").__enter__()
        assert database.lease_lasts == LONG
        assert worker.go_on() == ["nothing", ""]
    assert "late" in rows(database)


def test_a_worker_whose_statement_takes_long_is_not_silent(database: Database) -> None:
    """The server works for it all the time, here by waiting for a lock."""
    with working(database, "nothing") as worker, database.connect_fleet() as other, other.transaction():
        other.execute("SELECT FROM sync.passes FOR UPDATE")
        until_it_is_silent_for(database, worker, SHORT)
        write_line(worker._process)
        while fetch(database, "SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", worker.backend) != [
            ("Lock",)
        ]:
            pass
        with (
            open_store(replace(database, lease_lasts=timedelta()), ORG) as store,
            pytest.raises(LeaseHeld),
        ):
            store.hold_lease(EMAILS, "next").__enter__()


def test_a_stopped_worker_that_lost_only_its_lock_is_refused_by_its_token(database: Database) -> None:
    with working(database, "nothing") as worker:
        worker.stop()
        run(database, "UPDATE sync.leases SET token = token + 1, holder = 'another'")
        kind, message = worker.go_on()
        assert (kind, "another worker took over first-baptist/pco/email" in message) == ("LeaseLost", True)
    assert rows(database) == []
