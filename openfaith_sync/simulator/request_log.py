"""The request log: what was asked, and what came of it."""

from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

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

    def as_json(self) -> dict[str, Any]:
        """Give the request as the control surface shows it."""
        return {
            "sequence": self.sequence,
            "method": self.method,
            "path": self.path,
            "query": dict(parse_qsl(self.query_string, keep_blank_values=True)),
            "status": self.status,
            "count": self.count,
            "digest": self.digest,
            "at_seconds": self.at_seconds,
        }


class RequestLog:
    """The latest requests; older ones fall out."""

    def __init__(self) -> None:
        """Start empty; the first request is number one."""
        self.requests: deque[LoggedRequest] = deque(maxlen=_MOST)
        self.last_sequence = 0

    def next_sequence(self) -> int:
        """Give the number of the request that comes in now."""
        self.last_sequence += 1
        return self.last_sequence

    def clear(self) -> None:
        """Forget all requests and count from one again."""
        self.requests.clear()
        self.last_sequence = 0
