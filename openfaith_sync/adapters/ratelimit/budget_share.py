"""One process's share of a connection's budget: slots taken from the ledger in slices, and spent here.

Only a slice needs a round trip to the ledger, not each request. ``domain/ratelimit/spending.py`` decides
how many slots each process gets; this module spends them while they are valid, and reports at the next
visit what was sent.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from openfaith_sync.adapters.ports.shared_state import Ledger
from openfaith_sync.adapters.ratelimit.rate_limit_headers import StatedLimit
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ratelimit.budget import Answered, Budget, Grant, RateRefusal, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.ratelimit.spending import apply_visit

MAX_PERIOD_FACTOR = 10
"""A header that states a longer period is capped: it would block the connection."""
MAX_LIMIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to send one request."""

    taken: float
    waited: timedelta
    valid_until: float
    """A caller that has not sent the request by then must release the slot and take another."""


class BudgetExhausted(TransientError):
    """No request may be sent within the time that the caller would wait."""


class LedgerUnreachable(TransientError):
    """The ledger cannot be reached, so no request may be sent."""


class LocalLedger:
    """An in-memory ledger, for a connection that no other process uses, such as one being verified."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without any budgets."""
        self._clock = clock
        self._lock = threading.Lock()
        self._budgets: dict[str, Budget] = {}

    def visit(self, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        """Report to one bucket, and return the slots granted."""
        with self._lock:
            self._budgets[bucket], grant = apply_visit(self._budgets.get(bucket, assumed), visit, self._clock())
        return grant


class BudgetShare:
    """The slots of one bucket that one process holds. Thread-safe."""

    def __init__(
        self,
        ledger: Ledger,
        bucket: str,
        assumed: Budget,
        lane: Lane,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Condition, float | None], object] = threading.Condition.wait,
    ) -> None:
        """Start without slots; ``assumed`` is the budget until a response states the real limit."""
        self._ledger, self._bucket, self._assumed, self._lane = ledger, bucket, assumed, lane
        self._clock, self._wait = clock, wait
        self._holder = uuid4().hex
        self._changed = threading.Condition()
        self._grant: Grant | None = None
        # The ledger's clock showed ``grant.now`` at some moment between these two, by our clock.
        self._asked_at = self._granted_at = 0.0
        self._unspent = self._under_way = self._waiters = 0
        self._taken: deque[float] = deque()
        self._ended: list[tuple[float, float, int | None]] = []
        self._stated = StatedLimit()
        self._heard = False
        self._refusal: tuple[float, timedelta | None] | None = None
        self._withdrawn_at = -math.inf

    def take(self, until: float = math.inf) -> Slot:
        """Wait until one more request may be sent, and count it as in flight.

        Raises:
            BudgetExhausted: No request may be sent until that moment.
            LedgerUnreachable: The ledger could not be reached.
        """
        with self._changed:
            began = self._clock()
            self._waiters += 1
            try:
                while (slot := self.try_take(began)) is None:
                    seconds = self._seconds_until_visit()
                    if self._clock() + seconds > until:
                        after = timedelta(seconds=math.ceil(seconds))
                        raise BudgetExhausted("the source's rate limit budget is used up", retry_after=after)
                    self._wait(self._changed, seconds)
            finally:
                self._waiters -= 1
            return slot

    def try_take(self, began: float | None = None) -> Slot | None:
        """Return a slot if one is available now, here or at the ledger; ``None`` otherwise."""
        with self._changed:
            if not self._is_spendable() and self._seconds_until_visit() <= 0:
                self._visit(max(self._waiters, self._count_recent(), 1))
            if not self._is_spendable():
                return None
            assert self._grant
            now = self._clock()
            self._unspent -= 1
            self._under_way += 1
            self._taken.append(now)
            waited = timedelta(seconds=now - (now if began is None else began))
            return Slot(now, waited, self._asked_at + self._grant.valid)

    def is_valid(self, slot: Slot) -> bool:
        """Return whether an unused slot may still be used."""
        with self._changed:
            return slot.taken >= self._withdrawn_at and self._clock() < slot.valid_until

    def learn(self, slot: Slot, stated: StatedLimit) -> None:
        """Record the response to a request, and the limit that it states."""
        now = self._clock()
        with self._changed:
            self._end(slot, now, stated.count)
            self._apply_stated(stated)
            self._changed.notify_all()

    def lose(self, slot: Slot) -> None:
        """Count a request without a response as spent: the source may have received it."""
        now = self._clock()
        with self._changed:
            self._end(slot, now, None)
            self._changed.notify_all()

    def refuse(self, slot: Slot, stated: StatedLimit, retry_after: timedelta | None) -> None:
        """Report at once to all processes that the source rejects requests because of its rate limit."""
        now = self._clock()
        with self._changed:
            self._end(slot, now, None)
            self._apply_stated(stated)
            self._refusal = (slot.taken, retry_after)
            self._withdraw()
            self._visit(0)
            self._changed.notify_all()

    def close(self) -> None:
        """Return unused slots to the ledger, and give up the place of waiting requests."""
        with self._changed:
            grant = self._grant
            if grant is not None and (self._unspent or self._ended or not grant.slots):
                # If the ledger cannot be reached, the slots expire on their own.
                with suppress(TransientError):
                    self._visit(0)

    def _end(self, slot: Slot, now: float, count: int | None) -> None:
        self._under_way -= 1
        self._ended.append((slot.taken, now, count))

    def _apply_stated(self, stated: StatedLimit) -> None:
        self._heard = True
        self._stated = StatedLimit(
            min(stated.limit, MAX_LIMIT) if stated.limit else self._stated.limit,
            self._capped_period(stated.period) if stated.period else self._stated.period,
        )
        grant = self._grant
        is_used_up = stated.count is not None and stated.limit is not None and stated.count >= stated.limit
        if grant is not None and (is_used_up or (self._stated.limit or grant.limit) < grant.limit):
            # Our remaining slots were granted under a limit that no longer applies.
            self._withdraw()

    def _withdraw(self) -> None:
        self._unspent = 0
        self._withdrawn_at = self._clock()

    def _capped_period(self, period: timedelta) -> timedelta:
        return min(period, timedelta(seconds=self._assumed.period * MAX_PERIOD_FACTOR))

    def _is_spendable(self) -> bool:
        grant = self._grant
        return bool(grant and self._unspent and self._clock() - self._asked_at < grant.valid)

    def _seconds_until_visit(self) -> float:
        grant = self._grant
        if grant is None or grant.slots:
            return 0.0
        now = self._clock()
        if self._ended and not self._under_way:
            return 0.0
        report_at = self._granted_at + grant.period / 400 if self._ended else float("inf")
        return min(report_at, self._granted_at + grant.come_back) - now

    def _count_recent(self) -> int:
        """Return how many requests were sent in the validity of one slice: the estimate for the next one."""
        earliest = self._clock() - (self._grant.valid if self._grant else 0.0)
        while self._taken and self._taken[0] < earliest:
            self._taken.popleft()
        return len(self._taken)

    def _visit(self, wanted: int) -> None:
        stated = self._stated
        visit = Visit(
            holder=self._holder,
            lane=self._lane,
            wanted=wanted,
            under_way=self._under_way,
            answered=tuple(
                Answered(self._not_after(taken), self._not_before(ended), count) for taken, ended, count in self._ended
            ),
            limit=stated.limit,
            period=stated.period.total_seconds() if stated.period else None,
            heard=self._heard,
            refusal=self._refused() if self._refusal else None,
        )
        asked_at = self._clock()
        try:
            self._grant = self._ledger.visit(self._bucket, self._assumed, visit)
        except TransientError as error:
            raise LedgerUnreachable(f"the budget cannot be shared: {error}", retry_after=error.retry_after) from error
        self._asked_at, self._granted_at = asked_at, self._clock()
        self._unspent = self._grant.slots
        self._ended.clear()
        self._stated, self._heard, self._refusal = StatedLimit(), False, None

    def _refused(self) -> RateRefusal:
        assert self._refusal
        taken, retry_after = self._refusal
        return RateRefusal(self._not_after(taken), None if retry_after is None else retry_after.total_seconds())

    def _not_after(self, moment: float) -> float:
        """Return a moment of our clock by the ledger's clock, rounded to be early rather than late."""
        assert self._grant
        return self._grant.now + moment - self._granted_at

    def _not_before(self, moment: float) -> float:
        """Return a moment of our clock by the ledger's clock, rounded to be late rather than early."""
        assert self._grant
        return self._grant.now + moment - self._asked_at
