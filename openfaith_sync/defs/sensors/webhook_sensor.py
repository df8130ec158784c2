"""The webhook sensor: requests a run for each org with waiting events, one per org at a time."""

from threading import Event
from time import monotonic

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.sensors.outage_probes import describe_unreachable
from openfaith_sync.defs.sensors.run_requests import RunToRequest, collect_outcomes, request_runs
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.due_records import DueRecords, load_due_records
from openfaith_sync.store.schedule.work import Plan

MAX_ACTIVE_RUNS = 50

LISTEN_SECONDS, POLL_SECONDS = 4.0, 0.4
"""Dagster starts a tick at most every five seconds. A tick without work checks again until shortly before the next
one, so that an event that arrives meanwhile does not wait for it."""


def build_webhook_sensor(
    manifest: Manifest, plan: Plan, job_name: str, listen_seconds: float = LISTEN_SECONDS
) -> dg.SensorDefinition:
    """Return the sensor that processes the inbox."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return listen(context.instance, database.open(), plan, listen_seconds)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_webhooks",
        evaluation_fn=evaluate,
        # By name: Dagster 1.13 warns about its own behaviour when it gives the job its resources.
        job_name=job_name,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run for each org with waiting webhook events; one run processes many events.",
    )


def listen(
    instance: dg.DagsterInstance, database: Database, plan: Plan, seconds: float
) -> dg.SensorResult | dg.SkipReason:
    """Request a run as soon as there is work, within this many seconds."""
    until, never_set = monotonic() + seconds, Event()
    while True:
        requested = request_record_runs(instance, database, plan)
        if isinstance(requested, dg.SensorResult):
            return requested
        if monotonic() >= until:
            away = describe_unreachable(database, plan.adapter)
            return dg.SkipReason("; ".join(part for part in (requested.skip_message, away) if part))
        never_set.wait(POLL_SECONDS)


def request_record_runs(
    instance: dg.DagsterInstance, database: Database, plan: Plan
) -> dg.SensorResult | dg.SkipReason:
    """Request a run for each org with due events and no active run."""
    outcomes = collect_outcomes(instance, database, plan, [WorkMode.RECORDS])
    room = max(MAX_ACTIVE_RUNS - outcomes.under_way, 0)
    due = load_due_records(database, plan, room) if room else []
    requested = request_runs(instance, database, plan, list(map(_ask, due)))
    reason = "no events are waiting" if room else "the limit of concurrent runs is reached"
    return requested or dg.SkipReason("; ".join(part for part in (reason, str(outcomes)) if part))


def _ask(due: DueRecords) -> RunToRequest:
    assert due.work.not_before is not None
    # With the newest event alone, the key would not change when a run leaves some events for later.
    epoch = f"{due.newest}@{due.work.not_before.isoformat(timespec='milliseconds')}"
    return RunToRequest((due.work,), epoch)
