"""``GET /health``: whether the database answers. ``GET /ready``: whether the process can do its work."""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from openfaith_sync.domain.errors import DefinitionError, SyncError
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.web.database_calls import DatabaseCalls

_ANSWER_SECONDS = 5
# However many clients ask each second, the database is queried at most once.
_MIN_SECONDS_BETWEEN_QUERIES = 1.0
_REACHABLE, _UNREACHABLE, _OTHER_REVISION = "reachable", "unreachable", "another revision"


class Health:
    """Checks whether the database answers, and has the tables of this version. Used from one event loop."""

    def __init__(self, database: DatabaseCalls, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Check over the same connections that store deliveries."""
        self._database, self._clock = database, clock
        self._checked_at = float("-inf")
        self._status = _UNREACHABLE
        self._lock = asyncio.Lock()

    async def respond(self, _: Request) -> Response:
        """Return 200 if the database answers, else 503."""
        is_reachable = await self._check() != _UNREACHABLE
        status = _REACHABLE if is_reachable else _UNREACHABLE
        return JSONResponse({"database": status}, status_code=200 if is_reachable else 503)

    async def respond_ready(self, _: Request) -> Response:
        """Return 200 if deliveries can be stored, else 503: a proxy or orchestrator then sends them elsewhere."""
        status = await self._check()
        return JSONResponse({"database": status}, status_code=200 if status == _REACHABLE else 503)

    async def _check(self) -> str:
        async with self._lock:
            if self._clock() - self._checked_at >= _MIN_SECONDS_BETWEEN_QUERIES:
                self._status = await self._look()
                self._checked_at = self._clock()
            return self._status

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._database.run(_ask)
        except DefinitionError:
            return _OTHER_REVISION
        except (SyncError, TimeoutError):
            return _UNREACHABLE
        return _REACHABLE


def _ask(connection: Connection) -> None:
    connection.execute("SELECT sync.check_revision()")
