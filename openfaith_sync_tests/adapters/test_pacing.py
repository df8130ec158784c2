"""Requests far into a listing keep within a stricter limit of their own, besides the common one."""

import math
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.ports.shared_state import Ledger
from openfaith_sync.adapters.ratelimit.budget_share import BudgetExhausted, BudgetShare, LocalLedger
from openfaith_sync.adapters.ratelimit.pacing import RateLimiter
from openfaith_sync.adapters.ratelimit.rate_limit_headers import StatedLimit, parse_limit, parse_retry_after
from openfaith_sync.domain.ratelimit.budget import COMMON, DEEP, Budget, Grant, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco").adapter_file
PERIOD = timedelta(seconds=20)
LIMITS = {COMMON: Budget(100, 20), DEEP: Budget(10, 20)}


def pace() -> RateLimiter:
    found = RateLimiter(PCO, None, Lane.WEBHOOK)
    found.take(time.monotonic()).answered(StatedLimit(100, PERIOD, 1))
    return found


def deep_requests(found: RateLimiter, limit: int) -> int:
    """Send deep requests whose answers state this limit until none may go out."""
    for sent in range(50):
        try:
            permit = found.take(time.monotonic(), is_deep=True)
        except BudgetExhausted:
            return sent
        permit.answered(StatedLimit(limit, PERIOD, sent + 1))
    raise AssertionError("nothing holds them back")


@pytest.mark.parametrize("stated", [100, 10])
def test_no_more_deep_requests_go_out_than_the_manifest_says_whichever_limit_their_answers_state(stated: int) -> None:
    found = pace()
    assert deep_requests(found, stated) == 10
    found.take(time.monotonic())


def test_a_refusal_of_deep_requests_closes_only_them() -> None:
    found = pace()
    found.take(time.monotonic(), is_deep=True).refused(StatedLimit(10, PERIOD, 11), timedelta(seconds=5))
    with pytest.raises(BudgetExhausted):
        found.take(time.monotonic(), is_deep=True)
    found.take(time.monotonic())


def test_a_refusal_of_all_requests_closes_the_deep_ones_too() -> None:
    found = pace()
    found.take(time.monotonic(), is_deep=True).refused(StatedLimit(100, PERIOD, 101), timedelta(seconds=5))
    for is_deep in (True, False):
        with pytest.raises(BudgetExhausted):
            found.take(time.monotonic(), is_deep=is_deep)


