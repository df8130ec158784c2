"""The budget ledger that all processes of a connection share.

A visit reads the budget, computes the new one, and writes it if no other process did so
meanwhile; else it starts over. No lock is held in between, so a process that stops there
blocks no other. All times are the database's.
"""

import threading
from contextlib import ExitStack
from typing import Any, LiteralString

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter, ValidationError

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.ratelimit.budget import Budget, Grant, Visit
from openfaith_sync.domain.ratelimit.spending import apply_visit
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one

MOST_TRIES = 200
"""Each that fails means that another process went before."""

_LOAD: LiteralString = """
SELECT held.version, held.budget, extract(epoch FROM clock_timestamp())::float8
FROM (SELECT) AS always
LEFT JOIN sync.budgets AS held
  ON held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.bucket = %(bucket)s
"""
_STORE: LiteralString = """
INSERT INTO sync.budgets AS held (org_id, adapter, bucket, version, budget)
VALUES (%(org)s, %(adapter)s, %(bucket)s, 1, %(budget)s)
ON CONFLICT (org_id, adapter, bucket) DO UPDATE
SET version = held.version + 1, budget = EXCLUDED.budget, updated_at = now()
WHERE held.version = %(version)s
"""
# A server crash may lose a moment of spending; waiting for the disk would cost each slice more.
_SESSION: LiteralString = "SELECT set_config('synchronous_commit', 'off', false)"

_BUDGET = TypeAdapter(Budget)


class PostgresLedger:
    """The ledger of one connection; implements ``adapters.ports.shared_state.Ledger``. Thread-safe."""

    def __init__(self, database: Database, org: OrgId, adapter: AdapterName) -> None:
        """Open no connection yet."""
        self._database, self._org, self._adapter = database, org, adapter
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._session: Connection | None = None

    def visit(self, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        """Apply a visit to one bucket.

        Raises:
            TransientError: The database is unreachable, or too many other processes visit at once.
        """
        with self._lock:
            try:
                return self._settle(self._connected(), bucket, assumed, visit)
            except BaseException:  # Ctrl-C too: what a session was in the middle of is not gone on with; raised again
                self._hang_up()
                raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._hang_up()

    def _settle(self, session: Connection, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        key = {"org": self._org, "adapter": self._adapter, "bucket": bucket}
        with translated():
            for _ in range(MOST_TRIES):
                version, found, now = fetch_one(session, _LOAD, key)
                budget, grant = apply_visit(_read(found, assumed), visit, now)
                parameters = {"version": version or 0, "budget": Jsonb(_BUDGET.dump_python(budget, mode="json"))}
                if session.execute(_STORE, key | parameters).rowcount:
                    return grant
        raise TransientError(f"the budget of {self._org}/{self._adapter} is asked for by too many processes at once")

    def _connected(self) -> Connection:
        if self._session is None:
            session = self._open.enter_context(self._database.connect(self._org))
            with translated():
                session.execute(_SESSION)
            self._session = session
        return self._session

    def _hang_up(self) -> None:
        self._session = None
        self._open.close()


def load_budget(
    database: Database, org: OrgId, adapter: AdapterName, bucket: str, assumed: Budget
) -> tuple[Budget, float]:
    """Return a connection's budget as it is now, and the ledger's time; nothing is taken from it."""
    key = {"org": org, "adapter": adapter, "bucket": bucket}
    with database.connect(org) as session:
        _, found, now = fetch_one(session, _LOAD, key)
    return _read(found, assumed), now


def _read(found: Any, assumed: Budget) -> Budget:
    if found is None:
        return assumed
    try:
        return _BUDGET.validate_python(found)
    except ValidationError:
        # Another version wrote it. One request learns the source's limit anew.
        return assumed
