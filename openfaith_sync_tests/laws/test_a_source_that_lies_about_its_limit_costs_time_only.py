"""Refusals without end, limits that change and headers that lie: the sync ends, and its rows are right."""

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.limited_church import LimitedChurch
from openfaith_sync_tests.laws.sharer import small_pages
from openfaith_sync_tests.store.making import fetch

_numbers = itertools.count()


@pytest.fixture(scope="module")
def simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=60), pco_manifest) as running:
        yield running


@pytest.fixture
def church(module_database: Database, pco_manifest: Manifest, simulator: RunningSimulator) -> Iterator[LimitedChurch]:
    simulator.set_rate("30/1")
    simulator.clear_requests()
    yield LimitedChurch(module_database, small_pages(pco_manifest, 1), simulator, OrgId(f"church-{next(_numbers)}"))
    simulator.clear_faults()


RETRY_AFTER = {
    "seconds": "1",
    "zero": "0",
    "negative": "-5",
    "a fraction": "0.5",
    "a century": "3153600000",
    "beyond all numbers": "9" * 400,
    "a date to come": "Fri, 31 Dec 9999 23:59:59 GMT",
    "a date gone by": "Sun, 06 Nov 1994 08:49:37 GMT",
    "garbage": "soon",
    "nothing": "",
    "absent": None,
}


@pytest.mark.parametrize("retry_after", RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_every_lying_retry_after_costs_a_moment_and_no_record(church: LimitedChurch, retry_after: str | None) -> None:
    church.simulator.fault(Fault(kind="status", status=429, retry_after=retry_after, after=5, times=1))
    church.sync()
    church.assert_holds_the_truth()
    assert church.statuses().count(429) == 1


def test_a_storm_of_refusals_ends(church: LimitedChurch) -> None:
    church.simulator.fault(Fault(kind="status", status=429, retry_after="0", after=3, times=8))
    church.sync()
    church.assert_holds_the_truth()
    assert church.statuses().count(429) == 8


def test_a_limit_that_drops_to_a_tenth_is_kept_from_the_answer_that_says_so(church: LimitedChurch) -> None:
    church.simulator.fault(Fault(kind="rate", at=12, rate="3/1"))
    church.sync()
    church.assert_holds_the_truth()
    uses = church.simulator.window_uses()
    # Those that were under way when it fell, at most, and one that found it closed.
    assert sum(use.over for use in uses) <= church.manifest.adapter_file.paging.pages_in_flight
    assert sum(use.over for use in uses[1:]) == 0


LIES = {
    "a limit far too high": {"limit": "100000"},
    "a limit far too low": {"limit": "6"},
    "no limit": {"limit": None},
    "a limit of nothing": {"limit": "0"},
    "a limit beyond all numbers": {"limit": "9" * 400},
    "no count": {"count": None},
    "a count that stands still": {"count": "1"},
    "a count that is always the limit": {"count": "12"},
    "a count beyond the limit": {"count": "100000"},
    "a period that is no number": {"period": "soon"},
    "a period of nothing": {"period": "0"},
    "a period of a century": {"period": "3153600000"},
    "nothing at all": {"limit": None, "count": None, "period": None},
}


@pytest.mark.parametrize("says", LIES.values(), ids=LIES)
def test_headers_that_lie_cost_time_and_no_record(church: LimitedChurch, says: dict[str, str | None]) -> None:
    church.simulator.set_rate("12/1")
    church.simulator.fault(Fault(kind="headers", values=says))
    church.sync()
    church.assert_holds_the_truth()


def test_what_the_source_refuses_is_in_the_waits_of_its_pass(church: LimitedChurch) -> None:
    church.simulator.fault(Fault(kind="status", status=429, retry_after="1", path="/people/v2/campuses", times=1))
    church.sync()
    (waited,) = fetch(
        church.database, "SELECT sum(waited) FROM sync.passes WHERE org_id = %s AND entity = 'campus'", church.org
    )
    assert waited[0] >= timedelta(seconds=1)
