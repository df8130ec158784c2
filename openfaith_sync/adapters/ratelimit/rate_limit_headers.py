"""What the headers of an answer state: the limit, and how long to wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from openfaith_sync.domain.manifest.paging import RateLimit

MOST_DIGITS = 12
"""Of a number in a header: what is longer is no number of seconds or requests."""


@dataclass(frozen=True, slots=True)
class StatedLimit:
    """The budget as one answer states it; ``None`` where it says nothing."""

    limit: int | None = None
    period: timedelta | None = None
    count: int | None = None


def parse_limit(headers: httpx.Headers, rate: RateLimit) -> StatedLimit:
    """Return the limit, its period and the count so far, as the answer states them."""
    seconds = _integer_at(headers, rate.period_header)
    limit, remaining = _integer_at(headers, rate.limit_header), _integer_at(headers, rate.remaining_header)
    is_counted = limit is not None and remaining is not None
    count = max(0, (limit or 0) - (remaining or 0)) if is_counted else _integer_at(headers, rate.count_header)
    return StatedLimit(limit, timedelta(seconds=seconds) if seconds else None, count)


def _integer_at(headers: httpx.Headers, name: str | None) -> int | None:
    return leading_integer(headers.get(name)) if name else None


def leading_integer(text: str | None) -> int | None:
    """Return the number a header begins with: the period is ``20`` on the wire, ``20 seconds`` in the documents."""
    digits = ""
    for character in (text or "").strip()[:MOST_DIGITS]:
        if not character.isdecimal():
            break
        digits += character
    return int(digits) if digits else None


def parse_retry_after(headers: httpx.Headers, name: str = "Retry-After") -> timedelta | None:
    """Return how long the source asks us to wait, from seconds or an HTTP date (RFC 9110 10.2.3).

    A date is read by the source's own clock, which stands in the same answer.
    """
    text = headers.get(name)
    seconds = leading_integer(text)
    if seconds is None:
        asked, now = _parse_date(text), _parse_date(headers.get("Date"))
        if asked is None:
            return None
        seconds = int((asked - (now or datetime.now(UTC))).total_seconds())
    # A lying header must not park a connection for days.
    return timedelta(seconds=min(max(seconds, 0), 3600))


def parse_answered_at(headers: Mapping[str, str]) -> datetime:
    """Return when the source answered, by its own clock (RFC 9110 6.6.1); by ours where it does not say."""
    return _parse_date(headers.get("Date")) or datetime.now(UTC)


def _parse_date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
