"""A server that answers what was asked before from memory: the simulator renders each page once.

``python -m … replaying_server UPSTREAM`` prints its address and serves until standard input closes. All contenders read
from it, so that none waits for pages to be made: a page of 276 KB costs it 0.1 ms, the simulator 1.5 ms. Equal
parameters in another order are the same request. Below ``/_replay/``: ``figures`` and ``refresh``.
"""

import asyncio
import http.client
import os
import sys
import threading
import time
from email.utils import formatdate
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import orjson
import uvloop

CONTROL = "/_replay/"
_SET_HERE = {"connection", "content-length", "date", "transfer-encoding"}


class Replay:
    """The recorded answers, and the counts of requests."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._answers: dict[str, tuple[str, dict[str, str], bytes]] = {}
        self._by_target: dict[str, bytes] = {}
        self.requests = self.forwarded = 0

    def find(self, target: str) -> bytes | None:
        """Return the recorded answer to this target, all but its first line and date."""
        found = self._by_target.get(target)
        if found is None and (recorded := self._answers.get(_key(target))):
            found = self._by_target[target] = recorded[2]
        return found

    def forward(self, target: str, headers: dict[str, str]) -> tuple[int, bytes]:
        """Ask the simulator, and record its answer if it is a success."""
        connection = http.client.HTTPConnection(self._upstream.hostname or "", self._upstream.port)
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _SET_HERE]
        head = "".join(f"{name}: {value}\r\n" for name, value in kept) + f"content-length: {len(body)}\r\n\r\n"
        rest = head.encode("latin-1") + body
        if answer.status == http.client.OK:
            self._answers[_key(target)] = target, headers, rest
        return answer.status, rest

    def refresh(self) -> None:
        """Ask the simulator again for everything that was recorded."""
        self._by_target.clear()
        for target, headers, _ in list(self._answers.values()):
            self.forward(target, headers)

    def figures(self) -> dict[str, float]:
        """Return the counts, and the processor seconds of this process, since it began."""
        return {"requests": self.requests, "forwarded": self.forwarded, "cpu_seconds": time.process_time()}


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other, without bodies."""

    def __init__(self, replay: Replay) -> None:
        self._replay, self._pending = replay, b""
        self._transport: asyncio.WriteTransport | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            request, self._pending = self._pending[:end], self._pending[end + 4 :]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        target = request[: request.index(b"\r\n")].split(b" ")[1].decode("latin-1")
        if target.startswith(CONTROL):
            if target == f"{CONTROL}refresh":
                self._replay.refresh()
            body = orjson.dumps(self._replay.figures())
            self._send(200, b"content-length: %d\r\n\r\n%b" % (len(body), body))
            return
        self._replay.requests += 1
        rest = self._replay.find(target)
        if rest is not None:
            self._send(200, rest)
            return
        self._replay.forwarded += 1
        lines = request.decode("latin-1").split("\r\n")[1:]
        headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        task = asyncio.get_running_loop().create_task(self._forward(target, headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, target: str, headers: dict[str, str]) -> None:
        headers = {name: value for name, value in headers.items() if name.lower() not in ("accept-encoding", "te")}
        self._send(*await asyncio.to_thread(self._replay.forward, target, headers))

    def _send(self, status: int, rest: bytes) -> None:
        assert self._transport
        if not self._transport.is_closing():
            date = formatdate(usegmt=True)
            head = f"HTTP/1.1 {status} {http.client.responses.get(status, '')}\r\ndate: {date}\r\n"
            self._transport.writelines([head.encode(), rest])


def _key(target: str) -> str:
    path, _, query = target.partition("?")
    return repr((path, sorted(parse_qsl(query, keep_blank_values=True))))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


async def serve(upstream: str) -> None:
    """Serve until the process ends."""
    replay = Replay(upstream)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(replay), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvloop.run(serve(sys.argv[1]))
