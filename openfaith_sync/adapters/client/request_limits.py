"""What one request may take of us: seconds for all of it, and bytes of its answer."""

import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from openfaith_sync.domain.errors import AnswerTooLarge, MalformedAnswer


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one request; the largest page that was ever recorded is a hundredth of the bytes."""

    connect_seconds: float = 10
    read_seconds: float = 60
    """Between two parts of an answer."""
    whole_seconds: float = 120
    """From the first byte that is sent to the last that comes: a drip keeps within the others for ever."""
    body_bytes: int = 32 << 20
    """As they come, and decompressed: a kilobyte may be a megabyte once it is."""


BOUNDS = Bounds()

GZIP = "gzip"
"""The one encoding that is asked for: one that can be decompressed in bounded steps."""

_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Let everything that this thread reads and writes over a bounded client's connections end by then."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def bound_connections(client: httpx.Client) -> None:
    """Have every connection of a client keep to the deadline.

    The library bounds each read, and a head that comes byte by byte is many of them.
    It has no other place for this: the pools are its own, proxies' among them.
    """
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001  see above
        pool = getattr(transport, "_pool", None)
        if pool is not None:
            pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001  see above


def read_body(response: httpx.Response, limit_bytes: int) -> bytes:
    """Return the body of a streamed answer, decompressed.

    Raises:
        AnswerTooLarge: It is larger than it may be.
        MalformedAnswer: It is encoded in a way that was not asked for.
        httpx.DecodingError: It cannot be decompressed.
        httpx.RequestError: It did not come whole or not in time.
    """
    if response.is_stream_consumed:
        # A transport without connections has it whole already.
        return response.content
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    parts: Iterable[bytes] = response.iter_raw()
    if encoding == GZIP:
        parts = _decompress(parts, limit_bytes)
    elif encoding != "identity":
        raise MalformedAnswer(f"the source answered in the encoding {encoding[:20]!r}, which was not asked for")
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > limit_bytes or response.num_bytes_downloaded > limit_bytes:
            raise AnswerTooLarge(f"the source's answer is larger than {limit_bytes:,} bytes")
    return bytes(body)


def _decompress(parts: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    """Yield a part at a time, none longer than the limit and a byte, so that it is seen to be over."""
    step = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for part in parts:
            yield step.decompress(part, limit_bytes + 1)
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
    if not step.eof:
        raise httpx.DecodingError("the compressed answer ends before its end")


def _left(timeout: float | None) -> float | None:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the whole request took too long")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(host, port, _left(timeout), local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_unix_socket(path, _left(timeout), socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
