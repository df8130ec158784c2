"""Requests far into a listing keep within a stricter limit of their own, besides the common one."""

import time
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from openfaith_sync.adapters.budget import BudgetUsedUp
from openfaith_sync.adapters.manifest_files import read_manifest
from openfaith_sync.adapters.pacing import Pace
from openfaith_sync.adapters.stated import StatedLimit, parse_limit, parse_retry_after
from openfaith_sync.domain.lanes import Lane

PCO = read_manifest(Path(__file__).parents[2] / "manifests", "pco").adapter_file
PERIOD = timedelta(seconds=20)


def pace() -> Pace:
    found = Pace(PCO, None, Lane.WEBHOOK)
    found.take(time.monotonic()).answered(StatedLimit(100, PERIOD, 1))
    return found


def deep_requests(found: Pace, limit: int) -> int:
    """Send deep requests whose answers state this limit until none may go out."""
    for sent in range(50):
        try:
            ticket = found.take(time.monotonic(), is_deep=True)
        except BudgetUsedUp:
            return sent
        ticket.answered(StatedLimit(limit, PERIOD, sent + 1))
    raise AssertionError("nothing holds them back")


@pytest.mark.parametrize("stated", [100, 10])
def test_no_more_deep_requests_go_out_than_the_manifest_says_whichever_limit_their_answers_state(stated):
    found = pace()
    assert deep_requests(found, stated) == 10
    found.take(time.monotonic())


def test_a_refusal_of_deep_requests_closes_only_them():
    found = pace()
    found.take(time.monotonic(), is_deep=True).refused(StatedLimit(10, PERIOD, 11), timedelta(seconds=5))
    with pytest.raises(BudgetUsedUp):
        found.take(time.monotonic(), is_deep=True)
    found.take(time.monotonic())


def test_a_refusal_of_all_requests_closes_the_deep_ones_too():
    found = pace()
    found.take(time.monotonic(), is_deep=True).refused(StatedLimit(100, PERIOD, 101), timedelta(seconds=5))
    for is_deep in (True, False):
        with pytest.raises(BudgetUsedUp):
            found.take(time.monotonic(), is_deep=is_deep)


def test_numbers_beyond_all_bounds_are_read_without_harm():
    rate = PCO.rate_limit
    headers = httpx.Headers(dict.fromkeys((rate.limit_header, rate.period_header, rate.count_header), "9" * 5000))
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
def test_every_retry_after_is_read_by_the_sources_own_clock(text, seconds):
    headers = httpx.Headers({"Date": "Wed, 01 Jan 2020 00:00:00 GMT"})
    if text is not None:
        headers["Retry-After"] = text
    assert parse_retry_after(headers) == (None if seconds is None else timedelta(seconds=seconds))
