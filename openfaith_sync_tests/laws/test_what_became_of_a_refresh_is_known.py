"""Law 8: whatever a refresh was answered, and whatever failed around it, what became of the token is known."""

import socket
from typing import Any

import psycopg
import pytest

from openfaith_sync.adapters.client.auth import MAX_UNUSED_TOKENS
from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import ConnectionStatus, OAuthClient, OAuthTokens
from openfaith_sync.domain.errors import AnswerLost, DefinitionError, ReconnectRequired, SyncError, TransientError
from openfaith_sync.simulator.server.server import (
    Fault,
    OAuthBehaviour,
)
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.consenting_church import HOURS, SOON, Church, connect
from openfaith_sync_tests.laws.sharing import CLIENT, watch
from openfaith_sync_tests.store.making import fetch, run


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_the_database_fails_between_the_answer_and_the_store(church: Church) -> None:
    church.expire()
    pauses: list[float] = []

    def on_step(step: str) -> None:
        if step == "store":
            cut_off(church.database)

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            let_in(church.database)

    church.read(on_step=on_step, pause=pause)
    assert len(pauses) == 3
    assert church.uses == ["spent"]
    assert church.connection.version == church.first + 1
    church.read()


def cut_off(database: Database) -> None:
    """Make the database end every session and accept no new one."""
    name = database.url.libpq.rpartition("/")[2].partition("?")[0]
    with elsewhere(database) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def let_in(database: Database) -> None:
    name = database.url.libpq.rpartition("/")[2].partition("?")[0]
    with elsewhere(database) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


def elsewhere(database: Database) -> Any:
    return psycopg.connect(database.url.with_database("postgres").libpq, autocommit=True)


def test_an_answer_that_was_lost_is_not_asked_for_again(church: Church) -> None:
    church.expire()
    church.simulator.fault(Fault(kind="reset", path="/oauth/token"))
    with pytest.raises(ReconnectRequired, match="the response of Planning Center Online to the refresh_token was lost"):
        church.read()
    church.simulator.clear_faults()
    with pytest.raises(ReconnectRequired, match="may have been used"):
        church.read()
    assert church.uses == ["spent"]


@pytest.mark.parametrize("kind", ["truncated_json", "html_200"])
def test_an_answer_that_cannot_be_read_is_lost(church: Church, kind: Any) -> None:
    church.expire()
    church.simulator.fault(Fault(kind=kind, path="/oauth/token"))
    with pytest.raises(ReconnectRequired, match="may have been used"):
        church.read()
    assert church.uses == ["spent"]


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_a_source_that_says_it_did_nothing_is_asked_again(church: Church, status: int) -> None:
    church.expire()
    church.simulator.fault(Fault(kind="status", status=status, path="/oauth/token", times=1))
    church.read()
    assert church.uses == ["spent"]


def test_a_refresh_token_that_stays_the_same_is_used_again(church: Church) -> None:
    church.simulator.set_oauth_behaviour(OAuthBehaviour(rotates=False))
    for _ in range(3):
        church.expire()
        church.read()
    assert church.connection.status is ConnectionStatus.ACTIVE
    assert church.connection.version == church.first + 3
    assert church.uses == ["kept"] * 3


