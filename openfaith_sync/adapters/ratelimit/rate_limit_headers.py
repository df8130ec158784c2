"""Parses rate limits, waiting times and dates from response headers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from openfaith_sync.domain.manifest.paging import RateLimit

MAX_DIGITS = 12
"""In a header's number: a longer one is not a count of seconds or requests."""


@dataclass(frozen=True, slots=True)
class StatedLimit:
    """The rate limit that a response states; ``None`` for what it does not state."""

    limit: int | None = None
    period: timedelta | None = None
    count: int | None = None


def parse_limit(headers: httpx.Headers, rate: RateLimit) -> StatedLimit:
    """Return the limit, its period and the count so far, as the response states them."""
    seconds = _integer_at(headers, rate.period_header)
    limit, remaining = _integer_at(headers, rate.limit_header), _integer_at(headers, rate.remaining_header)
    is_counted = limit is not None and remaining is not None
    count = max(0, (limit or 0) - (remaining or 0)) if is_counted else _integer_at(headers, rate.count_header)
    return StatedLimit(limit, timedelta(seconds=seconds) if seconds else None, count)


def _integer_at(headers: httpx.Headers, name: str | None) -> int | None:
    return leading_integer(headers.get(name)) if name else None


def leading_integer(text: str | None) -> int | None:
    """Return the number a header begins with: a period is documented as ``20 seconds``, but sent as ``20``."""
    digits = ""
    for character in (text or "").strip()[:MAX_DIGITS]:
        if not character.isdecimal():
            break
        digits += character
    return int(digits) if digits else None


def parse_retry_after(headers: httpx.Headers, name: str = "Retry-After") -> timedelta | None:
    """Return how long the source asks us to wait, from seconds or an HTTP date (RFC 9110 10.2.3).

    A date is compared with the source's own clock, from the Date header of the same response.
    """
    text = headers.get(name)
    seconds = leading_integer(text)
    if seconds is None:
        until, now = _parse_date(text), _parse_date(headers.get("Date"))
        if until is None:
            return None
        seconds = int((until - (now or datetime.now(UTC))).total_seconds())
    # A wrong header must not block a connection for days.
    return timedelta(seconds=min(max(seconds, 0), 3600))


def parse_answered_at(headers: Mapping[str, str]) -> datetime:
    """Return the time of a response by the source's clock (RFC 9110 6.6.1), or by ours if it states none."""
    return _parse_date(headers.get("Date")) or datetime.now(UTC)


def _parse_date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
