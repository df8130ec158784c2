"""What is deleted of Dagster's runs: those that hold no asset's newest materialization."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from openfaith_sync.defs.jobs.pruning import prune_asset_runs
from openfaith_sync.defs.resources.partitions import org_partitions, register_org
from openfaith_sync.domain.ids import OrgId

LATER = datetime.now(UTC) + timedelta(days=1)
PERSON, EMAIL, THEIRS = ["pco", "person"], ["pco", "email"], ["reports", "attendance"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        for org in ("grace", "hope"):
            register_org(found, OrgId(org))
        yield found


def build(key: list[str]) -> dg.AssetsDefinition:
    @dg.asset(key=key, partitions_def=org_partitions)
    def made() -> None:
        if key == EMAIL and EMAIL in failing:
            raise ValueError("down")

    return made


failing: list[list[str]] = []


def start(instance: dg.DagsterInstance, *keys: list[str], org: str = "grace", is_failing: bool = False) -> str:
    """Do what the UI's "Materialize" does, and `dagster asset materialize`."""
    failing[:] = [EMAIL] if is_failing else []
    job = dg.Definitions(assets=[build(key) for key in (PERSON, EMAIL, THEIRS)]).resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance,
        partition_key=org,
        asset_selection=[dg.AssetKey(key) for key in keys],
        raise_on_error=False,
    )
    assert done.success is not is_failing
    return done.run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_a_run_that_somebody_started_goes_once_all_it_made_was_made_again(instance: dg.DagsterInstance) -> None:
    both, person = start(instance, PERSON, EMAIL), start(instance, PERSON)
    assert prune_asset_runs(instance, ["pco"], LATER) == 0
    email = start(instance, EMAIL)
    assert prune_asset_runs(instance, ["pco"], LATER) == 1
    assert left(instance) == {person, email}
    assert both not in left(instance)


def test_another_orgs_run_makes_nothing_superseded(instance: dg.DagsterInstance) -> None:
    runs = {start(instance, PERSON), start(instance, PERSON, org="hope")}
    assert prune_asset_runs(instance, ["pco"], LATER) == 0
    assert left(instance) == runs


def test_a_run_that_made_nothing_goes_and_one_that_is_young_stays(instance: dg.DagsterInstance) -> None:
    start(instance, EMAIL, is_failing=True)
    assert prune_asset_runs(instance, ["pco"], datetime.now(UTC) - timedelta(days=1)) == 0
    assert prune_asset_runs(instance, ["pco"], LATER) == 1
    assert left(instance) == set()


def test_runs_of_assets_that_are_not_ours_stay(instance: dg.DagsterInstance) -> None:
    runs = {start(instance, THEIRS), start(instance, PERSON, THEIRS), start(instance, PERSON, THEIRS)}
    assert prune_asset_runs(instance, ["pco"], LATER) == 0
    assert left(instance) == runs
