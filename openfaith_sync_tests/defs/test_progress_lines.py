"""A run's log says how far a pass is, now and then."""

import logging
from datetime import timedelta

import pytest

from openfaith_sync.defs.assets.progress_log import FirstSyncLog, ProgressLog, describe
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.engine.passes.pass_runner import PassProgress

PERSON = EntityName("person")
PROGRESS = PassProgress(12_300, 20_000, 123, 124, timedelta(seconds=3.4), Counts(created=12_300))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_comes_every_five_seconds_however_many_pages_do(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    progress_log = ProgressLog(logging.getLogger("test"), PERSON, lambda: None, clock)
    with caplog.at_level(logging.INFO):
        for _ in range(1200):
            progress_log(PROGRESS)
            clock.now += 0.01
    assert len(caplog.messages) == 2


def test_a_line_says_how_far_the_pass_is() -> None:
    assert describe(PERSON, PROGRESS) == (
        "person: 12,300 of 20,000 records read in 123 pages and 124 requests; waited 3 s for the rate limit and retries"
    )


def test_an_unknown_total_is_left_out() -> None:
    progress = PassProgress(5, None, 1, 1, timedelta(), Counts(created=5))
    assert describe(PERSON, progress).startswith("person: 5 records read")


def test_a_first_sync_says_every_minute_how_long_the_rest_takes_until_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    estimates: list[FirstSync | None] = [FirstSync(37, 118, 4_200, 3, 900), FirstSync(110, 118, 90, 0, 20), None]
    asked = 0

    def load() -> FirstSync | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise TransientError("the database is away")
        return estimates.pop(0)

    first_sync_log = FirstSyncLog(logging.getLogger("test"), load, clock)
    with caplog.at_level(logging.INFO):
        for _ in range(600):
            first_sync_log()
            clock.now += 1
    assert caplog.messages == [
        "first sync: 37 of 118 entities; at least 4,200 requests left, which take at least 15 min",
        "first sync: 110 of 118 entities; 90 requests left, which take about 1 min",
    ]
    assert asked == 4
