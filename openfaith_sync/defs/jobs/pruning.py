"""Delete old data once a day: our passes, finished events and closed alerts, and Dagster's runs.

Dagster never deletes a run by itself, and each takes 10 KiB of its tables or more.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME

from openfaith_sync.defs.checks.evaluation_events import prune_evaluations
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.error_translation import dagster_failures
from openfaith_sync.store.admin.dagster_reports import REPORT_AGAIN_AFTER
from openfaith_sync.store.admin.pruning import prune_authorizations, prune_passes
from openfaith_sync.store.inbox.inbox import prune_events
from openfaith_sync.store.outages.alerts import prune_alerts
from openfaith_sync.store.passes.schema_drift import prune_drift

PASSES, EVENTS, ALERTS = timedelta(days=90), timedelta(days=30), timedelta(days=90)
AUTHORIZATIONS = timedelta(days=1)
DRIFT = timedelta(days=90)
RECORD_RUNS, BULK_RUNS = timedelta(days=3), timedelta(days=30)
EVALUATIONS = timedelta(days=14)
"""Of checks, written without a run: eight a day of each org, of 2 KB each."""
RUNS_PER_PAGE = 200
DAILY = "30 5 * * *"

FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
PARTITION = "dagster/partition"


def build_pruning(adapters: Iterable[str]) -> dg.Definitions:
    """Return the pruning job and its schedule, which serve all adapters."""
    names = tuple(adapters)

    @dg.op(name="prune_old")
    def prune_old(context: dg.OpExecutionContext, database: DatabaseResource) -> None:
        now = datetime.now(UTC)
        with dagster_failures(context.retry_number):
            opened = database.open()
            context.add_output_metadata(
                {
                    "passes": prune_passes(opened, PASSES),
                    "events": prune_events(opened, EVENTS),
                    "alerts": prune_alerts(opened, ALERTS),
                    "schema_drift": prune_drift(opened, DRIFT),
                    "authorizations": prune_authorizations(opened, AUTHORIZATIONS),
                    "record_runs": prune_record_runs(context.instance, names, now - RECORD_RUNS),
                    "asset_runs": prune_asset_runs(context.instance, names, now - BULK_RUNS),
                    "evaluations": prune_evaluations(context.instance, now - EVALUATIONS),
                    "bulk_runs": prune_bulk_runs(context.instance, names, now - BULK_RUNS),
                }
            )

    @dg.job(name="prune", description="Deletes old passes, finished events, closed alerts and Dagster runs.")
    def prune() -> None:
        prune_old()

    schedule = dg.ScheduleDefinition(
        name="prune_daily", cron_schedule=DAILY, job_name="prune", default_status=dg.DefaultScheduleStatus.RUNNING
    )
    return dg.Definitions(jobs=[prune], schedules=[schedule])


def prune_record_runs(instance: DagsterInstance, adapters: Sequence[str], before: datetime) -> int:
    """Delete the runs that read single records: their results are in the inbox and the passes."""
    old = [run for adapter in adapters for run in _finished(instance, f"{adapter}_record_sync", before)]
    return _delete(instance, old)


def prune_bulk_runs(instance: DagsterInstance, adapters: Sequence[str], before: datetime) -> int:
    """Delete bulk runs of orgs that were fully read since, so that each asset keeps its newest materialization."""
    # A full read leaves out what was materialized within this time before it.
    since, gone = before + REPORT_AGAIN_AFTER, 0
    for adapter in adapters:
        whole = [f"{adapter}_{job}" for job in ("full_sync", "reconciliation")]
        old = [run for job in (*whole, f"{adapter}_delta_sync") for run in _finished(instance, job, before)]
        orgs = {run.tags.get(PARTITION) for run in old}
        superseded = {org for org in orgs if org and _was_read_since(instance, whole, org, since)}
        gone += _delete(instance, [run for run in old if run.tags.get(PARTITION) in superseded])
    return gone


def prune_asset_runs(instance: DagsterInstance, adapters: Sequence[str], before: datetime) -> int:
    """Delete the runs of single assets that people started, in the UI or with ``dagster asset materialize``.

    A run is kept while it holds the newest materialization of an asset, or involves an asset that is not ours.
    """
    old = [run for run in _finished(instance, IMPLICIT_ASSET_JOB_NAME, before) if run.tags.get(PARTITION)]
    return _delete(instance, [run for run in old if _is_superseded(instance, adapters, run)])


def _is_superseded(instance: DagsterInstance, adapters: Sequence[str], run: DagsterRun) -> bool:
    events = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    materialized = {record.asset_key: record.storage_id for record in events if record.asset_key}
    concerned = materialized.keys() | (run.asset_selection or set())
    if not concerned or any(key.path[0] not in adapters for key in concerned):
        return False
    return all(storage_id < _newest(instance, key, run.tags[PARTITION]) for key, storage_id in materialized.items())


def _newest(instance: DagsterInstance, asset: dg.AssetKey, partition: str) -> int:
    events_filter = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[partition])
    records = instance.fetch_materializations(events_filter, limit=1).records
    return records[0].storage_id if records else 0


def _was_read_since(instance: DagsterInstance, jobs: Iterable[str], org: str, since: datetime) -> bool:
    def asked(job: str) -> dg.RunsFilter:
        tags = {PARTITION: org}
        return dg.RunsFilter(job_name=job, tags=tags, statuses=[DagsterRunStatus.SUCCESS], created_after=since)

    return any(instance.get_runs(asked(job), limit=1) for job in jobs)


def _finished(instance: DagsterInstance, job: str, before: datetime) -> Iterator[DagsterRun]:
    runs_filter = dg.RunsFilter(job_name=job, statuses=FINISHED, created_before=before)
    cursor: str | None = None
    while page := instance.get_runs(runs_filter, cursor=cursor, limit=RUNS_PER_PAGE):
        yield from page
        cursor = page[-1].run_id


def _delete(instance: DagsterInstance, runs: Sequence[DagsterRun]) -> int:
    for run in runs:
        instance.delete_run(run.run_id)
    return len(runs)
