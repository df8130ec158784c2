"""The request log: what was asked, and what came of it."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import parse_qsl

from openfaith_sync.simulator.settings.rate_limit import Verdict

_MOST = 500_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request and its answer."""

    sequence: int
    method: str
    path: str
    query_string: str
    status: int
    count: int
    """How many records of the asked kind were in the answer."""
    digest: str
    """Equal for equal bodies."""
    at_seconds: float
    """When it was answered, in seconds since 1970."""
    verdict: Verdict | None = None
    """What it did to its window; nothing where no limit is kept."""

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
            "rate": self.verdict
            and {
                "limit": self.verdict.rule.requests,
                "count": self.verdict.count,
                "window": self.verdict.began_seconds,
            },
        }


@dataclass(frozen=True, slots=True)
class WindowUse:
    """What was made of one window of the limit."""

    began_seconds: float
    limit: int
    """As it was at the window's end."""
    count: int
    over: int
    """Requests beyond the limit as it was when they came."""


def read_window_uses(logged: Iterable[Mapping[str, Any]]) -> list[WindowUse]:
    """Return the windows of a log as the control surface shows it, in their order; of one credential."""
    found = sorted((row["rate"] for row in logged if row["rate"]), key=lambda rate: (rate["window"], rate["count"]))
    uses = []
    for began, rates in groupby(found, key=lambda rate: rate["window"]):
        window = list(rates)
        over = sum(rate["count"] > rate["limit"] for rate in window)
        uses.append(WindowUse(began, window[-1]["limit"], len(window), over))
    return uses


class RequestLog:
    """The latest requests; older ones fall out."""

    def __init__(self) -> None:
        """Start empty; the first request is number one."""
        self.requests: deque[LoggedRequest] = deque(maxlen=_MOST)
        self.last_sequence = 0

    def next_sequence(self) -> int:
        """Return the number of the request that comes in now."""
        self.last_sequence += 1
        return self.last_sequence

    def clear(self) -> None:
        """Forget all requests and count from one again."""
        self.requests.clear()
        self.last_sequence = 0
