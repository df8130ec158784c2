"""Start syncs of whole orgs: the first full sync of a new org, and the nightly reconciliation."""

from collections.abc import Mapping

import dagster as dg

from openfaith_sync.defs.jobs.jobs import Job, run_config
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.partitions import ORG_PARTITIONS_NAME, org_partitions
from openfaith_sync.defs.sensors.run_requests import RunToRequest, collect_outcomes, due_epoch, request_runs, skip
from openfaith_sync.defs.sensors.subscription_upkeep import update_subscriptions
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.connections.scopes import without_refused
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import Work, WorkChange, WorkMode
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.unavailable_entities import load_refused
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.schedule.comparisons import load_comparisons
from openfaith_sync.store.schedule.planning import add_missing_work
from openfaith_sync.store.schedule.work import Plan, load_due, load_now, store_changes

NOTHING_TO_COMPARE = "nothing to compare tonight"
MAX_ACTIVE_RUNS = 8
"""Runs of one mode, queued and running. The rest waits in the plan, where more urgent work overtakes it."""


def build_connections_sensor(manifest: Manifest, plan: Plan, job: Job, public_url: str | None) -> dg.SensorDefinition:
    """Return the sensor that adds new orgs and removes disconnected ones."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return keep_connections(context.instance, database.open(), manifest, plan, public_url)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_connections",
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Gives each new connection a partition, its planned work, its webhook subscriptions and its first "
            "full sync; removes the partition of a removed one."
        ),
    )


def keep_connections(
    instance: dg.DagsterInstance, database: Database, manifest: Manifest, plan: Plan, public_url: str | None
) -> dg.SensorResult | dg.SkipReason:
    """Create a partition and planned work for each connected org, and remove other partitions."""
    changes = _partition_changes(instance, database)
    # A new entity has its table before anything asks about its records.
    ensure_tables(database, manifest)
    add_missing_work(database, plan)
    note = update_subscriptions(database, manifest, plan, public_url)
    requested = request_org_syncs(instance, database, manifest, plan, WorkMode.FULL, note)
    if isinstance(requested, dg.SkipReason):
        # A sensor result with partition changes can state a skip reason, too.
        return dg.SensorResult(skip_reason=requested, dynamic_partitions_requests=changes) if changes else requested
    return dg.SensorResult(run_requests=requested.run_requests, dynamic_partitions_requests=changes)


def build_reconciliation_sensor(manifest: Manifest, plan: Plan, job: Job) -> dg.SensorDefinition:
    """Return the sensor that starts each org's reconciliation during its own night."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return request_org_syncs(context.instance, database.open(), manifest, plan, WorkMode.RECONCILIATION)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_reconciliation",
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares what is due with the source every night, between 1:00 and 5:00 in the org's time zone.",
    )


def request_org_syncs(
    instance: dg.DagsterInstance, database: Database, manifest: Manifest, plan: Plan, mode: WorkMode, *notes: str
) -> dg.SensorResult | dg.SkipReason:
    """Request a run over all entities of an adapter for each org that is due, a few at a time."""
    outcomes = collect_outcomes(instance, database, plan, [mode])
    room = max(MAX_ACTIVE_RUNS - outcomes.under_way, 0)
    due = load_due(database, plan, mode, room) if room else []
    now = load_now(database) if due else None
    refused = load_refused(database, manifest, now) if now else {}
    requests: list[RunToRequest] = []
    without: list[WorkChange] = []
    for work in due:
        of_org = refused.get(work.key.org, {})
        request = _ask(manifest, work, of_org) if mode is WorkMode.FULL else _compare(database, plan, work, of_org)
        if request is not None:
            requests.append(request)
        elif now:
            without.append(WorkChange.done(work, now, NOTHING_TO_COMPARE))
    store_changes(database, without)
    reason = "nothing is due" if room else "the limit of concurrent runs is reached"
    return request_runs(instance, database, plan, requests) or skip(database, plan, mode, reason, str(outcomes), *notes)


def _ask(manifest: Manifest, work: Work, refused: Mapping[EntityName, Refusal]) -> RunToRequest:
    """Return a request for all readable entities of an org, or for all if none is readable, to show people why."""
    graph = manifest.graph
    readable = without_refused(graph.entities, refused.keys(), graph.hard) if refused else []
    assets = [asset_key(manifest.adapter, entity) for entity in readable]
    config = run_config(manifest.adapter, work.key.mode.value)
    return RunToRequest((work,), due_epoch([work]), assets=assets, run_config=config)


def _compare(database: Database, plan: Plan, work: Work, refused: Mapping[EntityName, Refusal]) -> RunToRequest | None:
    """Return a request for the entities that are compared in this night; ``None`` if there are none."""
    tonight, graph = load_comparisons(database, plan, work), plan.manifest.graph
    if not tonight.entities:
        return None
    readable = set(without_refused(graph.entities, refused.keys(), graph.hard)) or set(graph.entities)
    entities = [entity for entity in tonight.entities if entity in readable]
    if not entities:
        return None
    is_all = len(entities) == len(graph.entities)
    return RunToRequest(
        (work,),
        due_epoch([work]),
        assets=[] if is_all else [asset_key(plan.adapter, entity) for entity in entities],
        run_config=run_config(
            plan.adapter,
            work.key.mode.value,
            windowed=[entity for entity in tonight.windowed if entity in entities],
            reread=[entity for entity in tonight.reread if entity in entities],
        ),
    )


def _partition_changes(
    instance: dg.DagsterInstance, database: Database
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """Return the partitions to add and remove: an org has one partition for all of its connections."""
    connected = {connection.org for connection in list_connections(database)}
    known = set(instance.get_dynamic_partitions(ORG_PARTITIONS_NAME))
    changes: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if connected - known:
        changes.append(org_partitions.build_add_request(sorted(connected - known)))
    if known - connected:
        changes.append(org_partitions.build_delete_request(sorted(known - connected)))
    return changes
