"""Run database calls in threads, as many at once as there are connections."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from psycopg_pool import PoolTimeout

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import NOBODY, OrgId
from openfaith_sync.store.database.connection_pool import build_pool
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.row_level_security import enter_org

T = TypeVar("T")

# Set explicitly, since an acknowledgement relies on it whatever the server's default is.
_SESSION = """
SELECT set_config('synchronous_commit', 'on', false), set_config('statement_timeout', '5s', false),
       set_config('lock_timeout', '5s', false)
"""
_WAIT_SECONDS = 5
_TRY_SECONDS = 0.25
"""A connection takes a few milliseconds to open; after this long, find out why there is none."""


class DatabaseCalls:
    """Runs calls on pooled connections, as many at once as there are connections."""

    def __init__(self, database: Database, size: int) -> None:
        """Open no connection yet: the first call that needs one opens it."""
        self._database = database
        self._pool = build_pool(database, size, _SESSION)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="database")
        self._slots = asyncio.Semaphore(size)

    @property
    def keys(self) -> SecretKeys:
        """Return the deployment's keys."""
        return self._database.keys

    def open(self) -> None:
        """Open the pool, so that calls can run."""
        self._pool.open()

    async def run(
        self, call: Callable[[Connection], T], org: OrgId = NOBODY, on_start: Callable[[], None] = lambda: None
    ) -> T:
        """Run a call with a connection that sees only this org, and return its result; the call must be repeatable.

        A call that fails with a transient error is repeated once on another connection.
        ``on_start`` runs in the event loop just before the call runs in its thread.

        Raises:
            TransientError: The database cannot be reached, or failed twice.
            DefinitionError: The database rejects our statements or credentials.
        """
        await self._slots.acquire()
        on_start()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._call, call, org)
        # The caller may be cancelled; the thread is free only when the call ends.
        work.add_done_callback(self._release_slot)
        return await asyncio.shield(work)

    def close(self) -> None:
        """Wait for running calls, and close the pool."""
        self._threads.shutdown()
        self._pool.close()

    def _release_slot(self, work: "asyncio.Future[T]") -> None:
        self._slots.release()
        if not work.cancelled():
            work.exception()

    def _call(self, call: Callable[[Connection], T], org: OrgId) -> T:
        connection = self._connection()
        try:
            return self._call_on(connection, call, org)
        except TransientError:
            connection = self._connection()
            return self._call_on(connection, call, org)

    def _call_on(self, connection: Connection, call: Callable[[Connection], T], org: OrgId) -> T:
        try:
            with translated():
                enter_org(connection, org)
                return call(connection)
        except TransientError:
            if connection.broken:
                # Whatever closed this connection closed the idle ones too.
                self._pool.drain()
            # The server may have become a read-only standby: the pool replaces a closed connection.
            connection.close()
            raise
        finally:
            self._pool.putconn(connection)

    def _connection(self) -> Connection:
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            try:
                return self._pool.getconn(_TRY_SECONDS)
            except PoolTimeout:
                # The pool does not report why it has no connection; opening one directly raises the reason.
                with self._database.connect(NOBODY):
                    pass
            if time.monotonic() > deadline:
                raise TransientError("the database opened no connection in time")
