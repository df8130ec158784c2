"""An org that is connected by OAuth, with a simulator that counts what is made of its tokens."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import Connection, OAuthTokens
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import (
    RunningSimulator,
)
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.refresher import PCO
from openfaith_sync_tests.laws.sharing import watch

PEOPLE = 230
SCOPES = ("people", "groups")
HOURS = timedelta(hours=2)
SOON = timedelta(minutes=1)
"""Within the manifest's lead: such a token is renewed after the next answer."""


@dataclass
class Church:
    """An org that is connected by OAuth."""

    org: OrgId
    grant: int
    database: Database
    simulator: RunningSimulator
    manifest: Manifest
    first: int = 0
    """The version that it began with."""

    @property
    def job(self) -> dict[str, Any]:
        keys = self.database.keys
        told = {"org": self.org, "database_url": self.database.libpq_url}
        return {**told, "home": str(keys.home), "keys": list(keys.given)}

    @property
    def connection(self) -> Connection:
        return load_connection(self.database, self.org, PCO)

    @property
    def uses(self) -> list[str]:
        return [use["outcome"] for use in self.simulator.oauth()["refreshes"] if use["grant"] == self.grant]

    def read(self, times: int = 1, **more: Any) -> None:
        """Read a few times in this process."""
        with (
            open_source(
                self.manifest, self.connection, watch(self.database, self.connection, **more), attempts=2
            ) as source,
        ):
            for _ in range(times):
                source.read_account()

    def expire(self) -> None:
        self.simulator.expire_tokens()


def connect(church: Church, lifetime: timedelta) -> Church:
    """Do what the end of `org connect` does."""
    (pair,) = church.simulator.issue_tokens(*SCOPES)
    tokens = OAuthTokens(pair["access_token"], pair["refresh_token"], lifetime, frozenset(SCOPES))
    add_connection(church.database, Connection(church.org, PCO, church.simulator.base_url, tokens))
    church.grant, church.first = pair["grant"], church.connection.version
    return church
