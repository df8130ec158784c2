"""The budget: how many requests a connection may still make, as the source states it.

A lone process never earns a 429. A request goes out when one of two things shows
that the source will count at most ``limit`` with it:

- the source's own count, as the last answer stated it, and every request of ours
  that it may not have counted yet;
- our own log: fewer than ``limit`` requests were under way or answered within the
  last ``period``, so no span of one period holds more.

The first lets a fresh window be used at full speed, the second knows when one begins.
Both hold whether the source counts in fixed windows or in sliding ones.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to send one request."""

    number: int
    """Counts the requests sent."""
    beside: int
    """How many others were under way when it was sent: the source may count them before it or after."""
    waited: timedelta


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
        self._sent = 0
        # The most that the source can have counted by now; None when no answer tells.
        self._counted: int | None = None
        self._closed_until = 0.0
        self._is_confirmed = False

    def take(self) -> Slot:
        """Wait until one more request may go out, and count it as under way."""
        with self._changed:
            began = self._clock()
            while (seconds := self._seconds_until_free()) != 0:
                self._wait(self._changed, seconds)
            self._sent += 1
            self._under_way += 1
            if self._counted is not None:
                self._counted += 1
            return Slot(self._sent, self._under_way - 1, timedelta(seconds=self._clock() - began))

    def learn(self, slot: Slot, limit: int | None, period: timedelta | None, count: int | None) -> None:
        """Count a request as answered and believe what its answer said of the budget.

        ``count`` is the source's own count. What it has above ours was spent by
        others on the same token, and leaves us less.
        """
        with self._changed:
            now = self._end()
            self._limit = limit or self._limit
            self._period = period.total_seconds() if period else self._period
            self._is_confirmed = True
            self._forget(now)
            foreign = (count or 0) - len(self._answered) - self._under_way
            self._answered.extend([now] * max(0, foreign))
            self._counted = None if count is None else count + self._sent - slot.number + slot.beside
            self._changed.notify_all()

    def lose(self) -> None:
        """Count a request without an answer as spent: the source may have seen it."""
        with self._changed:
            self._end()
            self._changed.notify_all()

    def close(self, span: timedelta) -> None:
        """Let nothing out for a while: the source asked for it."""
        with self._changed:
            self._closed_until = max(self._closed_until, self._clock() + span.total_seconds())
            self._counted = None

    def _end(self) -> float:
        now = self._clock()
        self._under_way -= 1
        self._answered.append(now)
        return now

    def _seconds_until_free(self) -> float | None:
        """Give 0 when a request may go, else the time to wait; ``None`` until something is answered."""
        now = self._clock()
        self._forget(now)
        if now < self._closed_until:
            return self._closed_until - now
        if not self._is_confirmed and self._under_way:
            # The first answer states the limit; until then one request at a time is enough to learn it.
            return None
        if self._counted is not None and self._counted < self._limit:
            return 0
        if len(self._answered) + self._under_way < self._limit:
            return 0
        return self._answered[0] + self._period - now if self._answered else None

    def _forget(self, now: float) -> None:
        while self._answered and self._answered[0] + self._period <= now:
            self._answered.popleft()
