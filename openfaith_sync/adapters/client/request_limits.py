"""Limits of one request: its total time, and the size of its response."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import httpx

from openfaith_sync.domain.errors import AnswerTooLarge, MalformedAnswer


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of one request; the largest page ever recorded is a hundredth of ``body_bytes``."""

    connect_seconds: float = 10
    read_seconds: float = 60
    """Between two chunks of a response."""
    whole_seconds: float = 120
    """From the first byte sent to the last byte received: a slow drip never exceeds the other limits."""
    body_bytes: int = 32 << 20
    """Both as received and decompressed: a kilobyte may decompress to a megabyte."""


DEFAULT_LIMITS = RequestLimits()

GZIP = "gzip"
"""The only content encoding that is requested, since it can be decompressed in bounded steps."""


def read_body(response: httpx.Response, limit_bytes: int) -> bytes:
    """Return the body of a streamed response, decompressed.

    Raises:
        AnswerTooLarge: The body exceeds the limit.
        MalformedAnswer: The body has an encoding that was not requested.
        httpx.DecodingError: The body cannot be decompressed.
        httpx.RequestError: The body did not arrive completely or in time.
    """
    if response.is_stream_consumed:
        # A transport without connections has already read it.
        return response.content
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    assert isinstance(response.stream, Iterable)
    parts = _limit(response.stream, limit_bytes)
    if encoding == GZIP:
        parts = _limit(_decompress(parts, limit_bytes), limit_bytes)
    elif encoding != "identity":
        raise MalformedAnswer(f"the source answered with the encoding {encoding[:20]!r}, which was not requested")
    return b"".join(parts)


def _limit(parts: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    """Yield the parts while their sum is within the limit."""
    total = 0
    for part in parts:
        total += len(part)
        if total > limit_bytes:
            raise AnswerTooLarge(f"the source's response is larger than {limit_bytes:,} bytes")
        yield part


def _decompress(parts: Iterable[bytes], limit_bytes: int) -> Iterator[bytes]:
    """Yield decompressed parts, each at most one byte over the limit, so that the caller notices the excess."""
    step = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for part in parts:
            yield step.decompress(part, limit_bytes + 1)
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from error
    if not step.eof:
        raise httpx.DecodingError("the compressed response is cut short")
