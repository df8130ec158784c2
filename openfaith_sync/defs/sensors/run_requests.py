"""Request runs from sensors, and record what became of them.

A row of the plan is marked in the database before its run is requested. Whatever is lost
after that (the tick, the daemon, the run, its process) shows as a row whose run is missing
or failed, and the run is requested again under the next attempt's key.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus

from openfaith_sync.defs.resources.partitions import ORG_PARTITIONS_NAME, org_partitions
from openfaith_sync.defs.resources.run_tags import QUIET_TAGS, TRIGGER_TAG
from openfaith_sync.defs.sensors.outage_probes import describe_incidents, describe_unreachable
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.schedule.due_work import Work, WorkChange, WorkMode, make_run_key
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan, ask_for, load_asked, load_next_time, load_now, store_changes

LOST_AFTER = timedelta(minutes=2)
"""A requested run exists within seconds; after this long it will not be created any more."""

REQUESTED_TAGS = {"dagster/max_retries": "0", **QUIET_TAGS}
"""Dagster would retry a run that died, and so would the plan."""

TRIGGERS = {WorkMode.DELTA: "change", WorkMode.RECORDS: "webhook"}
"""What started a run, for its tag; every other run is due at its time."""
SCHEDULE = "schedule"

_RUN_KEY = "dagster/run_key"


@dataclass(slots=True)
class RunOutcomes:
    """What became of the requested runs."""

    under_way: int = 0
    done: int = 0
    failed: int = 0

    def __str__(self) -> str:
        """Describe the counts; empty if there are none."""
        counts = {"in progress": self.under_way, "succeeded": self.done, "to be retried": self.failed}
        return ", ".join(f"{count} {'run' if count == 1 else 'runs'} {what}" for what, count in counts.items() if count)


@dataclass(frozen=True, slots=True)
class RunToRequest:
    """One run to request, and the rows of the plan that it covers; all of one org and mode."""

    works: tuple[Work, ...]
    epoch: str
    """What distinguishes this request from the previous one."""
    what: str = ""
    """The part of the mode, if it is not the whole."""
    assets: Collection[dg.AssetKey] = ()
    run_config: dict[str, Any] = field(default_factory=dict)

    @property
    def org(self) -> OrgId:
        """Return the org of the run."""
        return self.works[0].key.org

    @property
    def run_key(self) -> str:
        """Return the key that identifies the request."""
        key = self.works[0].key
        attempt = max(work.attempts for work in self.works)
        return make_run_key(key.org, key.adapter, key.mode, self.what, self.epoch, attempt)


def due_epoch(works: Iterable[Work]) -> str:
    """Return the time by which all these rows were due."""
    return max(work.not_before for work in works if work.not_before).isoformat(timespec="milliseconds")


def collect_outcomes(
    instance: dg.DagsterInstance, database: Database, plan: Plan, modes: Collection[WorkMode]
) -> RunOutcomes:
    """Check the requested runs, and plan what comes next for each."""
    outcomes, requested = RunOutcomes(), load_asked(database, plan, modes)
    if not requested:
        return outcomes
    now = load_now(database)
    runs = {key: _find_run(instance, key) for key in {str(work.run_key) for work in requested}}
    changes = []
    for work in requested:
        change = _outcome(work, runs[str(work.run_key)], now)
        if change is None:
            outcomes.under_way += 1
            continue
        changes.append(change)
        outcomes.failed += change.attempts > 0
        outcomes.done += change.attempts == 0
    store_changes(database, changes, {key: run.run_id for key, run in runs.items() if run})
    return outcomes


def request_runs(
    instance: dg.DagsterInstance, database: Database, plan: Plan, requests: Sequence[RunToRequest]
) -> dg.SensorResult | None:
    """Request these runs, each once; nothing if another process already has."""
    marked = ask_for(database, plan.adapter, {request.run_key: request.works for request in requests})
    ours = [request for request in requests if request.run_key in marked]
    if not ours:
        return None
    known = set(instance.get_dynamic_partitions(ORG_PARTITIONS_NAME))
    missing = sorted({request.org for request in ours} - known)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=request.run_key,
                partition_key=request.org,
                asset_selection=sorted(request.assets) or None,
                # Without this, a run of some assets would include their checks.
                asset_check_keys=[] if request.assets else None,
                run_config=request.run_config,
                tags={**REQUESTED_TAGS, TRIGGER_TAG: TRIGGERS.get(request.works[0].key.mode, SCHEDULE)},
            )
            for request in ours
        ],
        dynamic_partitions_requests=[org_partitions.build_add_request(missing)] if missing else [],
    )


def skip(database: Database, plan: Plan, mode: WorkMode, *notes: str) -> dg.SkipReason:
    """Return a skip reason that says why no run is requested, and when the next one is due."""
    following = load_next_time(database, plan.adapter, mode)
    outages = (describe_unreachable(database, plan.adapter), describe_incidents(database, plan.adapter))
    # The worst first: it explains the rest.
    parts = [part for part in (*outages, *notes) if part]
    return dg.SkipReason("; ".join([*parts, f"next {mode} {_format_time(following)}"]))


def _format_time(moment: datetime | None) -> str:
    return f"at {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "when requested"


def _outcome(work: Work, run: DagsterRun | None, now: datetime) -> WorkChange | None:
    if run is None:
        is_lost = work.asked_at is None or now - work.asked_at > LOST_AFTER
        return WorkChange.failed(work, now, "its run was lost") if is_lost else None
    match run.status:
        case DagsterRunStatus.SUCCESS:
            return WorkChange.done(work, now, "done")
        case DagsterRunStatus.CANCELED:
            return WorkChange.done(work, now, "its run was canceled")
        case DagsterRunStatus.FAILURE if work.is_complete:
            return WorkChange.done(work, now, "done, in a run that failed at another entity")
        case DagsterRunStatus.FAILURE:
            return WorkChange.failed(work, now, "its run failed")
        case _:
            return None


def _find_run(instance: dg.DagsterInstance, run_key: str) -> DagsterRun | None:
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: run_key}), limit=1)
    return runs[0] if runs else None