def test_numbers_beyond_all_bounds_are_read_without_harm() -> None:
    rate = PCO.rate_limit
    names = filter(None, (rate.limit_header, rate.period_header, rate.count_header))
    headers = httpx.Headers(dict.fromkeys(names, "9" * 5000))
    assert parse_limit(headers, rate).limit == 10**12 - 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("7.9", 7),
        ("0", 0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("9" * 5000, 3600),
        ("Wed, 01 Jan 2020 00:00:30 GMT", 30),
        ("Wed, 01 Jan 2020 00:00:30 -0000", 30),
        ("Tue, 31 Dec 2019 23:59:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_every_retry_after_is_read_by_the_sources_own_clock(text: str | None, seconds: int | None) -> None:
    headers = httpx.Headers({"Date": "Wed, 01 Jan 2020 00:00:00 GMT"})
    if text is not None:
        headers["Retry-After"] = text
    assert parse_retry_after(headers) == (None if seconds is None else timedelta(seconds=seconds))


class Scene:
    """One process that wants to send deep requests, and others on the same ledger."""

    def __init__(self, meanwhile: Callable[[float], None] = lambda _: None) -> None:
        self.now, self.meanwhile = 1000.0, meanwhile
        self.told: dict[str, Visit] = {}
        self.ledger = LocalLedger(self.clock)
        self.pace = RateLimiter(PCO, self, Lane.WEBHOOK, self.share)
        for bucket in (COMMON, DEEP):
            self.told_limit(bucket)

    def clock(self) -> float:
        return self.now

    def wait(self, _: threading.Condition, seconds: float | None) -> None:
        assert seconds is not None
        self.now += min(max(seconds, 0.001), 0.5)
        self.meanwhile(self.now)

    def visit(self, bucket: str, assumed: Budget, visit: Visit) -> Grant:
        self.told[bucket] = visit
        return self.ledger.visit(bucket, assumed, visit)

    def close(self) -> None: ...

    def share(self, ledger: Ledger, bucket: str, assumed: Budget, lane: Lane) -> BudgetShare:
        return BudgetShare(ledger, bucket, assumed, lane, clock=self.clock, wait=self.wait)

    def another(self, bucket: str) -> BudgetShare:
        """Return the share of another process."""
        return self.share(self.ledger, bucket, LIMITS[bucket], Lane.WEBHOOK)

    def told_limit(self, bucket: str) -> None:
        other = self.another(bucket)
        other.learn(other.take(self.now), StatedLimit(LIMITS[bucket].limit, PERIOD))
        other.close()

    def close_for(self, bucket: str, seconds: float) -> None:
        other = self.another(bucket)
        other.refuse(other.take(self.now), StatedLimit(), timedelta(seconds=seconds))


def test_a_deep_slot_that_lapsed_while_the_common_one_was_waited_for_is_taken_again() -> None:
    sent: list[float] = []

    def send_deep(now: float) -> None:
        # By then the slot that our process holds was long counted as sent, and is free again.
        while now > 1035 and len(sent) < 10 and (slot := other.try_take()):
            sent.append(now)
            other.learn(slot, StatedLimit())

    scene = Scene(send_deep)
    other = scene.another(DEEP)
    scene.close_for(COMMON, 40)
    permit = scene.pace.take(math.inf, is_deep=True)
    assert permit.waited == timedelta(seconds=scene.now - 1000)
    assert len(sent) == 10
    assert sum(scene.now - 20 < moment for moment in sent) < 10
    permit.answered(StatedLimit(100, PERIOD))
    assert (scene.told[COMMON].under_way, scene.told[DEEP].under_way) == (0, 0)


def test_a_deep_slot_is_taken_again_when_the_source_refuses_deep_requests_meanwhile() -> None:
    def refuse(now: float) -> None:
        if under_way and now > 1000.5:
            under_way.pop().refused(StatedLimit(10, PERIOD, 11), timedelta(seconds=15))

    scene = Scene(refuse)
    under_way = [scene.pace.take(scene.now, is_deep=True)]
    scene.close_for(COMMON, 1)
    scene.pace.take(math.inf, is_deep=True)
    assert scene.now > 1015


@pytest.mark.parametrize("moment", [1005, 1045])
def test_whoever_is_stopped_while_waiting_for_either_slot_keeps_none(moment: int) -> None:
    def stop(now: float) -> None:
        if now > 1035 and (slot := other.try_take()):
            other.refuse(slot, StatedLimit(), timedelta(seconds=30))
        if now > moment:
            raise KeyboardInterrupt

    scene = Scene(stop)
    other = scene.another(DEEP)
    scene.close_for(COMMON, 40)
    with pytest.raises(KeyboardInterrupt):
        scene.pace.take(math.inf, is_deep=True)
    assert moment < scene.now < moment + 2
    scene.pace.close()
    assert (scene.told[COMMON].under_way, scene.told[DEEP].under_way) == (0, 0)


def test_waiting_for_two_slots_in_turn_ends_at_the_moment_that_was_given() -> None:
    def keep_apart(now: float) -> None:
        """Grant common slots in every second half minute, and deep ones in the others."""
        bucket = COMMON if now % 60 < 30 else DEEP
        if slot := others[bucket].try_take():
            others[bucket].refuse(slot, StatedLimit(), timedelta(seconds=30 - now % 30))

    scene = Scene(keep_apart)
    others = {bucket: scene.another(bucket) for bucket in LIMITS}
    scene.close_for(COMMON, 20)
    with pytest.raises(BudgetExhausted):
        scene.pace.take(1500, is_deep=True)
    assert 1490 < scene.now <= 1500
    scene.pace.close()
    assert (scene.told[COMMON].under_way, scene.told[DEEP].under_way) == (0, 0)
