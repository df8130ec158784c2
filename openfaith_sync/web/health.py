"""``GET /health``: whether the receiver can do its work."""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.web.database_calls import DatabaseCalls

_ANSWER_SECONDS = 5
# However many clients ask each second, the database is queried at most once.
_MIN_SECONDS_BETWEEN_QUERIES = 1.0


class Health:
    """Checks whether the database responds. Used from one event loop."""

    def __init__(self, database: DatabaseCalls, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Check over the same connections that store deliveries."""
        self._database, self._clock = database, clock
        self._checked_at = float("-inf")
        self._is_reachable = False
        self._lock = asyncio.Lock()

    async def respond(self, _: Request) -> Response:
        """Return 200 if the database responds, else 503."""
        async with self._lock:
            if self._clock() - self._checked_at >= _MIN_SECONDS_BETWEEN_QUERIES:
                self._is_reachable = await self._look()
                self._checked_at = self._clock()
        status = "reachable" if self._is_reachable else "unreachable"
        return JSONResponse({"database": status}, status_code=200 if self._is_reachable else 503)

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._database.run(_ask)
        except (SyncError, TimeoutError):
            return False


def _ask(connection: Connection) -> bool:
    return bool(fetch_one(connection, "SELECT true", ())[0])
