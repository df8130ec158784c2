"""Processes that share a budget never go over the source's limit, whichever way the source counts."""

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfaith_sync.adapters.ratelimit.budget_share import BudgetExhausted, BudgetShare, LocalLedger, Slot
from openfaith_sync.adapters.ratelimit.rate_limit_headers import StatedLimit
from openfaith_sync.domain.ratelimit.budget import COMMON, Budget, Grant, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane

SECONDS = 20.0
PERIOD = timedelta(seconds=SECONDS)
ASSUMED = Budget(100, SECONDS)
# Answers of no length at all make both ends of a period equal, and floats then round either way.
ROUNDING = 1e-6


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, _: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None
        assert seconds > 0
        self.now += seconds


class FixedWindows:
    """Counts as the source does: a window begins with the first request after the last one ended."""

    def __init__(self, limit: int) -> None:
        self.limit, self.began, self.count, self.used = limit, -1e9, 0, [0]

    def arrive(self, now: float) -> int:
        if now >= self.began + SECONDS - ROUNDING:
            self.used.append(0)
            self.began, self.count = now, 0
        self.count += 1
        self.used[-1] += 1
        return self.count


class SlidingWindow:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.arrivals: deque[float] = deque()

    def arrive(self, now: float) -> int:
        while self.arrivals and self.arrivals[0] <= now - SECONDS + ROUNDING:
            self.arrivals.popleft()
        self.arrivals.append(now)
        return len(self.arrivals)


Window = type[FixedWindows] | type[SlidingWindow]


class FarLedger:
    """A ledger that is some way off: its clock shows another time when it answers than when it was asked."""

    def __init__(self, inner: LocalLedger, clock: Clock, ways: Callable[[], float]) -> None:
        self.inner, self.clock, self.ways, self.visits = inner, clock, ways, 0

    def visit(self, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        self.visits += 1
        self.clock.now += self.ways()
        grant = self.inner.visit(bucket, assumed, visit)
        self.clock.now += self.ways()
        return grant

    def close(self) -> None: ...


@dataclass
class Process:
    share: BudgetShare
    left: int
    most_under_way: int
    dies_with: int | None = None
    """With so many left to send it sends one more and is no more."""
    gap: float = 0.0
    under_way: int = 0
    ready_at: float = 0.0
    waits: list[float] = field(default_factory=list)
    wants_since: float | None = None

    def wants(self, now: float) -> bool:
        return self.left > 0 and self.under_way < self.most_under_way and self.ready_at <= now


class World:
    """Processes, requests on their way to a source that counts them as they arrive, and answers on their way back."""

    def __init__(
        self,
        server: FixedWindows | SlidingWindow,
        ways: list[float],
        ledger_ways: list[float],
        says: Callable[[int], int] = lambda count: count,
    ) -> None:
        self.server, self.clock, self.says = server, Clock(), says
        self.ways, self.numbers = itertools.cycle(ways), itertools.count()
        far = itertools.cycle(ledger_ways)
        clock = self.clock
        # The ledger's clock is another one.
        ledger = LocalLedger(lambda: clock.now + 5e8)
        # What is promised is promised from the first answer on.
        ledger.visit(COMMON, ASSUMED, Visit("first", Lane.WEBHOOK, limit=server.limit, period=SECONDS, heard=True))
        self.ledger = FarLedger(ledger, clock, lambda: next(far))
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.processes: list[Process] = []
        self.sent = 0

    def add(
        self, lane: Lane, left: int, most_under_way: int, dies_with: int | None = None, gap: float = 0.0
    ) -> Process:
        share = BudgetShare(self.ledger, COMMON, ASSUMED, lane, clock=self.clock)
        self.processes.append(Process(share, left, most_under_way, dies_with, gap, ready_at=self.clock.now))
        return self.processes[-1]

    def at(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.clock.now + seconds, next(self.numbers), do))

    def send(self, process: Process, slot: Slot) -> None:
        if process.left == process.dies_with:
            process.left = 0
            # What it sent goes on its way, and nobody hears the answer.
            self.at(next(self.ways), self.arrive)
            return
        process.left -= 1
        process.under_way += 1
        process.ready_at = self.clock.now + process.gap
        self.sent += 1

        def answer(count: int) -> None:
            process.under_way -= 1
            process.share.learn(slot, StatedLimit(self.server.limit, PERIOD, self.says(count)))

        self.at(next(self.ways), lambda: self.arrive(answer))

    def arrive(self, answer: Callable[[int], None] = lambda _: None) -> None:
        count = self.server.arrive(self.clock.now)
        assert count <= self.server.limit
        self.at(next(self.ways), lambda: answer(count))

    def run(self, until: float = 1e9, step: float = 0.02) -> None:
        while self.clock.now < until and (any(p.left for p in self.processes) or self.events):
            for process in self.processes:
                while process.wants(self.clock.now):
                    if process.wants_since is None:
                        process.wants_since = self.clock.now
                    if (slot := process.share.try_take()) is None:
                        break
                    process.waits.append(self.clock.now - process.wants_since)
                    process.wants_since = None
                    self.send(process, slot)
            upto = self.clock.now + step
            while self.events and self.events[0][0] <= upto:
                moment, _, do = heapq.heappop(self.events)
                # Never back: a visit to the ledger takes time too.
                self.clock.now = max(self.clock.now, moment)
                do()
            self.clock.now = max(self.clock.now, upto)


