"""A lone process never goes over the source's limit, whichever way the source counts."""

import threading
from collections import deque
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openfaith_sync.adapters.budget import Budget

PERIOD = timedelta(seconds=20)


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
        if now >= self.began + 20:
            self.began, self.count = now, 0
        self.count += 1
        return self.count


class SlidingWindow:
    def __init__(self, limit: int) -> None:
        self.limit, self.arrivals = limit, deque()

    def arrive(self, now: float) -> int:
        while self.arrivals and self.arrivals[0] <= now - 20:
            self.arrivals.popleft()
        self.arrivals.append(now)
        return len(self.arrivals)


@pytest.mark.parametrize("window", [FixedWindows, SlidingWindow])
@given(
    limit=st.integers(1, 30),
    latencies=st.lists(st.floats(0, 3), min_size=1, max_size=150),
    idle=st.floats(0, 25),
    in_flight=st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_the_source_never_counts_more_than_its_limit(window, limit, latencies, idle, in_flight):
    clock, server = Clock(), window(limit)
    clock.now += idle
    under_way: list[tuple[float, int]] = []

    def answer_next() -> None:
        under_way.sort()
        when, count = under_way.pop(0)
        clock.now = max(clock.now, when)
        budget.learn(limit, PERIOD, count)

    def wait(_: threading.Condition, seconds: float | None) -> None:
        if under_way and (seconds is None or min(under_way)[0] <= clock.now + seconds):
            answer_next()
        else:
            clock.wait(_, seconds)

    budget = Budget(100, PERIOD, clock=clock, wait=wait)
    for latency in latencies:
        while len(under_way) >= in_flight:
            answer_next()
        budget.take()
        count = server.arrive(clock.now)
        assert count <= limit
        under_way.append((clock.now + latency, count))


def test_only_one_request_goes_out_before_the_first_answer_states_the_limit():
    clock = Clock()
    waits: list[float | None] = []

    def wait(condition: threading.Condition, seconds: float | None) -> None:
        waits.append(seconds)
        budget.learn(2, PERIOD, 1)

    budget = Budget(100, PERIOD, clock=clock, wait=wait)
    budget.take()
    budget.take()
    assert waits == [None]


def test_what_others_spend_on_the_same_token_leaves_less():
    clock = Clock()
    budget = Budget(100, PERIOD, clock=clock, wait=clock.wait)
    budget.take()
    budget.learn(100, PERIOD, 99)
    assert budget.take() == timedelta(0)
    budget.learn(100, PERIOD, 100)
    assert budget.take() == PERIOD


def test_nothing_goes_out_while_the_source_asked_to_wait():
    clock = Clock()
    budget = Budget(100, PERIOD, clock=clock, wait=clock.wait)
    budget.take()
    budget.learn(100, PERIOD, 1)
    budget.close(timedelta(seconds=7))
    assert budget.take() == timedelta(seconds=7)


def test_a_request_without_an_answer_counts_as_spent():
    clock = Clock()
    budget = Budget(100, PERIOD, clock=clock, wait=clock.wait)
    budget.take()
    budget.learn(2, PERIOD, 1)
    budget.take()
    budget.lose()
    assert budget.take() == PERIOD
