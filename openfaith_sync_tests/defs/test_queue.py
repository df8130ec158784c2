"""What `dagster.yaml` lets run side by side."""

from typing import Any

import pytest
from dagster import DagsterRun
from dagster._utils.tags import TagConcurrencyLimitsCounter
from ruamel.yaml import YAML

from openfaith_sync.defs.resources.run_tags import BULK_TAG, RECORDS_TAG
from openfaith_sync_tests.defs.conftest import ROOT


def bulk(org: str) -> DagsterRun:
    return DagsterRun(job_name="pco_delta_sync", tags={BULK_TAG: org, "dagster/partition": org})


def records(org: str) -> DagsterRun:
    return DagsterRun(job_name="pco_record_sync", tags={RECORDS_TAG: org, "dagster/partition": org})


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "dagster.yaml")["concurrency"]["runs"]
    return found


def is_blocked(runs: dict[str, Any], wanted: DagsterRun, *under_way: DagsterRun) -> bool:
    return bool(TagConcurrencyLimitsCounter(runs["tag_concurrency_limits"], list(under_way)).is_blocked(wanted))


def test_an_org_has_one_bulk_run_and_one_record_run_at_a_time(runs: dict[str, Any]) -> None:
    assert is_blocked(runs, bulk("grace"), bulk("grace"))
    assert is_blocked(runs, records("grace"), records("grace"))
    assert not is_blocked(runs, records("grace"), bulk("grace"))
    assert not is_blocked(runs, bulk("grace"), records("grace"))
    assert not is_blocked(runs, bulk("hope"), bulk("grace"))


def test_bulk_runs_never_take_the_places_of_record_runs(runs: dict[str, Any]) -> None:
    busy = [bulk(f"org-{number}") for number in range(10)]
    places = next(count for count in range(10) if is_blocked(runs, bulk("grace"), *busy[:count]))
    assert places < runs["max_concurrent_runs"]
    assert not is_blocked(runs, records("grace"), *busy[:places])
