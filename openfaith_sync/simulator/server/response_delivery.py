"""How an answer leaves: whole, in drips, cut short, or not at all."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openfaith_sync.simulator.api.responses import Answer, Ending

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

DRIPS = 20
_EXTENSION = "openfaith_sync.connection"
# Seconds to linger in, of a socket that lingers: what is not sent yet is dropped and the peer told so.
_RESET_AT_ONCE = struct.pack("ii", 1, 0)


class ResettableProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which shows the application the connection."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


async def send_answer(scope: Scope, send: Send, answer: Answer, headers: Headers) -> None:
    """Send what there is of an answer, as its ending says."""
    if answer.ending is Ending.NOTHING:
        _reset(scope)
        return
    if answer.ending is not Ending.CUT_CHUNKED:
        headers = [*headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.ending is not Ending.WHOLE:
        # Ending without the rest makes the server close the connection.
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        if answer.ending is Ending.RESET:
            _reset(scope)
        return
    if answer.drip_seconds:
        await _drip(send, answer)
    else:
        await send({"type": "http.response.body", "body": answer.body})


async def _drip(send: Send, answer: Answer) -> None:
    length = -(-len(answer.body) // DRIPS) or 1
    for start in range(0, len(answer.body), length):
        part = answer.body[start : start + length]
        await send({"type": "http.response.body", "body": part, "more_body": start + length < len(answer.body)})
        await asyncio.sleep(answer.drip_seconds)


def _reset(scope: Scope) -> None:
    transport: asyncio.Transport = scope["extensions"][_EXTENSION]["transport"]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
    transport.abort()
