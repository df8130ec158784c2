"""One connection for the stores of many orgs in turn, with whatever it executes twice prepared.

A law with thousands of short syncs pays for each new session with a server process that knows no table yet, and for
each statement with its planning: together two thirds of the database's work. What a statement does is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg._preparing import PrepareManager

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.postgres_store import PostgresStore, open_store
from openfaith_sync.store.schema.row_level_security import enter_org

_ANY = OrgId("any")


class OneConnection:
    """A connection that is let into one org after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._org: OrgId | None = None
        connection._prepared = _KeptStatements()

    def within(self, org: OrgId) -> Connection:
        """Return the connection, which sees this org."""
        if org != self._org:
            enter_org(self._connection, org)
            self._org = org
        return self._connection

    def store(self, org: OrgId, on_step: OnStep | None = None) -> PostgresStore:
        """Return the store of this org, until another org's is asked for."""
        return PostgresStore(self.within(org), org, on_step)


@contextmanager
def one_connection(database: Database) -> Iterator[OneConnection]:
    with open_store(database, _ANY) as store:
        yield OneConnection(store._connection)


class _KeptStatements(PrepareManager):
    """Prepares a statement when it is executed again.

    The driver's own forgets all when a transaction is rolled back, and has the server forget what the page commits
    have prepared, too; so those switch it off. No test here drops what a statement is about.
    """

    prepared_max = 1000

    @property
    def prepare_threshold(self) -> int | None:
        return 1

    @prepare_threshold.setter
    def prepare_threshold(self, value: int | None) -> None:
        """Stay as it is."""

    def _should_discard(self, *_: Any) -> bool:
        return False
