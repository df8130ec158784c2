"""Predict the runs of one org: what runs when, why, how many requests it takes and how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import MOST_PROBED_PAGES
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.planning.entity_facts import EntityFacts
from openfaith_sync.domain.planning.pass_forecast import Facts, PassForecast, predict_passes
from openfaith_sync.domain.planning.ranges import NOTHING, Range
from openfaith_sync.domain.planning.run_time import Pace, predict_seconds
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.schedule.companions import with_companions
from openfaith_sync.domain.schedule.due_work import ALL, NewWork, Work, WorkKey, WorkMode

TOGETHER = timedelta(minutes=1)
"""What is due within this is checked together."""
_LANES = {
    WorkMode.FULL: Lane.BACKFILL,
    WorkMode.DELTA: Lane.DELTA,
    WorkMode.RECONCILIATION: Lane.RECONCILIATION,
    WorkMode.RECORDS: Lane.WEBHOOK,
    WorkMode.SUBSCRIPTIONS: Lane.WEBHOOK,
}


@dataclass(frozen=True, slots=True)
class RunForecast:
    """One run of one org."""

    mode: WorkMode
    due: datetime | None
    """When it is due; ``None`` if only a request makes it due."""
    why: str
    passes: tuple[PassForecast, ...] = ()
    checks: Range | None = NOTHING
    """The requests that find out whether anything changed, and those that read single records; ``None`` if unknown."""
    announced: int = 0
    """Deletions that events in the inbox announce."""
    is_under_way: bool = False

    @property
    def requests(self) -> Range | None:
        """Return the run's requests; ``None`` if the size of an entity is unknown."""
        found = self.checks
        for one in self.passes:
            if found is None or one.requests is None:
                return None
            found += one.requests
        return found

    @property
    def likely_requests(self) -> int | None:
        """Return how many requests the run most likely takes."""
        requests = self.requests
        return None if requests is None else requests.least + sum(one.likely_further for one in self.passes)

    @property
    def deletions(self) -> Range | None:
        """Return how many records the run marks deleted; ``None`` for a run that compares nothing."""
        compared = [one.deletions.deletions for one in self.passes if one.deletions is not None]
        if not compared and self.mode is not WorkMode.RECORDS:
            return None
        return sum(compared, Range(0, self.announced))

    def predict_seconds(self, pace: Pace) -> tuple[float, float] | None:
        """Return the shortest and the longest time that the run is expected to take; ``None`` if unknown."""
        requests = self.requests
        if requests is None:
            return None
        checks = self.checks or NOTHING
        seconds = checks.least * pace.latency_seconds + sum(one.busy_seconds(pace) for one in self.passes)
        deep = sum(one.deep_requests for one in self.passes)
        lane = _LANES[self.mode]
        shortest = predict_seconds(pace, lane, requests.least, seconds, deep)
        further = (requests.most - requests.least) * pace.latency_seconds / max(1, pace.in_flight)
        return shortest, predict_seconds(pace, lane, requests.most, seconds + further, deep)


def predict_runs(
    manifest: Manifest, facts: Facts, works: Sequence[Work], waiting_events: int = 0
) -> Iterator[RunForecast]:
    """Yield the runs that an org's planned work leads to, soonest first.

    Before its first full sync nothing else runs; what comes later is predicted from what that will store.
    """
    is_new = not any(one.is_synced for one in facts.values())
    is_unknown = all(one.records is None for one in facts.values())
    later = {name: one.after_full_sync() for name, one in facts.items()} if is_new else facts
    runs = []
    for mode in WorkMode:
        of_mode = [work for work in works if work.key.mode is mode]
        if of_mode and (mode is not WorkMode.RECORDS or waiting_events):
            # How much a reconciliation compares is as unknown as how much the full sync before it stores.
            known = facts if mode is WorkMode.FULL or (is_unknown and mode is WorkMode.RECONCILIATION) else later
            runs.append(_predict_run(manifest, known, of_mode, waiting_events))
    yield from sorted(runs, key=lambda run: (run.due is None, run.due))


def predict_full_sync(manifest: Manifest, facts: Facts) -> tuple[PassForecast, ...]:
    """Return the passes of a full sync of all entities that are synced."""
    return tuple(predict_passes(manifest, facts, SyncMode.FULL, list(facts)))


def predict_reconciliation(manifest: Manifest, facts: Facts) -> tuple[PassForecast, ...]:
    """Return the passes of a reconciliation of all entities that are synced."""
    return tuple(predict_passes(manifest, facts, SyncMode.RECONCILIATION, list(facts)))