Ways = st.lists(st.floats(0, 2), min_size=1, max_size=20)
Processes = st.lists(
    st.tuples(st.sampled_from(Lane), st.integers(1, 60), st.integers(1, 8), st.none() | st.integers(1, 60)),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("window", [FixedWindows, SlidingWindow])
@given(limit=st.integers(1, 40), ways=Ways, far=st.lists(st.floats(0, 0.3), min_size=1, max_size=5), who=Processes)
@settings(max_examples=150, deadline=None)
def test_the_source_never_counts_more_than_its_limit(
    window: Window, limit: int, ways: list[float], far: list[float], who: list[tuple[Lane, int, int, int | None]]
) -> None:
    world = World(window(limit), ways, far)
    for process in who:
        world.add(*process)
    world.run(until=world.clock.now + 12_000, step=0.1)
    assert not any(process.left for process in world.processes)


@pytest.mark.parametrize("window", [FixedWindows, SlidingWindow])
@pytest.mark.parametrize("processes", [1, 4])
def test_the_whole_budget_is_used_while_work_waits(window: Window, processes: int) -> None:
    world = World(window(100), [0.07], [0.001])
    for _ in range(processes):
        world.add(Lane.BACKFILL, 10_000, 8)
    world.run(until=world.clock.now + 5 * SECONDS)
    assert world.sent >= 0.95 * 5 * 100


LIES: dict[str, Callable[[int], int]] = {
    "always one": lambda _: 1,
    "never above ten": lambda count: min(count, 10),
    "begins anew all the time": lambda count: count % 10 + 1,
    "half": lambda count: -(-count // 2),
}


@pytest.mark.parametrize("window", [FixedWindows, SlidingWindow])
@pytest.mark.parametrize("says", LIES.values(), ids=LIES)
def test_a_count_that_lies_makes_us_send_no_more_than_is_stated(window: Window, says: Callable[[int], int]) -> None:
    world = World(window(100), [0.07], [0.001], says)
    for _ in range(3):
        world.add(Lane.BACKFILL, 10_000, 8)
    # The source's own count is checked with each request that arrives there.
    world.run(until=world.clock.now + 10 * SECONDS, step=0.05)
    assert world.sent >= 0.85 * 10 * 100


@pytest.mark.parametrize("window", [FixedWindows, SlidingWindow])
@pytest.mark.parametrize("every", [1.0, 3.0])
def test_a_webhook_hardly_waits_while_a_backfill_uses_what_is_left(window: Window, every: float) -> None:
    world = World(window(100), [0.07], [0.001])
    for _ in range(2):
        world.add(Lane.BACKFILL, 10_000, 8)
    world.add(Lane.DELTA, 10_000, 1, gap=2.0)
    hook = world.add(Lane.WEBHOOK, 10_000, 1, gap=every)
    world.run(until=world.clock.now + 10 * SECONDS)
    assert world.sent >= 0.95 * 10 * 100
    assert sorted(hook.waits)[len(hook.waits) * 95 // 100] < 2


def test_a_lone_backfill_is_about_as_fast_as_the_limit_allows_and_visits_seldom() -> None:
    world = World(FixedWindows(100), [0.07], [0.001])
    world.add(Lane.BACKFILL, 205, 8)
    began = world.clock.now
    world.run()
    assert world.sent == 205
    assert world.clock.now - began < 1.04 * (2 * SECONDS + 0.14)
    assert world.ledger.visits < 100


def lone(limit: int = 100) -> tuple[BudgetShare, Clock]:
    """Return the share of a process that is alone and has heard this limit."""
    clock = Clock()
    share = BudgetShare(LocalLedger(clock), COMMON, ASSUMED, Lane.WEBHOOK, clock=clock, wait=clock.wait)
    share.learn(share.take(), StatedLimit(limit, PERIOD, 1))
    return share, clock


def test_only_one_request_goes_out_before_the_first_answer_states_the_limit() -> None:
    clock = Clock()
    waits: list[float] = []

    def wait(_: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None
        waits.append(seconds)
        clock.now += seconds
        share.learn(first, StatedLimit(2, PERIOD, 1))

    share = BudgetShare(LocalLedger(clock), COMMON, ASSUMED, Lane.WEBHOOK, clock=clock, wait=wait)
    first = share.take()
    share.take()
    assert len(waits) == 1


def test_a_request_without_an_answer_counts_as_spent() -> None:
    share, clock = lone(limit=2)
    share.lose(share.take())
    began = clock.now
    share.take()
    assert clock.now - began >= SECONDS


def test_nothing_goes_out_while_the_source_asked_to_wait() -> None:
    share, _ = lone()
    share.refuse(share.take(), StatedLimit(100, PERIOD, 118), timedelta(seconds=7))
    assert share.take().waited == timedelta(seconds=7)


def test_who_would_wait_longer_than_there_is_patience_is_told_how_long() -> None:
    share, clock = lone()
    share.refuse(share.take(), StatedLimit(100, PERIOD, 118), timedelta(seconds=30))
    with pytest.raises(BudgetExhausted) as told:
        share.take(until=clock.now + 10)
    assert told.value.retry_after == timedelta(seconds=30)


def test_a_lower_limit_is_heeded_with_what_is_already_held() -> None:
    share, clock = lone()
    slots = [share.take() for _ in range(4)]
    share.learn(slots[0], StatedLimit(5, PERIOD, 2))
    began = clock.now
    share.take()
    assert clock.now - began >= SECONDS / 2


def test_an_absurd_period_is_not_believed() -> None:
    share, clock = lone(limit=1)
    share.learn(share.take(), StatedLimit(1, timedelta(days=90_000), 1))
    began = clock.now
    share.take()
    assert clock.now - began < 11 * SECONDS


def test_what_is_left_is_given_back_at_the_end() -> None:
    clock = Clock()
    ledger = LocalLedger(clock)
    shares = [BudgetShare(ledger, COMMON, ASSUMED, Lane.WEBHOOK, clock=clock, wait=clock.wait) for _ in range(2)]
    shares[0].learn(shares[0].take(), StatedLimit(10, PERIOD, 1))
    for _ in range(4):
        shares[0].take()
    shares[0].close()
    assert [shares[1].take().waited for _ in range(5)] == [timedelta(0)] * 5


def test_whoever_gave_up_keeps_no_place() -> None:
    clock = Clock()
    ledger = LocalLedger(clock)
    lanes = (Lane.WEBHOOK, Lane.WEBHOOK, Lane.BACKFILL)
    refused, hook, fill = (BudgetShare(ledger, COMMON, ASSUMED, lane, clock=clock) for lane in lanes)
    refused.refuse(refused.take(), StatedLimit(2, PERIOD, 3), timedelta(seconds=30))
    with pytest.raises(BudgetExhausted):
        hook.take(until=clock.now)
    hook.close()
    clock.now += 30.1
    assert fill.try_take() is not None
