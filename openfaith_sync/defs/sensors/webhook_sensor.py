"""The sensor for the inbox: asks for a run where events wait, one an org at a time."""

from threading import Event
from time import monotonic

import dagster as dg

from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.sensors.outage_probes import describe_away
from openfaith_sync.defs.sensors.run_requests import Ask, ask_runs, settle_asked
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.due_records import DueRecords, load_due_records
from openfaith_sync.store.schedule.work import Plan

MOST_UNDER_WAY = 50

LISTEN_SECONDS, LOOK_EVERY_SECONDS = 4.0, 0.4
"""Dagster begins a tick at most every five seconds. A tick that has nothing to ask for looks again until
shortly before the next one, so that an event that comes meanwhile need not wait for it."""


def build_webhook_sensor(
    manifest: Manifest, plan: Plan, job_name: str, listen_seconds: float = LISTEN_SECONDS
) -> dg.SensorDefinition:
    """Return the sensor that drains the inbox."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return listen(context.instance, database.open(), plan, listen_seconds)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_webhooks",
        evaluation_fn=evaluate,
        # By name: Dagster 1.13 warns of its own doing when it gives the job its resources.
        job_name=job_name,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a run for each church whose events wait; many events are one run.",
    )


def listen(
    instance: dg.DagsterInstance, database: Database, plan: Plan, seconds: float
) -> dg.SensorResult | dg.SkipReason:
    """Ask as soon as there is something to ask for, within so many seconds."""
    until, nobody = monotonic() + seconds, Event()
    while True:
        asked = ask_for_records(instance, database, plan)
        if isinstance(asked, dg.SensorResult):
            return asked
        if monotonic() >= until:
            away = describe_away(database, plan.adapter)
            return dg.SkipReason("; ".join(part for part in (asked.skip_message, away) if part))
        nobody.wait(LOOK_EVERY_SECONDS)


def ask_for_records(instance: dg.DagsterInstance, database: Database, plan: Plan) -> dg.SensorResult | dg.SkipReason:
    """Ask for a run for each org with events that are due and no run at them."""
    settled = settle_asked(instance, database, plan, [WorkMode.RECORDS])
    room = max(MOST_UNDER_WAY - settled.under_way, 0)
    due = load_due_records(database, plan, room) if room else []
    asked = ask_runs(instance, database, plan, list(map(_ask, due)))
    why = "no event waits" if room else "enough is under way"
    return asked or dg.SkipReason("; ".join(part for part in (why, str(settled)) if part))


def _ask(due: DueRecords) -> Ask:
    assert due.work.not_before is not None
    # The newest event alone would be the same question when a run leaves some of them for later.
    epoch = f"{due.newest}@{due.work.not_before.isoformat(timespec='milliseconds')}"
    return Ask((due.work,), epoch)
