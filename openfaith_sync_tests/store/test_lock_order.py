"""An org is removed while somebody else changes its connection: one waits for the other, never both."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus, OAuthTokens
from openfaith_sync.domain.errors import AccessDenied, TransientError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.connections import add_connection, list_connections, load_connection
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.connections.unavailable_entities import note_refusal
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import ORG, PCO, fetch, run
from openfaith_sync_tests.store.present_alerts import present_alerts

CONNECTION = Connection(ORG, PCO, "https://pco.example", BasicCredentials("a", "b"))
TOKENS = OAuthTokens("access", "refresh", timedelta(hours=2), frozenset({"people"}))
CONNECTIONS, DISABLED = ("SELECT FROM sync.connections FOR UPDATE", "SELECT FROM sync.disabled_entities FOR UPDATE")


@contextmanager
def holding(database: Database, rows: str) -> Iterator[None]:
    with database.connect_fleet() as session, session.transaction():
        session.execute(rows.encode())
        yield


def wait_until_all_wait(database: Database, ways: list[Future[object]]) -> None:
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while fetch(database, blocked) != [(len(ways),)]:
        assert not any(way.done() for way in ways)


def meet(database: Database, rows: str, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Start the second once the first waits for these rows, and release them once both wait."""
    ways: list[Future[object]] = []
    with ThreadPoolExecutor(2) as threads:
        with holding(database, rows):
            for way in (first, second):
                ways.append(threads.submit(way))
                wait_until_all_wait(database, ways)
        for done in ways:
            done.result()


def test_removed_while_it_is_marked_it_is_nobodys_trouble(database: Database) -> None:
    add_connection(database, CONNECTION)
    held = load_connection(database, ORG, PCO)
    ConnectionTokens(database, held).refuse(held.version, "refused")
    (alert,) = present_alerts(database)
    assert alert.orgs == (ORG,)
    meet(
        database,
        CONNECTIONS,
        lambda: ConnectionTokens(database, held).refuse(held.version, "refused"),
        lambda: disconnect_org(database, ORG),
    )
    assert list_connections(database) == []
    assert present_alerts(database) == []


def test_removed_while_it_is_connected_again_it_is_new(database: Database) -> None:
    add_connection(database, CONNECTION)
    note_refusal(database, CONNECTION, EntityName("group"), AccessDenied("forbidden"))
    meet(
        database,
        DISABLED,
        lambda: disconnect_org(database, ORG),
        lambda: add_connection(database, CONNECTION),
    )
    assert [found.status for found in list_connections(database)] == [ConnectionStatus.ACTIVE]
    assert fetch(database, "SELECT FROM sync.disabled_entities") == []


def test_removed_while_its_new_tokens_are_stored_it_has_none(database: Database) -> None:
    add_connection(database, replace(CONNECTION, credentials=TOKENS))
    held = load_connection(database, ORG, PCO)
    past = "INSERT INTO sync.token_refreshes (org_id, adapter, version, holder) SELECT %s, %s, %s - n, '' "
    run(database, past + "FROM generate_series(1, 30) AS n", ORG, PCO, held.version)

    def wait_until_removed(step: str) -> None:
        while step == "stored" and list_connections(database):
            pass

    def refresh() -> None:
        # They are stored, and gone when they are about to be used.
        tokens = ConnectionTokens(database, held, on_step=wait_until_removed)
        with pytest.raises(TransientError, match="was changed; start again"):
            tokens.refresh(held.version, lambda _: TOKENS, is_refused=False)

    meet(database, CONNECTIONS, refresh, lambda: disconnect_org(database, ORG))
    assert list_connections(database) == []
    assert fetch(database, "SELECT FROM sync.token_refreshes") == []