@pytest.mark.parametrize("status", [408, 502, 504, 520, 524])
def test_what_a_gateway_says_leaves_open_what_the_source_did(church: Church, status: int) -> None:
    church.expire()
    church.simulator.fault(Fault(kind="status", status=status, path="/oauth/token", times=1))
    for _ in range(2):
        with pytest.raises(ReconnectRequired, match="may have been used"):
            church.read()
    # The simulator's 504 comes after it did what it was asked.
    assert church.uses == (["spent"] if status == 504 else [])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ReconnectRequired("revoked"), "refused"),
        (AnswerLost("no answer"), "lost"),
        (TransientError("busy"), "unspent"),
        (DefinitionError("another client"), "unspent"),
    ],
    ids=lambda given: given if isinstance(given, str) else type(given).__name__,
)
def test_what_the_source_said_is_kept_though_the_session_broke_meanwhile(
    church: Church, error: SyncError, outcome: str
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            let_in(church.database)

    def exchange(_: OAuthTokens) -> OAuthTokens:
        cut_off(church.database)
        raise error

    tokens = ConnectionTokens(church.database, church.connection, pause=pause)
    with pytest.raises(type(error)) as raised:
        tokens.refresh(church.connection.version, exchange, is_refused=True)
    assert raised.value is error
    journal = fetch(church.database, "SELECT outcome, detail FROM sync.token_refreshes WHERE org_id = %s", church.org)
    assert journal == [(outcome, str(error))]
    assert len(pauses) == 2


def test_exchanges_that_failed_are_no_renewals(church: Church) -> None:
    church.expire()
    church.simulator.fault(Fault(kind="status", status=503, path="/oauth/token", times=MAX_UNUSED_TOKENS + 1))
    with open_source(
        church.manifest, church.connection, watch(church.database, church.connection), attempts=1
    ) as source:
        for _ in range(MAX_UNUSED_TOKENS + 1):
            with pytest.raises(TransientError):
                source.read_account()
        source.read_account()
    assert church.connection.status is ConnectionStatus.ACTIVE
    assert church.uses == ["spent"]


def test_a_token_that_cannot_be_renewed_early_is_used_to_its_end(church: Church) -> None:
    connect(church, SOON)
    wrong = watch(church.database, church.connection, OAuthClient("demo-client", "wrong"))
    with open_source(church.manifest, church.connection, wrong) as source:
        source.read_account()
        church.expire()
        with pytest.raises(DefinitionError, match="OPENFAITH_PCO_CLIENT_SECRET"):
            source.read_account()


def test_a_source_that_is_not_there_got_nothing(church: Church, free_port: int) -> None:
    point_to(church, f"http://127.0.0.1:{free_port}")
    tokens = ConnectionTokens(church.database, church.connection)
    endpoints = OAuthEndpoints(church.manifest.adapter_file, church.connection.base_url, CLIENT)
    with pytest.raises(TransientError, match="no connection was made"):
        tokens.refresh(church.first, lambda held: endpoints.refresh(held.refresh_token, held.scopes), is_refused=True)
    journal = fetch(church.database, "SELECT outcome FROM sync.token_refreshes WHERE org_id = %s", church.org)
    assert journal == [("unspent",)]
    assert church.connection.status is ConnectionStatus.ACTIVE


def point_to(church: Church, url: str) -> None:
    run(church.database, "UPDATE sync.connections SET base_url = %s WHERE org_id = %s", url, church.org)


def test_a_client_that_the_source_does_not_know_is_not_the_orgs_fault(church: Church) -> None:
    church.expire()
    with (
        open_source(
            church.manifest,
            church.connection,
            watch(church.database, church.connection, OAuthClient("demo-client", "wrong")),
        ) as source,
        pytest.raises(DefinitionError, match="OPENFAITH_PCO_CLIENT_SECRET"),
    ):
        source.read_account()
    assert church.connection.status is ConnectionStatus.ACTIVE
    church.read()


def test_a_process_with_old_credentials_takes_the_new_ones_and_marks_nothing(church: Church) -> None:
    old = church.connection
    with (
        open_source(church.manifest, old, watch(church.database, old)) as source,
    ):
        church.simulator.revoke_grants([church.grant])
        connect(church, HOURS)
        source.read_account()
    assert church.connection.status is ConnectionStatus.ACTIVE
    assert church.uses == []


def test_new_credentials_for_elsewhere_are_not_shown_to_the_old_source(church: Church) -> None:
    old = church.connection
    with (
        open_source(church.manifest, old, watch(church.database, old), attempts=1) as source,
    ):
        church.expire()
        point_to(church, "https://other.example")
        with pytest.raises(TransientError, match="start again"):
            source.read_account()
    assert church.uses == []
