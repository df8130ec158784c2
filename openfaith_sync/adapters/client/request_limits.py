"""What one request may take of us: seconds for all of it, and bytes of its answer."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
