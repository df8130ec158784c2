"""Law 8: a process that lost its turn to renew a token, or the connection that it renews for, changes nothing.

The turn is a session's advisory lock. A pooler or a failover can give it to a second process while the first
goes on, so it is not what the law rests on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.defaults import LEASE_LASTS
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.connections import tokens_sql as sql
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.consenting_church import HOURS, Church, connect
from openfaith_sync_tests.laws.refresher import PCO
from openfaith_sync_tests.store.making import fetch

SHORT = timedelta(milliseconds=200)
SILENT = """
SELECT count(*) FROM pg_stat_activity
WHERE pid = %s AND greatest(query_start, state_change) < clock_timestamp() - %s
"""


@dataclass(frozen=True)
class WatchedDatabase(Database):
    """A database that knows the sessions of its orgs, which wait for a lock only briefly."""

    sessions: list[psycopg.Connection[Any]] = field(default_factory=list)

    @classmethod
    def of(cls, database: Database, lasts: timedelta = LEASE_LASTS) -> "WatchedDatabase":
        """Return one that is the same otherwise."""
        return cls(database.url, database.keys, database.oauth_clients, lasts)

    @contextmanager
    def connect(self, org: OrgId) -> Iterator[psycopg.Connection[Any]]:
        """Open a session and remember it."""
        with super().connect(org) as session:
            session.execute("SET lock_timeout = '100ms'")
            self.sessions.append(session)
            yield session


def test_tokens_that_an_org_connected_with_meanwhile_are_not_replaced_by_renewed_ones(church: Church) -> None:
    church.expire()

    def on_step(step: str) -> None:
        if step == "store":
            connect(church, HOURS)

    church.read(on_step=on_step)
    connected = church.connection.credentials
    (renewed,) = [use for use in church.simulator.oauth()["refreshes"] if use["outcome"] == "spent"]
    assert renewed["grant"] != church.grant
    assert church.connection.version == church.first
    # They are those of the new grant: renewing them spends its token and no other.
    church.expire()
    church.read()
    assert church.uses == ["spent"]
    assert church.connection.credentials != connected
    assert church.connection.status is ConnectionStatus.ACTIVE
    assert church.simulator.oauth()["spent_twice"] == 0


def test_a_turn_that_was_given_to_another_process_spends_nothing(church: Church) -> None:
    church.expire()
    watched = WatchedDatabase.of(church.database)
    first = replace(church, database=watched)

    def on_step(step: str) -> None:
        if step == "begin":
            watched.sessions[-1].execute("SELECT pg_advisory_unlock_all()")
            church.read()

    first.read(on_step=on_step)
    assert church.uses == ["spent"]
    assert church.simulator.oauth()["spent_twice"] == 0
    assert church.connection.version == church.first + 1
    assert church.connection.status is ConnectionStatus.ACTIVE


@contextmanager
def silent_turn(church: Church) -> Iterator[psycopg.Connection[Any]]:
    """Hold the turn in a session whose client says nothing, as that of a stopped process."""
    with church.database.connect(church.org) as session:
        session.execute(sql.LOCK, (church.org, PCO))
        while fetch(church.database, SILENT, session.info.backend_pid, SHORT) != [(1,)]:
            pass
        yield session


def test_a_process_that_is_stopped_in_its_turn_loses_it_after_a_time(church: Church) -> None:
    church.expire()
    with silent_turn(church) as silent:
        replace(church, database=WatchedDatabase.of(church.database, SHORT)).read()
        with pytest.raises(psycopg.OperationalError):
            silent.execute("SELECT 1")
    assert church.uses == ["spent"]
    assert church.connection.version == church.first + 1


def test_a_process_that_is_slow_in_its_turn_keeps_it(church: Church) -> None:
    church.expire()
    with silent_turn(church) as slow:
        with pytest.raises(TransientError):
            replace(church, database=WatchedDatabase.of(church.database)).read()
        assert slow.execute("SELECT 1").fetchone() == (1,)
    assert church.uses == []
