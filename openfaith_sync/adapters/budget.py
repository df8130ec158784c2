"""The budget: how many requests a connection may still make, as the source states it.

A lone process never earns a 429: a request goes out only when fewer than
``limit`` requests were under way or answered within the last ``period``. That
holds whether the source counts in fixed windows or in sliding ones, since no
span of one period ever holds more than ``limit`` of our requests.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta


class Budget:
    """The requests of one connection in one process. Safe to use from several threads."""

    def __init__(
        self,
        limit: int,
        period: timedelta,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float | None], object] = threading.Condition.wait,
    ) -> None:
        """Start with what is assumed until the first answer states the real limit."""
        self._limit = limit
        self._period = period.total_seconds()
        self._clock = clock
        self._wait = wait
        self._changed = threading.Condition()
        self._answered: deque[float] = deque()
        self._under_way = 0
        self._closed_until = 0.0
        self._is_confirmed = False

    def take(self) -> timedelta:
        """Wait until one more request may go out, and count it as under way; gives the time waited."""
        with self._changed:
            began = self._clock()
            while (seconds := self._seconds_until_free()) != 0:
                self._wait(self._changed, seconds)
            self._under_way += 1
            return timedelta(seconds=self._clock() - began)

    def learn(self, limit: int | None, period: timedelta | None, count: int | None) -> None:
        """Count a request as answered and believe what its answer said of the budget.

        ``count`` is the source's own count. What it has above ours was spent by
        others on the same token, and leaves us less.
        """
        with self._changed:
            now = self._clock()
            self._under_way -= 1
            self._answered.append(now)
            self._limit = limit or self._limit
            self._period = period.total_seconds() if period else self._period
            self._is_confirmed = True
            self._forget(now)
            foreign = (count or 0) - len(self._answered) - self._under_way
            self._answered.extend([now] * max(0, foreign))
            self._changed.notify_all()

    def lose(self) -> None:
        """Count a request without an answer as spent: the source may have seen it."""
        with self._changed:
            self._under_way -= 1
            self._answered.append(self._clock())
            self._changed.notify_all()

    def close(self, span: timedelta) -> None:
        """Let nothing out for a while: the source asked for it."""
        with self._changed:
            self._closed_until = max(self._closed_until, self._clock() + span.total_seconds())

    def _seconds_until_free(self) -> float | None:
        """Give 0 when a request may go, else the time to wait; ``None`` until something is answered."""
        now = self._clock()
        self._forget(now)
        if now < self._closed_until:
            return self._closed_until - now
        if not self._is_confirmed and self._under_way:
            # The first answer states the limit; until then one request at a time is enough to learn it.
            return None
        if len(self._answered) + self._under_way < self._limit:
            return 0
        return self._answered[0] + self._period - now if self._answered else None

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] + self._period <= now:
            self._answered.popleft()
