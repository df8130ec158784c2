"""The sensor for changes: asks each source what is new before it asks for any run.

An org with nothing new costs one request an entity and two rows that say when it
was asked: no run, no event of Dagster's.
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

from openfaith_sync.defs.assets.entity_assets import asset_key
from openfaith_sync.defs.jobs.jobs import Job, run_config
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.sensors.outage_probes import probe_away, probe_incidents
from openfaith_sync.defs.sensors.run_requests import Ask, ask_runs, due_epoch, settle_asked, skip
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.errors import AccessDenied, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.lanes import Lane
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
"""Whoever is being asked then did not answer, and whoever was not reached comes first at the next tick, which is
within 20 s."""
PROBING_SECONDS = 13.0
"""After so long an org's next entity is left to the next tick: whoever answers, if slowly, is no failure."""
ORGS_SIDE_BY_SIDE = 8
MOST_ORGS = 200
"""One tick looks at; at a tenth of a second each and eight at a time it reaches them all."""
MOST_UNDER_WAY = 50
WAITS_FOR_A_PLACE = timedelta(minutes=1)
"""Asked again only then, whether it changed."""
ATTEMPTS = 2
PATIENCE = timedelta(seconds=TICK_SECONDS)


@dataclass(slots=True)
class Answers:
    """What one org's source said."""

    changed: list[Work] = field(default_factory=list)
    quiet: list[Work] = field(default_factory=list)
    refused: list[tuple[Work, Refusal]] = field(default_factory=list)
    failed: dict[EntityName, tuple[Work, SyncError | Exception]] = field(default_factory=dict)

    def so_far(self, works: Sequence[Work]) -> "Answers":
        """Return what was said by now, while the source is still being asked; of the rest, that it did not answer."""
        changed, quiet = list(self.changed), list(self.quiet)
        refused = list(self.refused)
        told = {work.key for work in (*changed, *quiet, *(work for work, _ in refused))}
        late = TransientError(f"did not answer within {TICK_SECONDS:.0f} s")
        answers = Answers(changed, quiet, refused)
        answers.failed.update({work.key.entity: (work, late) for work in works if work.key not in told})
        return answers


def build_delta_sensor(manifest: Manifest, plan: Plan, job: Job) -> dg.SensorDefinition:
    """Return the sensor that looks for changes, for each entity at its own cadence."""

    def evaluate(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult | dg.SkipReason:
        return ask_for_changes(context, database.open(), manifest, plan)

    return dg.SensorDefinition(
        name=f"{manifest.adapter}_delta",
        evaluation_fn=evaluate,
        job=job,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Asks the source what changed, and asks for a run only where something did. Probes who is away.",
    )


def ask_for_changes(
    context: dg.SensorEvaluationContext, database: Database, manifest: Manifest, plan: Plan
) -> dg.SensorResult | dg.SkipReason:
    """Look at every org that is due, as far as the time goes, and ask for runs where something is new."""
    probe_away(database, manifest)
    probe_incidents(database, manifest)
    settled = settle_asked(context.instance, database, plan, [WorkMode.DELTA])
    room = max(MOST_UNDER_WAY - settled.under_way, 0)
    due = load_due(database, plan, WorkMode.DELTA, MOST_ORGS) if room else []
    known = load_refusals(database, manifest) if due else {}
    now = load_now(database)
    refused = select_waiting(known, now)
    asked, unasked = _split(due, refused, manifest.graph.hard)
    answers = probe_orgs(context, database, manifest, asked, known)
    now = load_now(database)
    changes = [WorkChange.refused(work, now, refusal) for work, refusal in unasked]
    changes += [change for answer in answers for change in _changes(answer, now)]
    with_changes = [answer.changed for answer in answers if answer.changed]
    changes += [_wait_for_a_place(work, now) for changed in with_changes[room:] for work in changed]
    store_changes(database, changes)
    asks = [_ask(manifest, changed, refused) for changed in with_changes[:room]]
    told = _told(answers, asked)
    context.log.info(told)
    return ask_runs(context.instance, database, plan, asks) or skip(database, plan, WorkMode.DELTA, told, str(settled))


def _split(
    due: Sequence[Work], refused: Refused, hard: Mapping[EntityName, AbstractSet[EntityName]]
) -> tuple[list[Work], list[tuple[Work, Refusal]]]:
    """Separate what is asked of sources from what they refuse, and from what is listed below the unavailable."""
    asked, unasked = [], []
    for work in due:
        of_org = refused.get(work.key.org, {})
        refusal = of_org.get(work.key.entity) or _unavailable_above(work.key.entity, of_org, hard)
        if refusal is None:
            asked.append(work)
        else:
            unasked.append((work, refusal))
    return asked, unasked


def _unavailable_above(
    entity: EntityName, refused: Mapping[EntityName, Refusal], hard: Mapping[EntityName, AbstractSet[EntityName]]
) -> Refusal | None:
    """Return the refusal of what an entity hard-depends on, at any distance, where it never was available."""
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
) -> list[Answers]:
    """Return what became of each org that was reached; one whose source fails or hangs keeps no other waiting."""
    until = monotonic() + PROBING_SECONDS
    works_of = [(org, list(works)) for org, works in groupby(due, key=lambda work: work.key.org)]
    with_answers: dict[Future[None], tuple[list[Work], Answers]] = {}
    threads = ThreadPoolExecutor(ORGS_SIDE_BY_SIDE, thread_name_prefix="probe")
    for org, works in works_of:
        answers, refusals = Answers(), known.get(org, {})
        probing = threads.submit(_probe_org, database, manifest, org, works, refusals, until, answers)
        with_answers[probing] = (works, answers)
    wait(with_answers, timeout=TICK_SECONDS)
    # What hangs ends by its own timeouts; nobody waits for it here.
    threads.shutdown(wait=False, cancel_futures=True)
    reached = {future: found for future, found in with_answers.items() if not future.cancelled()}
    is_done = {future for future in reached if future.done()}
    for error in filter(None, (future.exception() for future in is_done)):
        # A bug of ours or an answer nobody foresaw: shown, and no other org pays for it.
        context.log.error("probing failed", exc_info=error)
    return [answers if future in is_done else answers.so_far(works) for future, (works, answers) in reached.items()]


