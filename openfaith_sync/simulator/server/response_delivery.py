"""Send a response: whole, in drips, cut short, or not at all."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openfaith_sync.simulator.api.responses import ResponseEnding, SimulatedResponse

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DRIPS = 20
_EXTENSION = "openfaith_sync.connection"
# A socket with linger time zero drops what is unsent and resets the connection.
_RESET_AT_ONCE = struct.pack("ii", 1, 0)


class ResettableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which exposes the connection to the application."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


async def send_response(scope: Scope, send: Send, response: SimulatedResponse, headers: Headers) -> None:
    """Send as much of a response as its ending says."""
    if response.ending is ResponseEnding.NOTHING:
        _reset(scope)
        return
    if response.ending is not ResponseEnding.CUT_CHUNKED:
        headers = [*headers, (b"content-length", str(len(response.body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.ending is not ResponseEnding.WHOLE:
        # Ending the response early makes the server close the connection.
        await send({"type": "http.response.body", "body": response.body[: len(response.body) // 2], "more_body": True})
        if response.ending is ResponseEnding.RESET:
            _reset(scope)
        return
    if response.drip_seconds:
        await _drip(send, response)
    else:
        await send({"type": "http.response.body", "body": response.body})


async def _drip(send: Send, response: SimulatedResponse) -> None:
    length = -(-len(response.body) // DRIPS) or 1
    for start in range(0, len(response.body), length):
        chunk = response.body[start : start + length]
        await send({"type": "http.response.body", "body": chunk, "more_body": start + length < len(response.body)})
        await asyncio.sleep(response.drip_seconds)


def _reset(scope: Scope) -> None:
    transport: asyncio.Transport = scope["extensions"][_EXTENSION]["transport"]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    transport.abort()
