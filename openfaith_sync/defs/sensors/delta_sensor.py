"""The delta sensor: checks each source for changes before it requests a run.

An unchanged org costs one request per entity and two rows that record the check: no run, and no event in Dagster's log.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from time import monotonic
from types import MappingProxyType

import dagster as dg

from openfaith_sync.defs.jobs.jobs import Job, run_config
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.sensors.outage_probes import probe_incidents, probe_unreachable
from openfaith_sync.defs.sensors.run_requests import RunToRequest, collect_outcomes, due_epoch, request_runs, skip
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.errors import AccessDenied, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.schedule.companions import with_companions
from openfaith_sync.domain.schedule.due_work import Work, WorkChange, WorkMode
from openfaith_sync.engine.passes.probe import probe_access, probe_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.connections.unavailable_entities import (
    Refused,
    load_refusals,
    note_readable,
    note_refusal,
    select_waiting,
)
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan, load_due, load_now, store_changes

TICK_SECONDS = 15.0
"""A source that is still being checked after this did not answer; orgs that were not reached come first at the next
tick, which starts within 20 s."""
PROBING_SECONDS = 13.0
"""After this, an org's next entity is left to the next tick: a slow source is not a failure."""
PARALLEL_ORGS = 8
MAX_ORGS = 200
"""Orgs checked per tick; at a tenth of a second each and eight at a time, a tick reaches them all."""
MAX_ACTIVE_RUNS = 50
WAIT_FOR_FREE_RUN = timedelta(minutes=1)
"""How long a changed entity waits for a free run before it is checked again."""
ATTEMPTS = 2
TIMEOUT = timedelta(seconds=TICK_SECONDS)


@dataclass(slots=True)
class ProbeResults:
    """The results of checking one org's source."""

    changed: list[Work] = field(default_factory=list)
    unchanged: list[Work] = field(default_factory=list)
    refused: list[tuple[Work, Refusal]] = field(default_factory=list)
    failed: dict[EntityName, tuple[Work, SyncError | Exception]] = field(default_factory=dict)

    def results_so_far(self, works: Sequence[Work]) -> "ProbeResults":
        """Return the results so far, while the source is still being checked.

        The remaining entities are marked as not answered.
        """
        changed, unchanged = list(self.changed), list(self.unchanged)
        refused = list(self.refused)
        done = {work.key for work in (*changed, *unchanged, *(work for work, _ in refused))}
        late = TransientError(f"did not respond within {TICK_SECONDS:.0f} s")
        answers = ProbeResults(changed, unchanged, refused)
        answers.failed.update({work.key.entity: (work, late) for work in works if work.key not in done})
        return answers


