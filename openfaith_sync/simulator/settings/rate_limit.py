"""The rate limit: fixed windows, one per credential, as the headers state it."""

import math
import re
from dataclasses import dataclass

from openfaith_sync.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class RateRule:
    """A number of requests per a number of seconds."""

    requests: int
    period_seconds: int


DEFAULT_RATE = RateRule(requests=100, period_seconds=20)


def parse_rate(text: str) -> RateRule | None:
    """Parse ``100/20`` into a rule; ``off`` means no limit.

    Raises:
        UsageError: The text is neither.
    """
    if text == "off":
        return None
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise UsageError(f"rate {text!r} is invalid; expected requests/seconds such as 100/20, or off")
    return RateRule(requests=int(match[1]), period_seconds=int(match[2]))


@dataclass(frozen=True, slots=True)
class WindowCount:
    """The state of a window after one request."""

    rule: RateRule
    count: int
    """Requests in this window up to this one, including refused ones."""
    began_seconds: float
    """When this window began."""
    retry_after_seconds: int
    """Seconds until the window ends, rounded up."""

    @property
    def is_refused(self) -> bool:
        """Return whether the request came after the limit was used up."""
        return self.count > self.rule.requests


class RateWindows:
    """Counts requests by credential.

    A window starts with the first request after the previous one ended, and
    lasts one period. Refused requests count too: that is why a client that
    keeps sending stays refused and sees a count above the limit. When the rule
    changes, the window keeps its count.
    """

    def __init__(self) -> None:
        """Start without any window."""
        self._windows: dict[str, list[float]] = {}

    def clear(self) -> None:
        """Discard all windows."""
        self._windows.clear()

    def count(self, credential: str, rule: RateRule, at_seconds: float) -> WindowCount:
        """Count one request of the credential against the rule."""
        window = self._windows.setdefault(credential, [-math.inf, 0])
        if at_seconds >= window[0] + rule.period_seconds:
            window[0], window[1] = at_seconds, 0
        window[1] += 1
        left = window[0] + rule.period_seconds - at_seconds
        return WindowCount(rule, int(window[1]), window[0], max(1, math.ceil(left)))
