"""Read request bodies, raw and complete, within limits on size and time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from openfaith_sync.web.limits import ServerLimits


class BodyTooLarge(Exception):
    """The body is larger than a delivery may be."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class MemoryLimitReached(Exception):
    """The bodies currently held leave no room for another."""


class RequestBodies:
    """All request bodies that are currently held in memory."""

    def __init__(self, limits: ServerLimits) -> None:
        """Start with no bodies."""
        self._limits = limits
        self._held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield a request's body; its bytes count towards the limit until the context ends.

        Raises:
            BodyTooLarge: The body exceeds the limit; raised before more than that is kept.
            BodyTooSlow: The body was not complete in time.
            NoRoom: Other bodies fill the memory limit.
            ClientDisconnect: The client closed the connection.
        """
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > self._limits.body_bytes:
            raise BodyTooLarge
        body = bytearray()
        try:
            try:
                async with asyncio.timeout(self._limits.body_seconds):
                    async for chunk in request.stream():
                        self._hold(body, chunk)
            except TimeoutError:
                raise BodyTooSlow from None
            yield bytes(body)
        finally:
            self._held_bytes -= len(body)

    def _hold(self, body: bytearray, chunk: bytes) -> None:
        if len(body) + len(chunk) > self._limits.body_bytes:
            raise BodyTooLarge
        if self._held_bytes + len(chunk) > self._limits.bodies_bytes:
            raise MemoryLimitReached
        self._held_bytes += len(chunk)
        body += chunk