def build_delta_sensor(manifest: Manifest, plan: Plan, job: Job) -> dg.SensorDefinition:
    """Return the sensor that checks each entity for changes at its own interval."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return request_changed(context, database.open(), manifest, plan)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_delta",
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Checks each source for changes, and starts a run if there are any. Re-checks unreachable sources.",
    )


def request_changed(
    context: dg.SensorEvaluationContext, database: Database, manifest: Manifest, plan: Plan
) -> dg.SensorResult | dg.SkipReason:
    """Check every org that is due, as far as time allows, and request runs for the changed ones."""
    probe_unreachable(database, manifest)
    probe_incidents(database, manifest)
    outcomes = collect_outcomes(context.instance, database, plan, [WorkMode.DELTA])
    room = max(MAX_ACTIVE_RUNS - outcomes.under_way, 0)
    due = load_due(database, plan, WorkMode.DELTA, MAX_ORGS) if room else []
    known = load_refusals(database, manifest) if due else {}
    now = load_now(database)
    refused = select_waiting(known, now)
    checked, not_checked = _split(due, refused, manifest.graph.hard)
    answers = probe_orgs(context, database, manifest, checked, known)
    now = load_now(database)
    changes = [WorkChange.refused(work, now, refusal) for work, refusal in not_checked]
    changes += [change for answer in answers for change in _changes(answer, now)]
    with_changes = [answer.changed for answer in answers if answer.changed]
    changes += [_wait_for_free_run(work, now) for changed in with_changes[room:] for work in changed]
    store_changes(database, changes)
    requests = [_ask(manifest, changed, refused) for changed in with_changes[:room]]
    summary = _summarize(answers, checked)
    context.log.info(summary)
    return request_runs(context.instance, database, plan, requests) or skip(
        database, plan, WorkMode.DELTA, summary, str(outcomes)
    )


def _split(
    due: Sequence[Work], refused: Refused, hard: Mapping[EntityName, AbstractSet[EntityName]]
) -> tuple[list[Work], list[tuple[Work, Refusal]]]:
    """Separate the work to check from work that sources refuse or that is nested below unavailable entities."""
    to_check, not_checked = [], []
    for work in due:
        of_org = refused.get(work.key.org, {})
        refusal = of_org.get(work.key.entity) or _unavailable_above(work.key.entity, of_org, hard)
        if refusal is None:
            to_check.append(work)
        else:
            not_checked.append((work, refusal))
    return to_check, not_checked


def _unavailable_above(
    entity: EntityName, refused: Mapping[EntityName, Refusal], hard: Mapping[EntityName, AbstractSet[EntityName]]
) -> Refusal | None:
    """Return the refusal of an unavailable entity that this one hard-depends on, directly or indirectly."""
    for above in sorted(hard.get(entity, frozenset())):
        refusal = refused.get(above) or _unavailable_above(above, refused, hard)
        if refusal is not None and refusal.is_unavailable:
            return refusal
    return None


def probe_orgs(
    context: dg.SensorEvaluationContext,
    database: Database,
    manifest: Manifest,
    due: Sequence[Work],
    known: Refused = MappingProxyType({}),
) -> list[ProbeResults]:
    """Return the results of each org that was reached; a source that fails or hangs delays no other org."""
    until = monotonic() + PROBING_SECONDS
    works_of = [(org, list(works)) for org, works in groupby(due, key=lambda work: work.key.org)]
    with_answers: dict[Future[None], tuple[list[Work], ProbeResults]] = {}
    threads = ThreadPoolExecutor(PARALLEL_ORGS, thread_name_prefix="probe")
    for org, works in works_of:
        answers, refusals = ProbeResults(), known.get(org, {})
        probing = threads.submit(_probe_org, database, manifest, org, works, refusals, until, answers)
        with_answers[probing] = (works, answers)
    wait(with_answers, timeout=TICK_SECONDS)
    # A hanging check ends by its own timeouts and is not waited for.
    threads.shutdown(wait=False, cancel_futures=True)
    reached = {future: found for future, found in with_answers.items() if not future.cancelled()}
    is_done = {future for future in reached if future.done()}
    for error in filter(None, (future.exception() for future in is_done)):
        # A bug or an unexpected response: log it, and leave the other orgs unaffected.
        context.log.error("probing failed", exc_info=error)
    return [
        answers if future in is_done else answers.results_so_far(works) for future, (works, answers) in reached.items()
    ]


def _probe_org(
    database: Database,
    manifest: Manifest,
    org: OrgId,
    works: Sequence[Work],
    known: Mapping[EntityName, Refusal],
    until: float,
    answers: ProbeResults,
) -> None:
    left = list(works)
    try:
        connection = load_connection(database, org, manifest.adapter)
        with open_session(
            database, manifest, connection, lane=Lane.DELTA, attempts=ATTEMPTS, patience=TIMEOUT
        ) as session:
            while left and monotonic() < until:
                work = left[0]
                refusal = known.get(work.key.entity)
                try:
                    has_work = _ask_source(session, work.key.entity, refusal)
                except (TransientError, ReconnectRequired):
                    raise
                except AccessDenied as error:
                    noted = note_refusal(database, connection, work.key.entity, error)
                    if refusal is None and not noted.is_incident:
                        # The run will be refused too, and show it to people; once is enough.
                        answers.changed.append(work)
                    else:
                        answers.refused.append((work, noted))
                except SyncError:
                    # The run will fail in the same way, and show it to people.
                    answers.changed.append(work)
                else:
                    if refusal is not None and not refusal.is_shown:
                        note_readable(database, connection, work.key.entity)
                    (answers.changed if has_work else answers.unchanged).append(work)
                left.pop(0)
    except Exception as error:
        answers.failed = {work.key.entity: (work, error) for work in left}
        if not isinstance(error, SyncError):
            raise


def _ask_source(session: Session, entity: EntityName, refusal: Refusal | None) -> bool:
    """Return whether a run has work; for a refused entity, first check whether it is readable again."""
    is_open = refusal is None or probe_access(session.manifest, session.source, entity)
    # Only a successful run clears an earlier failure, and only a run can read a nested entity.
    is_for_a_run = not is_open or (refusal is not None and refusal.is_shown)
    return is_for_a_run or probe_entity(session, entity).has_work


def _changes(answers: ProbeResults, now: datetime) -> Iterable[WorkChange]:
    for work in answers.unchanged:
        yield WorkChange.done(work, now, "no changes")
    for work, refusal in answers.refused:
        yield WorkChange.refused(work, now, refusal)
    for work, error in answers.failed.values():
        retry_after = error.retry_after if isinstance(error, TransientError) else None
        yield WorkChange.failed(work, now, _reason(error), retry_after or timedelta())


def _wait_for_free_run(work: Work, now: datetime) -> WorkChange:
    return WorkChange(work, now + WAIT_FOR_FREE_RUN, "changed; waiting for a free run", work.attempts)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SyncError) else f"an unexpected {type(error).__name__}; see the tick's log"


def _ask(manifest: Manifest, changed: Sequence[Work], refused: Refused) -> RunToRequest:
    names = [work.key.entity for work in changed]
    refused_entities = refused.get(changed[0].key.org, {})
    entities = [entity for entity in with_companions(manifest, names) if entity not in refused_entities]
    # Entities that are listed only with another one are not checked, but they are part of the run.
    return RunToRequest(
        tuple(changed),
        due_epoch(changed),
        what="+".join(sorted(names)),
        assets=[asset_key(manifest.adapter, entity) for entity in entities],
        run_config=run_config(manifest.adapter, "auto"),
    )


def _summarize(answers: Sequence[ProbeResults], due: Sequence[Work]) -> str:
    orgs = len({work.key.org for work in due})
    if not orgs:
        return "no org is due"
    unchanged = sum(bool(answer.unchanged) and not answer.changed and not answer.failed for answer in answers)
    counts = {
        "with changes": sum(bool(answer.changed) for answer in answers),
        "without changes": unchanged,
        "refused an entity": sum(bool(answer.refused) for answer in answers),
        "not responding": sum(bool(answer.failed) for answer in answers),
        "not reached in time": orgs - len(answers),
    }
    details = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"checked {orgs} {'org' if orgs == 1 else 'orgs'}: {'no changes' if unchanged == orgs else details}"
