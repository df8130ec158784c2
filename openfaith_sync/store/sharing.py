"""What all processes that use one connection have in common, gathered for a source's client."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from openfaith_sync.domain.connection import Connection, OAuthClient
from openfaith_sync.store.accounts import ConnectionAccount
from openfaith_sync.store.breakers import SharedBreaker
from openfaith_sync.store.budgets import PostgresLedger
from openfaith_sync.store.database import Database
from openfaith_sync.store.tokens import ConnectionTokens


@dataclass(frozen=True, slots=True)
class SharedConnection:
    """Implements ``adapters.needs.Shared``."""

    tokens: ConnectionTokens
    account: ConnectionAccount
    client: OAuthClient | None
    ledger: PostgresLedger
    breaker: SharedBreaker


@contextmanager
def share(database: Database, connection: Connection) -> Iterator[SharedConnection]:
    """Yield what is shared, for as long as the connection is used."""
    client = database.oauth_clients.get(connection.adapter)
    breaker = SharedBreaker(database, connection.org, connection.adapter)
    with closing(PostgresLedger(database, connection.org, connection.adapter)) as ledger:
        yield SharedConnection(
            ConnectionTokens(database, connection), ConnectionAccount(database, connection), client, ledger, breaker
        )
