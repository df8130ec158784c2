"""The problem sensor: shows on each org's partition what is wrong with it, within a minute and without a run."""

from collections import Counter
from itertools import islice
from time import monotonic
from typing import Any

import dagster as dg

from openfaith_sync.defs.checks.check_states import describe_worst, find_news, find_states, report_of
from openfaith_sync.defs.checks.evaluation_events import store_evaluation
from openfaith_sync.defs.checks.org_checks import evaluate_checks, reports_of
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.admin.dagster_reports import (
    Report,
    load_orgs_to_report,
    load_reported_problems,
    load_unreported,
    store_reports,
)
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.database.database import Database

TICK_SECONDS = 20.0
"""An evaluation takes 10 ms to store. When 5,000 orgs fail at once, one tick writes those of 2,000."""
AT_A_TIME = 50
"""Evaluations between two notes of what was written: so many are written again after a kill."""
DAILY_ORGS = 50
"""Orgs whose daily reports are written per tick: 5,000 take an hour."""


def build_problem_sensor(manifest: Manifest) -> dg.SensorDefinition:
    """Return the sensor that writes the results of an adapter's checks."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SkipReason:
        return report_problems(context.instance, database.open(), manifest)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_problems",
        evaluation_fn=evaluate,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Writes the results of the asset checks when they change, and once a day, without a run. The reason of "
            "each tick says which orgs need attention, the worst first."
        ),
    )


def report_problems(instance: dg.DagsterInstance, database: Database, manifest: Manifest) -> dg.SkipReason:
    """Write the checks that failed or passed since the last tick, and say what is wrong, the worst first."""
    adapter, end = manifest.adapter, monotonic() + TICK_SECONDS
    # Before the problems: an org that is connected in between is then reported in the next tick.
    due = load_orgs_to_report(database, adapter, DAILY_ORGS)
    told = load_reported_problems(database, adapter)
    problems = [problem for problem in list_problems(database) if problem.adapter == adapter]
    states = find_states(problems)
    news, written = iter(find_news(states, told, due)), Counter[bool]()
    while monotonic() < end and (keys := list(islice(news, AT_A_TIME))):
        for evaluation in evaluate_checks(database, adapter, states, keys):
            store_evaluation(instance, evaluation)
        # After them: a kill in between writes them twice, and never leaves one out.
        store_reports(database, adapter, reports_of(states, keys))
        written.update(report_of(states.get(key, ())).is_ok for key in keys)
    later = sum(1 for _ in news)
    materialized = report_passes(instance, database, manifest)
    parts = [*describe_worst(problems)] or ["nothing is wrong"]
    if written:
        parts.append(f"wrote {written[False]} failed and {written[True]} passed checks")
    if materialized:
        parts.append(f"wrote the materializations of {materialized} entities that were synced outside Dagster")
    if later:
        parts.append(f"{later} more in the next tick")
    return dg.SkipReason("; ".join(parts))


def report_passes(instance: dg.DagsterInstance, database: Database, manifest: Manifest) -> int:
    """Write the materializations of syncs outside Dagster, such as `openfaith-sync sync`, and return how many."""
    passes = load_unreported(database, manifest.adapter, AT_A_TIME)
    for done in passes:
        metadata: dict[str, Any] = {
            "mode": done.mode,
            "trigger": done.trigger,
            "created": done.counts.created,
            "updated": done.counts.updated,
            "unchanged": done.counts.unchanged,
            "tombstoned": done.counts.tombstoned,
            "dead_letters": done.counts.dead,
            "pages": done.pages,
            "requests": done.requests,
        }
        if done.stored_count is not None:
            metadata |= {"stored_count": done.stored_count, "dagster/partition_row_count": done.stored_count}
        asset = asset_key(manifest.adapter, done.key.entity)
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=done.key.org, metadata=metadata))
    store_reports(database, manifest.adapter, {done.key: Report(is_ok=True) for done in passes})
    return len(passes)
