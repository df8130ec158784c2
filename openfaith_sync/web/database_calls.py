"""Runs database calls in threads, as many at once as there are connections."""

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
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.row_level_security import enter_org

T = TypeVar("T")

# The acknowledgement waits for this, so it is said here whatever the server's default is.
_SESSION = """
SELECT set_config('synchronous_commit', 'on', false), set_config('statement_timeout', '5s', false),
       set_config('lock_timeout', '5s', false)
"""
_WAIT_SECONDS = 5
_TRY_SECONDS = 0.25
"""A connection takes a few milliseconds to make; after this, the reason for its absence is looked for."""


class DatabaseCalls:
    """Runs calls on pooled connections, as many at once as there are connections."""

    def __init__(self, database: Database, size: int) -> None:
        """Open nothing yet: each connection is made by the first call that needs it."""
        self._database = database
        self._pool = build_pool(database, size, _SESSION)
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="database")
        self._turns = asyncio.Semaphore(size)

    def open(self) -> None:
        """Let calls be made."""
        self._pool.open()

    async def run(
        self, call: Callable[[Connection], T], org: OrgId = NOBODY, on_turn: Callable[[], None] = lambda: None
    ) -> T:
        """Return what the call makes of a connection that sees this org alone; it must be one that may be made twice.

        A call that failed with its connection, or might not fail again, is made once more on another one.
        ``on_turn`` is called in the event loop just before the call is made in its thread.

        Raises:
            TransientError: The database cannot be reached, or failed twice.
            DefinitionError: It refuses us.
        """
        await self._turns.acquire()
        on_turn()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._call, call, org)
        # Whoever waits may give up; the thread is free only when it ends.
        work.add_done_callback(self._end_turn)
        return await asyncio.shield(work)

    def close(self) -> None:
        """Wait for what is under way, and close."""
        self._threads.shutdown()
        self._pool.close()

    def _end_turn(self, work: "asyncio.Future[T]") -> None:
        self._turns.release()
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
                # What ended this one ended the idle ones too.
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
                # The pool does not say why it has none; a connection of our own does.
                with self._database.connect(NOBODY):
                    pass
            if time.monotonic() > deadline:
                raise TransientError("the database made no connection in time")
