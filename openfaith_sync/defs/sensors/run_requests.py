"""How sensors ask for runs, and learn what became of them.

A row of the plan is marked before its run is asked for, in the database. Whatever
is lost after that (the tick, the daemon, the run, its process) shows as a row whose
run is not there or failed, and is asked for again with the next attempt's key.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus

from openfaith_sync.defs.resources.partitions import ORG_PARTITIONS_NAME, org_partitions
from openfaith_sync.defs.sensors.outage_probes import describe_away, describe_incidents
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.schedule.due_work import Work, WorkChange, WorkMode, make_run_key
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan, ask_for, load_asked, load_next_time, load_now, store_changes

LOST_AFTER = timedelta(minutes=2)
"""A run that was asked for exists within seconds; after so long nobody will make it any more."""

ASKED_BY_US = {"dagster/max_retries": "0"}
"""Dagster would retry a run that died, and so would the plan."""

_RUN_KEY = "dagster/run_key"


@dataclass(slots=True)
class Settled:
    """What became of the runs that were asked for."""

    under_way: int = 0
    done: int = 0
    failed: int = 0

    def __str__(self) -> str:
        """Say it in a few words; nothing when nothing was asked."""
        told = {"under way": self.under_way, "done": self.done, "to be asked for again": self.failed}
        return ", ".join(f"{count} runs {what}" for what, count in told.items() if count)


@dataclass(frozen=True, slots=True)
class Ask:
    """One run to ask for, and the rows of the plan that it answers; all of one org and mode."""

    works: tuple[Work, ...]
    epoch: str
    """What makes it another question than the last one."""
    what: str = ""
    """Which part of the mode, where it is not all of it."""
    assets: Collection[dg.AssetKey] = ()
    run_config: dict[str, Any] = field(default_factory=dict)

    @property
    def org(self) -> OrgId:
        """Whose run it is."""
        return self.works[0].key.org

    @property
    def run_key(self) -> str:
        """Name the question."""
        key = self.works[0].key
        attempt = max(work.attempts for work in self.works)
        return make_run_key(key.org, key.adapter, key.mode, self.what, self.epoch, attempt)


def due_epoch(works: Iterable[Work]) -> str:
    """Return the moment at which these rows were all due."""
    return max(work.not_before for work in works if work.not_before).isoformat(timespec="milliseconds")


def settle_asked(instance: dg.DagsterInstance, database: Database, plan: Plan, modes: Collection[WorkMode]) -> Settled:
    """Learn of the runs that were asked for, and plan what comes next for each."""
    settled, asked = Settled(), load_asked(database, plan, modes)
    if not asked:
        return settled
    now = load_now(database)
    runs = {key: _find_run(instance, key) for key in {str(work.run_key) for work in asked}}
    changes = []
    for work in asked:
        change = _what_became(work, runs[str(work.run_key)], now)
        if change is None:
            settled.under_way += 1
            continue
        changes.append(change)
        settled.failed += change.attempts > 0
        settled.done += change.attempts == 0
    store_changes(database, changes, {key: run.run_id for key, run in runs.items() if run})
    return settled


def ask_runs(
    instance: dg.DagsterInstance, database: Database, plan: Plan, asks: Sequence[Ask]
) -> dg.SensorResult | None:
    """Ask for these runs, each once; nothing when somebody else did already."""
    marked = ask_for(database, plan.adapter, {ask.run_key: ask.works for ask in asks})
    ours = [ask for ask in asks if ask.run_key in marked]
    if not ours:
        return None
    known = set(instance.get_dynamic_partitions(ORG_PARTITIONS_NAME))
    missing = sorted({ask.org for ask in ours} - known)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=ask.run_key,
                partition_key=ask.org,
                asset_selection=sorted(ask.assets) or None,
                run_config=ask.run_config,
                tags=ASKED_BY_US,
            )
            for ask in ours
        ],
        dynamic_partitions_requests=[org_partitions.build_add_request(missing)] if missing else [],
    )


def skip(database: Database, plan: Plan, mode: WorkMode, *told: str) -> dg.SkipReason:
    """Say why nothing is asked for, and when something will be."""
    following = load_next_time(database, plan.adapter, mode)
    trouble = (describe_away(database, plan.adapter), describe_incidents(database, plan.adapter))
    words = [part for part in (*told, *trouble) if part]
    return dg.SkipReason("; ".join([*words, f"next {mode} {_said(following)}"]))


def _said(moment: datetime | None) -> str:
    return f"at {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "when it is asked for"


def _what_became(work: Work, run: DagsterRun | None, now: datetime) -> WorkChange | None:
    if run is None:
        is_lost = work.asked_at is None or now - work.asked_at > LOST_AFTER
        return WorkChange.failed(work, now, "its run was lost") if is_lost else None
    match run.status:
        case DagsterRunStatus.SUCCESS:
            return WorkChange.done(work, now, "done")
        case DagsterRunStatus.CANCELED:
            return WorkChange.done(work, now, "its run was cancelled by a person")
        case DagsterRunStatus.FAILURE if work.is_complete:
            return WorkChange.done(work, now, "done, in a run that failed elsewhere")
        case DagsterRunStatus.FAILURE:
            return WorkChange.failed(work, now, "its run failed")
        case _:
            return None


def _find_run(instance: dg.DagsterInstance, run_key: str) -> DagsterRun | None:
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: run_key}), limit=1)
    return runs[0] if runs else None
