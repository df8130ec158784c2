"""What a run writes into Dagster's event log: what is news, and little else, however many entities there are."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._serdes import serialize_value

from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.defs.ticking import PCO, Ticking, ticking

ENTITIES = 140
MOST_EVENTS, MOST_BYTES = 12, 12_000
"""Of a quiet run, however many entities it has. With a step for each, ten entities took 92 events and 183 KB."""

CAMPUS, PERSON, EMAIL, EVENT = map(EntityName, ("campus", "person", "email", "event"))


def many_entities(manifest: Manifest) -> Manifest:
    """Return a manifest whose entities are copies of one: the simulator need not know them."""
    names = [EntityName(f"campus_{number}") for number in range(ENTITIES)]
    campus = manifest.entities[CAMPUS].model_copy(update={"webhooks": ()})
    return manifest.model_copy(update={"entities": {name: campus.model_copy(update={"name": name}) for name in names}})


def written(plan: Ticking, result: dg.ExecuteInProcessResult) -> tuple[Counter[str], int]:
    """Return the events of a run by type, and their bytes."""
    entries = [
        record.event_log_entry for record in plan.instance.get_records_for_run(result.run_id, limit=10_000).records
    ]
    kinds = Counter(entry.dagster_event.event_type_value if entry.dagster_event else "LOG" for entry in entries)
    return kinds, sum(len(serialize_value(entry)) for entry in entries)


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key}


def failed_partitions(plan: Ticking, entity: EntityName) -> set[str]:
    """Return the partitions that Dagster shows as failed."""
    storage = plan.instance.event_log_storage
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        asset_key(PCO, entity)
    )
    runs = {partition: plan.instance.get_run_by_id(run_id) for partition, (run_id, _) in attempts.items()}
    return {partition for partition, run in runs.items() if run and run.status is dg.DagsterRunStatus.FAILURE}


@pytest.mark.long
def test_a_quiet_run_writes_the_same_few_events_for_140_entities(
    database: Database, pco_manifest: Manifest, church: RunningSimulator, tmp_path: Path
) -> None:
    manifest = many_entities(pco_manifest)
    with ticking(database, manifest, tmp_path) as plan:
        plan.connect("grace", church)
        (request,) = plan.tick("connections").run_requests or ()
        assert len(materialized(plan.execute("pco_full_sync", request))) == ENTITIES
        result = plan.execute("pco_full_sync", request)
        assert result.success
        assert plan.fetch("SELECT count(*) FROM sync.passes WHERE ended_at IS NOT NULL") == [(2 * ENTITIES,)]
        kinds, size = written(plan, result)
        assert materialized(result) == set()
        assert kinds.total() <= MOST_EVENTS, kinds
        assert size <= MOST_BYTES


@pytest.fixture
def own_church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=12, rate=None), pco_manifest) as simulator:
        yield simulator


def test_a_run_materializes_what_changed_what_was_told_yesterday_and_what_had_failed(
    database: Database, pco_manifest: Manifest, own_church: RunningSimulator, tmp_path: Path
) -> None:
    with ticking(database, pco_manifest, tmp_path) as plan:
        plan.connect("grace", own_church)
        everything = set(map(str, pco_manifest.entities))
        (request,) = plan.tick("connections").run_requests or ()
        first = plan.execute("pco_full_sync", request)
        assert materialized(first) == everything
        kinds, _ = written(plan, first)
        # Nothing planned, and no output that would hold the metadata a second time.
        assert kinds.keys().isdisjoint(
            {"ASSET_MATERIALIZATION_PLANNED", "ASSET_CHECK_EVALUATION_PLANNED", "STEP_OUTPUT"}
        )

        own_church.change("campus", min(own_church.truth("campus")), {"name": "Changed"})
        plan.run("UPDATE sync.dagster_reports SET reported_at = now() - interval '1 day' WHERE entity = 'person'")
        second = plan.execute("pco_full_sync", request)
        assert materialized(second) == {PERSON, CAMPUS}

        own_church.fault(Fault(path="/people/v2/emails", kind="status", status=404))
        third = plan.execute("pco_full_sync", request)
        assert not third.success
        assert materialized(third) == set()
        (failure,) = (event for event in third.all_events if event.is_step_failure)
        assert "1 of 10 entities failed; all others are synced" in str(failure.event_specific_data)
        assert [entity for entity in pco_manifest.entities if failed_partitions(plan, entity)] == [EMAIL]

        own_church.clear_faults()
        fourth = plan.execute("pco_full_sync", request)
        assert fourth.success
        assert materialized(fourth) == {EMAIL}
        assert failed_partitions(plan, EMAIL) == set()


def test_a_persons_run_shows_each_entity_whether_it_changed_or_not(
    database: Database, pco_manifest: Manifest, church: RunningSimulator, tmp_path: Path
) -> None:
    with ticking(database, pco_manifest, tmp_path) as plan:
        org = plan.connect("grace", church)
        plan.tick("connections")
        asked = dg.RunRequest(run_key="x", partition_key=org, asset_selection=[asset_key(PCO, CAMPUS)])
        for _ in range(2):
            result = plan.execute("pco_full_sync", asked)
            assert materialized(result) == {CAMPUS}
            kinds, _ = written(plan, result)
            assert kinds["ASSET_MATERIALIZATION_PLANNED"] == 1
            (event,) = result.get_asset_materialization_events()
            assert event.materialization.partition == OrgId("grace")
            assert event.materialization.metadata["mode"].value == "full"
            outputs = [event.step_output_data for event in result.all_events if event.is_successful_output]
            assert [output.metadata for output in outputs] == [{}] * 3  # one entity and its two checks
