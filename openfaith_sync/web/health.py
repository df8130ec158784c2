"""Whether the receiver can do its work: ``GET /health``."""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.web.database_calls import DatabaseCalls

_ANSWER_SECONDS = 5
# Whoever asks a thousand times a second makes one query.
_SECONDS_BETWEEN_LOOKS = 1.0


class Health:
    """Knows whether the database answers. Used from one event loop."""

    def __init__(self, database: DatabaseCalls, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask over the same connections that deliveries are stored with."""
        self._database, self._clock = database, clock
        self._looked_at = float("-inf")
        self._is_well = False
        self._turn = asyncio.Lock()

    async def answer(self, _: Request) -> Response:
        """Return 200 while the database answers, else 503."""
        async with self._turn:
            if self._clock() - self._looked_at >= _SECONDS_BETWEEN_LOOKS:
                self._is_well = await self._look()
                self._looked_at = self._clock()
        said = "reachable" if self._is_well else "away"
        return JSONResponse({"database": said}, status_code=200 if self._is_well else 503)

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._database.run(_ask)
        except (SyncError, TimeoutError):
            return False


def _ask(connection: Connection) -> bool:
    return bool(fetch_one(connection, "SELECT true", ())[0])
