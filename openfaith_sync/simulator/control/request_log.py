"""The request log: each request and its result."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl

from openfaith_sync.simulator.settings.rate_limit import WindowCount

_MOST = 500_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request and its response."""

    sequence: int
    method: str
    path: str
    query_string: str
    status: int
    count: int
    """The number of primary records in the response."""
    digest: str
    """Equal for equal bodies."""
    at_seconds: float
    """When it was answered, in seconds since 1970."""
    window_count: WindowCount | None = None
    """The state of its rate limit window; nothing without a limit."""

    def as_json(self) -> dict[str, Any]:
        """Return the request as the control surface shows it."""
        return {
            "sequence": self.sequence,
            "method": self.method,
            "path": self.path,
            "query": dict(parse_qsl(self.query_string, keep_blank_values=True)),
            "status": self.status,
            "count": self.count,
            "digest": self.digest,
            "at_seconds": self.at_seconds,
            "rate": self.window_count
            and {
                "limit": self.window_count.rule.requests,
                "count": self.window_count.count,
                "window": self.window_count.began_seconds,
            },
        }


@dataclass(frozen=True, slots=True)
class WindowUse:
    """How one window of the rate limit was used."""

    began_seconds: float
    limit: int
    """The limit at the window's end."""
    count: int
    over: int
    """Requests beyond the limit that applied when they came."""


def read_window_uses(logged: Iterable[Mapping[str, Any]]) -> list[WindowUse]:
    """Return the windows of a log as the control surface shows it, in order; of one credential."""
    counts = sorted((row["rate"] for row in logged if row["rate"]), key=lambda rate: (rate["window"], rate["count"]))
    uses = []
    for began, rates in groupby(counts, key=lambda rate: rate["window"]):
        window = list(rates)
        over = sum(rate["count"] > rate["limit"] for rate in window)
        uses.append(WindowUse(began, window[-1]["limit"], len(window), over))
    return uses


class RequestLog:
    """The latest requests; the oldest ones are dropped."""

    def __init__(self) -> None:
        """Start empty; the first request is number one."""
        self.requests: deque[LoggedRequest] = deque(maxlen=_MOST)
        self.last_sequence = 0

    def next_sequence(self) -> int:
        """Return the number of the request that is arriving now."""
        self.last_sequence += 1
        return self.last_sequence

    def clear(self) -> None:
        """Clear the log and restart its numbering."""
        self.requests.clear()
        self.last_sequence = 0
