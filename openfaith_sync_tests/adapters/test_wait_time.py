"""Waiting is wall time: what several requests wait for at once is waited for once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic

import httpx
from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.client.wait_time import FORGET_SECONDS, WaitTime
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.adapters.clients import unguarded
from openfaith_sync_tests.adapters.credentials import anybody


def seconds(*spans: tuple[float, float]) -> float:
    held = WaitTime()
    return sum(held.add(*span).total_seconds() for span in spans)


def test_requests_that_wait_at_once_hold_a_client_back_once() -> None:
    assert seconds((10, 20), (10, 20), (12, 18)) == 10
    assert seconds((10, 20), (15, 25)) == 15


def test_waits_after_each_other_add_up() -> None:
    assert seconds((10, 20), (30, 35)) == 15
    assert seconds((10, 20), (20, 30)) == 20


def test_a_wait_that_is_told_late_adds_only_what_is_new() -> None:
    held = WaitTime()
    assert held.add(10, 12) + held.add(18, 20) == timedelta(seconds=4)
    assert held.add(11, 19) == timedelta(seconds=6)
    assert held.add(10, 20) == timedelta()


def test_no_wait_is_none() -> None:
    assert seconds((5, 5), (7, 6)) == 0


def test_waits_of_long_ago_are_forgotten() -> None:
    held = WaitTime()
    for begin in range(0, 5 * int(FORGET_SECONDS), 2):
        held.add(begin, begin + 1)
    assert len(held._begins) <= FORGET_SECONDS / 2 + 1


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30))
def test_the_sum_is_the_time_at_which_anything_waited(spans: list[tuple[int, int]]) -> None:
    assert seconds(*spans) == len({second for begin, end in spans for second in range(begin, end)})


def test_threads_that_a_budget_holds_back_together_report_no_more_than_the_time_that_passed(
    pco_manifest: Manifest,
) -> None:
    headers = {"X-PCO-API-Request-Rate-Limit": "4", "X-PCO-API-Request-Rate-Period": "1"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, json={}))
    began = monotonic()
    with (
        HttpClient(
            "https://pco.example", anybody(), pco_manifest.adapter_file, transport=transport, **unguarded(pco_manifest)
        ) as client,
        ThreadPoolExecutor(6) as threads,
    ):
        answers = list(threads.map(lambda _: client.read(Request("/people", {}), lambda _: None), range(10)))
    passed = timedelta(seconds=monotonic() - began)
    waited = sum((stats.waited for _, stats in answers), timedelta())
    assert timedelta(seconds=1) <= waited <= passed
