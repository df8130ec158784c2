"""A request's body, whole and raw, within a size and a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from openfaith_sync.web.limits import Limits


class BodyTooLarge(Exception):
    """It has more bytes than one delivery may have."""


class BodyTooSlow(Exception):
    """It did not come in time."""


class NoRoom(Exception):
    """The bodies held at this moment leave no room for it."""


class Bodies:
    """All bodies that are held at one moment."""

    def __init__(self, limits: Limits) -> None:
        """Hold none."""
        self._limits = limits
        self._held_bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield a request's body; its bytes count until the context ends.

        Raises:
            BodyTooLarge: Before more than the limit was kept.
            BodyTooSlow: It is still not whole.
            NoRoom: Others are being read.
            ClientDisconnect: Nobody waits for an answer.
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
            raise NoRoom
        self._held_bytes += len(chunk)
        body += chunk
