"""Many deliveries at once, each on a connection of its own, with as little work as can be on this side."""

import asyncio
import time
from collections.abc import Mapping, Sequence

Answer = tuple[int, float]
"""The status, 0 for none, and the seconds from the first byte sent to the answer."""


def request_bytes(path: str, content: bytes, headers: Mapping[str, str], *, is_last: bool = True) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: receiver", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Connection: close"] if is_last else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def flood(port: int, path: str, deliveries: Sequence[tuple[bytes, Mapping[str, str]]]) -> list[Answer]:
    """Open all connections, then send everything at one moment."""
    requests = [request_bytes(path, content, headers) for content, headers in deliveries]
    return asyncio.run(_flood(port, requests))


async def _flood(port: int, requests: Sequence[bytes]) -> list[Answer]:
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in requests]

    async def send(line: tuple[asyncio.StreamReader, asyncio.StreamWriter], request: bytes) -> Answer:
        reader, writer = line
        began = time.perf_counter()
        try:
            writer.write(request)
            answer = await reader.read()
        except OSError:
            answer = b""
        writer.close()
        return int(answer[9:12] or 0), time.perf_counter() - began

    return list(await asyncio.gather(*(send(line, request) for line, request in zip(lines, requests, strict=True))))
