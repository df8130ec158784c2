"""Database calls of the receiver: which org they see, and what becomes of them when connections are lost."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Barrier

import pytest

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.web.database_calls import DatabaseCalls
from openfaith_sync_tests.store.making import fetch

SIZE = 3
NOWHERE = "postgresql://someone@127.0.0.1:1/nowhere"


@contextmanager
def opened(database: Database) -> Iterator[DatabaseCalls]:
    with closing(DatabaseCalls(database, SIZE)) as calls:
        calls.open()
        yield calls


def load_pid(connection: Connection) -> int:
    return int(fetch_one(connection, "SELECT pg_backend_pid()", ())[0])


def load_org(connection: Connection) -> str:
    return str(fetch_one(connection, "SELECT current_setting('openfaith.org')", ())[0])


async def load_pids(calls: DatabaseCalls) -> set[int]:
    """Return the process of each connection, all of which are used at one time."""
    barrier = Barrier(SIZE, timeout=30)

    def load(connection: Connection) -> int:
        barrier.wait()
        return load_pid(connection)

    return set(await asyncio.gather(*(calls.run(load) for _ in range(SIZE))))


def test_a_call_sees_its_own_org_on_whatever_connection_it_runs(stored: Database) -> None:
    async def act() -> list[str]:
        orgs = [OrgId(f"church-{number}") for number in range(12)]
        return list(await asyncio.gather(*(calls.run(load_org, org) for org in [*orgs, *orgs])))

    with opened(stored) as calls:
        assert asyncio.run(act()) == [f"church-{number}" for number in range(12)] * 2


def test_connections_are_kept_and_are_no_more_than_allowed(stored: Database) -> None:
    async def act() -> tuple[set[int], set[int]]:
        return await load_pids(calls), {await calls.run(load_pid) for _ in range(10)}

    with opened(stored) as calls:
        made, used = asyncio.run(act())
    assert len(made) == SIZE
    assert used <= made


def test_calls_succeed_after_all_idle_connections_were_lost(stored: Database) -> None:
    async def act() -> tuple[set[int], set[int]]:
        before = await load_pids(calls)
        for pid in before:
            fetch(stored, f"SELECT pg_terminate_backend({pid}, 10000)")
        return before, {await calls.run(load_pid) for _ in range(SIZE)} | await load_pids(calls)

    with opened(stored) as calls:
        before, after = asyncio.run(act())
    assert not before & after


def test_a_database_that_is_away_fails_the_call_with_the_reason(stored: Database) -> None:
    with (
        opened(replace(stored, url=DatabaseUrl.parse(NOWHERE))) as calls,
        pytest.raises(TransientError, match=r"127\.0\.0\.1.*cannot be reached"),
    ):
        asyncio.run(calls.run(load_pid))
