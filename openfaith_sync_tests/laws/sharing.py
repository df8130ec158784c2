"""What is shared, with what tests need to see and do in between."""

from dataclasses import dataclass, field
from typing import Any

from openfaith_sync.adapters.ratelimit.budget_share import OwnLedger
from openfaith_sync.domain.connections.connection import Connection, OAuthClient
from openfaith_sync.store.connections.accounts import ConnectionAccount
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.database.database import Database

CLIENT = OAuthClient("demo-client", "demo-client-secret")


@dataclass(frozen=True)
class WatchedTokens:
    """Implements ``adapters.needs.Shared`` with the tokens shared in earnest, and nothing else at all.

    Whoever is killed leaves a part of a shared budget behind for a while, and a source that resets looks as if it
    were away: other tests are about that.
    """

    tokens: ConnectionTokens
    account: ConnectionAccount
    client: OAuthClient = CLIENT
    ledger: OwnLedger = field(default_factory=OwnLedger)
    breaker: None = None


def watch(database: Database, connection: Connection, client: OAuthClient = CLIENT, **seams: Any) -> WatchedTokens:
    """Return the tokens to share, as a client of the simulator; the seams are those of ``ConnectionTokens``."""
    tokens = ConnectionTokens(database, connection, **seams)
    return WatchedTokens(tokens, ConnectionAccount(database, connection), client)
