"""A few database connections that are kept open, each in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TypeVar

from openfaith_sync.domain.errors import SyncError, TransientError
from openfaith_sync.domain.ids import NOBODY, OrgId
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


class ConnectionPool:
    """Runs calls on kept connections, as many at once as there are connections."""

    def __init__(self, database: Database, size: int) -> None:
        """Open nothing yet: each connection is made by the first call that needs it."""
        self._database = database
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="database")
        self._turns = asyncio.Semaphore(size)
        self._held = threading.local()
        self._open: set[ExitStack] = set()

    async def run(
        self, call: Callable[[Connection], T], org: OrgId = NOBODY, on_turn: Callable[[], None] = lambda: None
    ) -> T:
        """Return what the call makes of a connection that sees this org alone; it must be one that may be made twice.

        A connection that was lost while nobody used it is made again and the call with it.
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
        for stack in self._open:
            with suppress(SyncError):
                stack.close()

    def _end_turn(self, work: "asyncio.Future[T]") -> None:
        self._turns.release()
        if not work.cancelled():
            work.exception()

    def _call(self, call: Callable[[Connection], T], org: OrgId) -> T:
        connection, is_fresh = self._connection()
        try:
            return self._call_on(connection, call, org)
        except TransientError:
            self._drop()
            if is_fresh:
                raise
        connection, _ = self._connection()
        try:
            return self._call_on(connection, call, org)
        except TransientError:
            self._drop()
            raise

    def _call_on(self, connection: Connection, call: Callable[[Connection], T], org: OrgId) -> T:
        with translated():
            if self._held.org != org:
                enter_org(connection, org)
                self._held.org = org
            return call(connection)

    def _connection(self) -> tuple[Connection, bool]:
        held: tuple[Connection, ExitStack] | None = getattr(self._held, "now", None)
        if held is not None:
            return held[0], False
        stack = ExitStack()
        connection = stack.enter_context(self._database.connect(NOBODY))
        try:
            with translated():
                connection.execute(_SESSION)
        except TransientError:
            stack.close()
            raise
        self._held.now, self._held.org = (connection, stack), NOBODY
        self._open.add(stack)
        return connection, True

    def _drop(self) -> None:
        _, stack = self._held.now
        self._held.now = None
        self._open.discard(stack)
        with suppress(SyncError):
            stack.close()
