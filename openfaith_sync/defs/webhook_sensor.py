"""The sensor for the inbox: asks for a run where events wait, one an org at a time."""

import dagster as dg

from openfaith_sync.defs.asking import Ask, ask_runs, settle_asked
from openfaith_sync.defs.resources import DatabaseResource
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.domain.work import WorkMode
from openfaith_sync.store.database import Database
from openfaith_sync.store.due_records import DueRecords, load_due_records
from openfaith_sync.store.work import Plan

MOST_UNDER_WAY = 50


def build_webhook_sensor(manifest: Manifest, plan: Plan, job_name: str) -> dg.SensorDefinition:
    """Give the sensor that drains the inbox."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return ask_for_records(context.instance, database.open(), plan)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_webhooks",
        evaluation_fn=evaluate,
        # By name: Dagster 1.13 warns of its own doing when it gives the job its resources.
        job_name=job_name,
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks for a run for each church whose events wait; many events are one run.",
    )


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
