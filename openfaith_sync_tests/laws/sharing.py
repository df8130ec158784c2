"""What is shared, with what tests need to see and do in between."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from openfaith_sync.adapters.ratelimit.budget_share import LocalLedger
from openfaith_sync.domain.connections.connection import Connection, OAuthClient
from openfaith_sync.store.connections.accounts import ConnectionAccount
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.database.database import Database

CLIENT = OAuthClient("demo-client", "demo-client-secret")


class NeverAway:
    """A breaker that lets every request out, whatever became of those before it."""

    def admit(self) -> None: ...

    def note_answer(self) -> None: ...

    def end_probe(self) -> None: ...

    def note_failure(self, request: str, reason: str, lasted: timedelta) -> bool:
        return False


@dataclass(frozen=True)
class WatchedTokens:
    """Implements ``adapters.ports.shared_state.SharedState`` with shared tokens and nothing else.

    Whoever is killed leaves a part of a shared budget behind for a while, and a source that resets looks as if it
    were away: other tests are about that.
    """

    tokens: ConnectionTokens
    account: ConnectionAccount
    client: OAuthClient = CLIENT
    ledger: LocalLedger = field(default_factory=LocalLedger)
    breaker: NeverAway = field(default_factory=NeverAway)


def watch(database: Database, connection: Connection, client: OAuthClient = CLIENT, **seams: Any) -> WatchedTokens:
    """Return the tokens to share, as a client of the simulator; the seams are those of ``ConnectionTokens``."""
    tokens = ConnectionTokens(database, connection, **seams)
    return WatchedTokens(tokens, ConnectionAccount(database, connection), client)
