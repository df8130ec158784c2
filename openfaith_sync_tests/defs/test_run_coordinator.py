"""Runs and backfills that people start obey the limits of all others, and every run can be filtered."""

import dagster as dg
import pytest
from dagster import DagsterRun

from openfaith_sync.defs.instance.run_coordinator import OrgRunCoordinator, missing_tags
from openfaith_sync.defs.resources.run_tags import bulk_tags, record_tags
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync_tests.defs.conftest import Deployment, open_instance

GRACE, ADAPTERS = OrgId("grace"), [AdapterName("breeze"), AdapterName("pco")]
PERSON, THEIRS = dg.AssetKey(["pco", "person"]), dg.AssetKey(["reports", "attendance"])
OF_GRACE = {"dagster/partition": GRACE}


def run(tags: dict[str, str], *assets: dg.AssetKey) -> DagsterRun:
    return DagsterRun(job_name="__ASSET_JOB", tags=tags, asset_selection=frozenset(assets) or None)


@pytest.mark.parametrize(
    ("tags", "trigger"), [({}, "person"), ({"dagster/backfill": "abc"}, "backfill")], ids=["a run", "a backfill"]
)
def test_a_run_that_a_person_starts_on_assets_has_the_tags_that_limits_are_about(
    tags: dict[str, str], trigger: str
) -> None:
    assert missing_tags(run({**OF_GRACE, **tags}, PERSON, THEIRS), ADAPTERS) == {
        "openfaith/bulk": GRACE,
        "openfaith/org": GRACE,
        "openfaith/adapter": "pco",
        "openfaith/trigger": trigger,
    }


def test_a_whole_job_that_a_person_starts_is_only_told_who_started_it() -> None:
    assert missing_tags(run({**OF_GRACE, **bulk_tags(GRACE, "pco", "full")}), ADAPTERS) == {
        "openfaith/trigger": "person"
    }


def test_runs_that_have_their_tags_and_runs_of_other_assets_are_left_alone() -> None:
    requested = {**OF_GRACE, **bulk_tags(GRACE, "pco", "auto"), "openfaith/trigger": "change"}
    cases: list[tuple[dict[str, str], list[dg.AssetKey]]] = [
        (requested, [PERSON]),
        ({**OF_GRACE, **record_tags(GRACE, "pco")}, []),
        ({**OF_GRACE}, [THEIRS]),
        ({}, [PERSON]),
    ]
    for tags, assets in cases:
        assert missing_tags(run(tags, *assets), ADAPTERS) == {}


def test_dagster_yaml_names_it_and_the_limits_are_its_own(deployment: Deployment) -> None:
    with open_instance(deployment) as instance:
        assert isinstance(instance.run_coordinator, OrgRunCoordinator)
        assert instance.run_coordinator.dequeue_interval_seconds == 1
        limits = instance.get_concurrency_config().run_queue_config
    assert limits is not None
    assert limits.max_concurrent_runs == 8
    assert {limit["key"] for limit in limits.tag_concurrency_limits or ()} == {"openfaith/bulk", "openfaith/records"}
