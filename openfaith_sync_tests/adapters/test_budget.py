"""A lone process never goes over the source's limit, whichever way the source counts."""

import heapq
import threading
from collections import deque
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfaith_sync.adapters.budget import Budget, Slot

PERIOD = timedelta(seconds=20)
# Answers of no length at all make both ends of a period equal, and floats then round either way.
ROUNDING = 1e-6


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, _: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None, "waits for ever: nothing is under way that could end it"
        assert seconds > 0
        self.now += seconds


class FixedWindows:
    """Counts as the source does: a window begins with the first request after the last one ended."""

    def __init__(self, limit: int) -> None:
        self.limit, self.began, self.count = limit, -1e9, 0

    def arrive(self, now: float) -> int:
        if now >= self.began + 20 - ROUNDING:
            self.began, self.count = now, 0
        self.count += 1
        return self.count


class SlidingWindow:
    def __init__(self, limit: int) -> None:
        self.limit, self.arrivals = limit, deque()

    def arrive(self, now: float) -> int:
        while self.arrivals and self.arrivals[0] <= now - 20 + ROUNDING:
            self.arrivals.popleft()
        self.arrivals.append(now)
        return len(self.arrivals)


class Wire:
    """Requests on their way to a source that counts them as they arrive, and answers on their way back."""

    def __init__(self, server: FixedWindows | SlidingWindow) -> None:
        self.server, self.clock = server, Clock()
        self.budget = Budget(100, PERIOD, clock=self.clock, wait=self.wait)
        self.events: list[tuple[float, int, str, float, int, Slot]] = []
        self.under_way = 0

    def send(self, there: float, back: float) -> None:
        slot = self.budget.take()
        self.under_way += 1
        heapq.heappush(self.events, (self.clock.now + there, slot.number, "arrives", back, 0, slot))

    def step(self) -> None:
        self.clock.now, number, kind, back, count, slot = heapq.heappop(self.events)
        if kind == "arrives":
            count = self.server.arrive(self.clock.now)
            assert count <= self.server.limit
            heapq.heappush(self.events, (self.clock.now + back, number, "answered", 0.0, count, slot))
        else:
            self.under_way -= 1
            self.budget.learn(slot, self.server.limit, PERIOD, count)

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        if self.events and (seconds is None or self.events[0][0] <= self.clock.now + seconds):
            self.step()
        else:
            self.clock.wait(condition, seconds)


@pytest.mark.parametrize("window", [FixedWindows, SlidingWindow])
@given(
    limit=st.integers(1, 30),
    ways=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=150),
    in_flight=st.integers(1, 8),
)
@settings(max_examples=200, deadline=None)
def test_the_source_never_counts_more_than_its_limit(window, limit, ways, in_flight):
    wire = Wire(window(limit))
    for there, back in ways:
        while wire.under_way >= in_flight:
            wire.step()
        wire.send(there, back)
    while wire.events:
        wire.step()


def test_only_one_request_goes_out_before_the_first_answer_states_the_limit():
    clock = Clock()
    waits: list[float | None] = []

    def wait(condition: threading.Condition, seconds: float | None) -> None:
        waits.append(seconds)
        budget.learn(first, 2, PERIOD, 1)

    budget = Budget(100, PERIOD, clock=clock, wait=wait)
    first = budget.take()
    budget.take()
    assert waits == [None]


def test_what_others_spend_on_the_same_token_leaves_less():
    clock = Clock()
    budget = Budget(100, PERIOD, clock=clock, wait=clock.wait)
    budget.learn(budget.take(), 100, PERIOD, 99)
    slot = budget.take()
    assert slot.waited == timedelta(0)
    budget.learn(slot, 100, PERIOD, 100)
    assert budget.take().waited == PERIOD


def test_a_fresh_window_is_used_at_once():
    clock = Clock()
    budget = Budget(3, PERIOD, clock=clock, wait=clock.wait)
    for count in (1, 2, 3):
        budget.learn(budget.take(), 3, PERIOD, count)
        clock.now += 6
    slot = budget.take()
    assert slot.waited == timedelta(seconds=2)
    budget.learn(slot, 3, PERIOD, 1)
    assert [budget.take().waited for _ in range(2)] == [timedelta(0)] * 2


def test_nothing_goes_out_while_the_source_asked_to_wait():
    clock = Clock()
    budget = Budget(100, PERIOD, clock=clock, wait=clock.wait)
    budget.learn(budget.take(), 100, PERIOD, 1)
    budget.close(timedelta(seconds=7))
    assert budget.take().waited == timedelta(seconds=7)


def test_a_request_without_an_answer_counts_as_spent():
    clock = Clock()
    budget = Budget(100, PERIOD, clock=clock, wait=clock.wait)
    budget.learn(budget.take(), 2, PERIOD, 1)
    budget.take()
    budget.lose()
    assert budget.take().waited == PERIOD
