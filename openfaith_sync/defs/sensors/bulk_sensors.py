"""What asks for whole orgs: the first full sync of new ones, a weekly one, and the nightly reconciliation."""

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from openfaith_sync.defs.assets.entity_assets import asset_key
from openfaith_sync.defs.jobs.jobs import Job, run_config
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.partitions import ORG_PARTITIONS_NAME, org_partitions
from openfaith_sync.defs.sensors.run_requests import Ask, ask_runs, due_epoch, settle_asked, skip
from openfaith_sync.defs.sensors.subscription_upkeep import keep_subscriptions
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.connections.scopes import without_refused
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import Work, WorkMode
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.unavailable_entities import load_refused
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan, add_missing_work, load_due, load_now, plan_weekly_full

MOST_UNDER_WAY = 8
"""Of one mode, in the queue and running: the rest waits in the plan, where what is more urgent passes it."""


WEEKLY, SPREAD_OVER = "0 21 * * 0", timedelta(hours=8)
"""From Sunday evening to Monday morning, by UTC."""


def build_connections_sensor(manifest: Manifest, plan: Plan, job: Job, public_url: str | None) -> dg.SensorDefinition:
    """Return the sensor that takes up new orgs and lets go of removed ones."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return keep_connections(context.instance, database.open(), manifest, plan, public_url)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_connections",
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "A new connection gets its partition, its place in the plan, its webhook subscriptions and its first "
            "full sync; a removed one loses its partition. Asks for the weekly full syncs too."
        ),
    )


def keep_connections(
    instance: dg.DagsterInstance, database: Database, manifest: Manifest, plan: Plan, public_url: str | None
) -> dg.SensorResult | dg.SkipReason:
    """Have a partition for each connected org and no other, and everything planned that it needs."""
    changes = _partition_changes(instance, database)
    add_missing_work(database, plan)
    told = keep_subscriptions(database, manifest, plan, public_url)
    asked = ask_for_whole_orgs(instance, database, manifest, plan, WorkMode.FULL, told)
    if isinstance(asked, dg.SkipReason):
        # A result with a partition's coming or going may say why it asks for no run, too.
        return dg.SensorResult(skip_reason=asked, dynamic_partitions_requests=changes) if changes else asked
    return dg.SensorResult(run_requests=asked.run_requests, dynamic_partitions_requests=changes)


def build_weekly_full(manifest: Manifest, job: Job) -> dg.ScheduleDefinition:
    """Return the schedule of the weekly full syncs.

    Its tick only writes when each org is due, spread over the night: a run request
    for each of thousands of orgs would fill the queue, where nothing more urgent
    passes it, and what was lost of it would not be asked for again.
    """

    def plan_week(context: dg.ScheduleEvaluationContext) -> dg.SkipReason:
        database: DatabaseResource = context.resources.database
        begin = context.scheduled_execution_time
        planned = plan_weekly_full(database.open(), manifest.adapter, begin, SPREAD_OVER)
        return dg.SkipReason(f"planned the full syncs of {planned} orgs until {begin + SPREAD_OVER:%Y-%m-%d %H:%M} UTC")

    return dg.ScheduleDefinition(
        name=f"{manifest.adapter}_weekly_full",
        cron_schedule=WEEKLY,
        execution_timezone="UTC",
        job=job,
        execution_fn=plan_week,
        required_resource_keys={"database"},
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Plans a full sync of every org, spread over {SPREAD_OVER}; {manifest.adapter}_connections asks.",
    )


def build_reconciliation_sensor(manifest: Manifest, plan: Plan, job: Job) -> dg.SensorDefinition:
    """Return the sensor that asks for each org's reconciliation in its own night."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return ask_for_whole_orgs(context.instance, database.open(), manifest, plan, WorkMode.RECONCILIATION)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_reconciliation",
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares all ids once a night, between 1 and 5 o'clock where the church is.",
    )


def ask_for_whole_orgs(
    instance: dg.DagsterInstance, database: Database, manifest: Manifest, plan: Plan, mode: WorkMode, *told: str
) -> dg.SensorResult | dg.SkipReason:
    """Ask for all of an adapter for each org that is due, a few at a time."""
    settled = settle_asked(instance, database, plan, [mode])
    room = max(MOST_UNDER_WAY - settled.under_way, 0)
    due = load_due(database, plan, mode, room) if room else []
    refused = load_refused(database, manifest, load_now(database)) if due else {}
    asks = [_ask(manifest, work, refused.get(work.key.org, {})) for work in due]
    why = "nothing is due" if room else "enough is under way"
    return ask_runs(instance, database, plan, asks) or skip(database, plan, mode, why, str(settled), *told)


def _ask(manifest: Manifest, work: Work, refused: Mapping[EntityName, Refusal]) -> Ask:
    """Ask for all that the source lets the org read, or for all when that is nothing, where people see why."""
    graph = manifest.graph
    left = without_refused(graph.entities, refused.keys(), graph.hard) if refused else []
    assets = [asset_key(manifest.adapter, entity) for entity in left]
    config = run_config(manifest.adapter, left or manifest.entities, work.key.mode.value)
    return Ask((work,), due_epoch([work]), assets=assets, run_config=config)


def _partition_changes(
    instance: dg.DagsterInstance, database: Database
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """Compare the partitions with the connections to all adapters, since an org is one partition in all of them."""
    connected = {connection.org for connection in list_connections(database)}
    known = set(instance.get_dynamic_partitions(ORG_PARTITIONS_NAME))
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if connected - known:
        changes.append(org_partitions.build_add_request(sorted(connected - known)))
    if known - connected:
        changes.append(org_partitions.build_delete_request(sorted(known - connected)))
    return changes