def _probe_org(
    database: Database,
    manifest: Manifest,
    org: OrgId,
    works: Sequence[Work],
    known: Mapping[EntityName, Refusal],
    until: float,
    answers: Answers,
) -> None:
    left = list(works)
    try:
        connection = load_connection(database, org, manifest.adapter)
        with open_session(
            database, manifest, connection, lane=Lane.DELTA, attempts=ATTEMPTS, patience=PATIENCE
        ) as session:
            while left and monotonic() < until:
                work = left[0]
                refusal = known.get(work.key.entity)
                try:
                    has_work = _ask_source(session, work.key.entity, refusal)
                except (TransientError, ReconnectRequired):
                    raise
                except AccessDenied as error:
                    found = note_refusal(database, connection, work.key.entity, error)
                    if refusal is None and not found.is_incident:
                        # A run is refused the same, where people see it; once is enough.
                        answers.changed.append(work)
                    else:
                        answers.refused.append((work, found))
                except SyncError:
                    # A run will fail of the same, where people see it.
                    answers.changed.append(work)
                else:
                    if refusal is not None and not refusal.is_shown:
                        note_readable(database, connection, work.key.entity)
                    (answers.changed if has_work else answers.quiet).append(work)
                left.pop(0)
    except Exception as error:
        answers.failed = {work.key.entity: (work, error) for work in left}
        if not isinstance(error, SyncError):
            raise


def _ask_source(session: Session, entity: EntityName, refusal: Refusal | None) -> bool:
    """Return whether a run has work; for what was refused, whether it is readable again is asked first."""
    is_open = refusal is None or probe_access(session.manifest, session.source, entity)
    # Only a run that succeeds takes back that one failed; and only a run can ask for a nested entity.
    is_for_a_run = not is_open or (refusal is not None and refusal.is_shown)
    return is_for_a_run or probe_entity(session, entity).has_work


def _changes(answers: Answers, now: datetime) -> Iterable[WorkChange]:
    for work in answers.quiet:
        yield WorkChange.done(work, now, "nothing new")
    for work, refusal in answers.refused:
        yield WorkChange.refused(work, now, refusal)
    for work, error in answers.failed.values():
        retry_after = error.retry_after if isinstance(error, TransientError) else None
        yield WorkChange.failed(work, now, _reason(error), retry_after or timedelta())


def _wait_for_a_place(work: Work, now: datetime) -> WorkChange:
    return WorkChange(work, now + WAITS_FOR_A_PLACE, "changed; waits for a place", work.attempts)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, SyncError) else f"an unforeseen {type(error).__name__}; see the tick's log"


def _ask(manifest: Manifest, changed: Sequence[Work], refused: Refused) -> Ask:
    names = [work.key.entity for work in changed]
    lacking = refused.get(changed[0].key.org, {})
    along = [entity for entity in with_companions(manifest, names) if entity not in lacking]
    # What is only listed with another is not in the plan's answer, but in the run.
    return Ask(
        tuple(changed),
        due_epoch(changed),
        what="+".join(sorted(names)),
        assets=[asset_key(manifest.adapter, entity) for entity in along],
        run_config=run_config(manifest.adapter, along, "auto"),
    )


def with_companions(manifest: Manifest, entities: Iterable[EntityName]) -> list[EntityName]:
    """Add what can only be synced after these: the nested ones below them, and children that rode along."""
    chosen = set(entities)
    for part in list(manifest.entities.values()):
        if part.parent in chosen:
            chosen.add(part.name)
        if part.name in chosen:
            riding = (EntityName(child) for child in part.sideload.values())
            chosen |= {child for child in riding if manifest.entities[child].delta.by is not DeltaCapability.FILTER}
    return [entity for entity in manifest.entities if entity in chosen]


def _told(answers: Sequence[Answers], due: Sequence[Work]) -> str:
    orgs = len({work.key.org for work in due})
    counts = {
        "with changes": sum(bool(answer.changed) for answer in answers),
        "quiet": sum(bool(answer.quiet) and not answer.changed and not answer.failed for answer in answers),
        "refused something": sum(bool(answer.refused) for answer in answers),
        "not answering": sum(bool(answer.failed) for answer in answers),
        "not reached in time": orgs - len(answers),
    }
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{orgs} orgs were due: {said}" if orgs else "no org is due"