def plan_unseen_org(
    org: OrgId, adapter: AdapterName, now: datetime, time_zone: str, *, is_synced: bool
) -> tuple[Work, ...]:
    """Return the work that the daemon will plan for an org that it has not seen yet."""
    modes = (WorkMode.FULL, WorkMode.DELTA, WorkMode.RECONCILIATION, WorkMode.SUBSCRIPTIONS)
    new = [NewWork(WorkKey(org, adapter, ALL, mode), None) for mode in modes]
    return tuple(
        Work(
            key=row.key,
            not_before=row.first_due(time_zone, now, is_synced=is_synced),
            reason="newly connected",
            run_key=None,
            asked_at=None,
            attempts=0,
            time_zone=time_zone,
            every=None,
            is_long=False,
            is_complete=False,
            is_held=False,
        )
        for row in new
    )


def _predict_run(manifest: Manifest, facts: Facts, works: Sequence[Work], waiting_events: int) -> RunForecast:
    """Return the run that the work of one mode leads to."""
    first = min(works, key=lambda work: (work.not_before is None, work.not_before))
    run = RunForecast(
        mode=first.key.mode,
        due=first.not_before,
        why=_why(first),
        is_under_way=any(work.run_key is not None for work in works),
    )
    match first.key.mode:
        case WorkMode.FULL:
            return replace(run, passes=predict_full_sync(manifest, facts))
        case WorkMode.RECONCILIATION:
            return replace(run, passes=predict_reconciliation(manifest, facts))
        case WorkMode.RECORDS:
            # Several events of one record cause one read.
            announced = sum(one.announced for one in facts.values())
            why = f"{waiting_events:,} webhook events wait in the inbox"
            return replace(run, why=why, checks=Range(1, waiting_events), announced=announced)
        case WorkMode.SUBSCRIPTIONS:
            return replace(run, checks=None)
        case WorkMode.DELTA:
            due = [work.key.entity for work in works if _is_due_with(work, first)]
            return _predict_checks(manifest, facts, run, due)


def _is_due_with(work: Work, first: Work) -> bool:
    """Return whether work is done in the same check as what is due first."""
    if work.not_before is None or first.not_before is None:
        return work is first
    return work.not_before - first.not_before < TOGETHER


def _predict_checks(manifest: Manifest, facts: Facts, run: RunForecast, due: Sequence[EntityName]) -> RunForecast:
    """Return the check for changes of the entities that are due, with the sync of those that changed."""
    readable = [name for name, one in facts.items() if one.refusal is None and (ALL in due or name in due)]
    changed = [name for name in readable if _has_work(facts[name])]
    entities = [name for name in with_companions(manifest, changed) if name in facts]
    passes = tuple(predict_passes(manifest, facts, SyncMode.AUTO, entities))
    checks = sum((_count_checks(manifest, name, facts[name]) for name in readable), NOTHING)
    return replace(run, passes=passes, checks=checks, why=_describe_changes(facts, readable, run.why))


def _has_work(facts: EntityFacts) -> bool:
    differing = facts.source.differing if facts.source else None
    is_changed = differing is not None and differing.most > 0
    return is_changed or facts.nested.changed_parents > 0 or _must_run(facts)


def _must_run(facts: EntityFacts) -> bool:
    """Return whether a run is needed whatever the source shows."""
    return not facts.is_synced or not facts.is_current or facts.checkpoint.open_pass is not None


def _count_checks(manifest: Manifest, name: EntityName, facts: EntityFacts) -> Range:
    entity, size = manifest.entities[name], manifest.adapter_file.paging.size
    if entity.nested is not None or _must_run(facts):
        return NOTHING
    if entity.delta.by is not DeltaCapability.NONE or not entity.is_paged:
        return Range.exactly(1)
    # The whole listing, until something is new.
    return Range(1, min(MOST_PROBED_PAGES, max(1, -(-(facts.records or 0) // size))))


def _describe_changes(facts: Facts, names: Sequence[EntityName], why: str) -> str:
    if any(facts[name].source is None for name in names if not facts[name].nested.lists):
        return why
    changes = {name: source.differing for name in names if (source := facts[name].source) and source.differing}
    told = ", ".join(f"{name} {count}" for name, count in changes.items() if count.most)
    return f"{why}; records that differ: {told}" if told else f"{why}; nothing changed so far"


def _why(work: Work) -> str:
    if work.attempts:
        return f"attempt {work.attempts + 1}: {work.reason}"
    match work.key.mode:
        case WorkMode.FULL:
            return work.reason if work.not_before is not None else "when requested"
        case WorkMode.RECONCILIATION:
            return "compares all ids at night" + ("; a safety stop waits for a person" if work.is_held else "")
        case WorkMode.DELTA:
            return "asks what changed"
        case WorkMode.RECORDS:
            return "webhook events wait in the inbox"
        case WorkMode.SUBSCRIPTIONS:
            return "keeps the webhook subscriptions"
