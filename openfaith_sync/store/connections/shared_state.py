"""The state that all processes using a connection share, for a source's client."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from openfaith_sync.domain.connections.connection import Connection, OAuthClient
from openfaith_sync.store.connections.accounts import ConnectionAccount
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import SharedBreaker
from openfaith_sync.store.ratelimit.budgets import PostgresLedger


@dataclass(frozen=True, slots=True)
class SharedConnection:
    """Implements ``adapters.ports.shared_state.SharedState``."""

    tokens: ConnectionTokens
    account: ConnectionAccount
    client: OAuthClient | None
    ledger: PostgresLedger
    breaker: SharedBreaker


@contextmanager
def share(database: Database, connection: Connection) -> Iterator[SharedConnection]:
    """Yield the shared state for as long as the connection is used."""
    client = database.oauth_clients.get(connection.adapter)
    breaker = SharedBreaker(database, connection.org, connection.adapter)
    with closing(PostgresLedger(database, connection.org, connection.adapter)) as ledger:
        yield SharedConnection(
            ConnectionTokens(database, connection), ConnectionAccount(database, connection), client, ledger, breaker
        )
