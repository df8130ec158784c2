"""Decide which orgs are behind: their sources were last asked longer ago than they should have been.

A quiet org that was asked is up to date. What is refused to an org, and what its breaker keeps from being asked,
is told as that, and not as being behind.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode

OVERDUE_AFTER = {
    WorkMode.DELTA: timedelta(hours=1),
    WorkMode.RECONCILIATION: timedelta(hours=12),
    WorkMode.FULL: timedelta(days=1),
}
"""How long due work may wait for its turn. A delta waits for a run that reads the whole org; 5,000 orgs are compared
and listed in turns."""
RUN_LASTS = {
    WorkMode.DELTA: timedelta(hours=3),
    WorkMode.RECONCILIATION: timedelta(hours=12),
    WorkMode.FULL: timedelta(days=1),
}
"""How long a requested run may take, with its wait in the queue."""
FIRST_SYNC_LASTS = timedelta(days=1)
"""How long an entity may stay without its first complete sync."""
FAILURES = 3
"""So many failed runs in a row are not over by themselves: the third is tried 20 minutes after the first."""
PERSON_AFTER = timedelta(days=1)
"""An org that is behind for longer than this catches up no more by itself."""

ENTITIES_SHOWN = 3


class Lateness(Enum):
    """Why an org is behind."""

    FAILING = auto()
    """Its runs fail, again and again."""
    STUCK = auto()
    """A run was requested long ago, and has not ended."""
    OVERDUE = auto()
    """Nothing has asked for it since it was due."""


@dataclass(frozen=True, slots=True)
class LateWork:
    """One due-work row that may be late, with what the judgement depends on."""

    org: OrgId
    adapter: AdapterName
    entity: EntityName
    mode: WorkMode
    due_at: datetime | None
    requested_at: datetime | None
    """When its run was requested; ``None`` when none is under way."""
    attempts: int
    """Runs in a row that failed or were lost."""
    reason: str
    asked_at: datetime | None
    """When the source was last asked for changes, or completely read; ``None`` if it never was."""
    usable_since: datetime
    """When the org was connected, reconnected or resumed."""
    is_syncing: bool
    """Whether a run that reads the whole org is under way."""
    is_unasked: bool
    """Whether the source was asked much longer ago than the entity's interval."""

    @property
    def since(self) -> datetime:
        """Until when the data is known to be current."""
        return self.asked_at or self.usable_since


def judge(work: LateWork, now: datetime) -> Lateness | None:
    """Return why work is late; ``None`` if it is not."""
    if work.attempts >= FAILURES:
        return Lateness.FAILING
    is_first = work.mode is not WorkMode.RECONCILIATION and work.asked_at is None
    if now - work.usable_since <= (FIRST_SYNC_LASTS if is_first else OVERDUE_AFTER[work.mode]):
        return None
    if work.requested_at is not None:
        return Lateness.STUCK if now - work.requested_at > RUN_LASTS[work.mode] else None
    if work.is_syncing:
        return None
    is_due = work.due_at is not None and now - work.due_at > OVERDUE_AFTER[work.mode]
    return Lateness.OVERDUE if is_due or work.is_unasked else None


def freshness_problems(
    works: Iterable[LateWork], planned: Mapping[AdapterName, AbstractSet[OrgId]], now: datetime
) -> Iterator[Problem]:
    """Yield one problem for each org that is behind, or one for all orgs of an adapter that nothing asks.

    Args:
        works: The rows of usable connections that may be late.
        planned: The orgs with planned work of each adapter; empty when not all orgs are looked at.
        now: The database's time.
    """
    late: dict[tuple[AdapterName, OrgId], dict[Lateness, list[LateWork]]] = defaultdict(lambda: defaultdict(list))
    for work in works:
        if (lateness := judge(work, now)) is not None:
            late[work.adapter, work.org][lateness].append(work)
    for adapter, orgs in planned.items():
        overdue = {org for org in orgs if set(late.get((adapter, org), ())) == {Lateness.OVERDUE}}
        if orgs and overdue == orgs:
            found = [work for org in orgs for work in late.pop((adapter, org))[Lateness.OVERDUE]]
            yield _nobody_asks(adapter, frozenset(orgs), found)
    for reasons in late.values():
        for lateness in Lateness:
            if lateness in reasons:
                yield _behind(lateness, reasons[lateness], now)
                break


def _behind(lateness: Lateness, works: Sequence[LateWork], now: datetime) -> Problem:
    # What is asked for all entities at once shows why each of them is late.
    first = min(works, key=lambda work: (work.entity != ALL, work.since))
    since = min(work.since for work in works)
    entities = () if first.entity == ALL else tuple(sorted(work.entity for work in works))
    needs_person = lateness is Lateness.FAILING or now - since > PERSON_AFTER
    option = _mode_option(first) if len(entities) != 1 else f" --entity {entities[0]}"
    return Problem(
        kind=ProblemKind.FRESHNESS,
        adapter=first.adapter,
        severity=Severity.NEEDS_PERSON if needs_person else Severity.HEALS,
        since=since,
        detail=_describe(lateness, first, entities),
        command=f"openfaith-sync sync {first.org} --adapter {first.adapter}{option}",
        org=first.org,
        entities=entities,
    )


def _mode_option(work: LateWork) -> str:
    """Return the option without which a sync would not do this work."""
    is_usual = work.mode is WorkMode.DELTA or (work.mode is WorkMode.FULL and work.asked_at is None)
    return "" if is_usual else f" --mode {work.mode}"


def _describe(lateness: Lateness, work: LateWork, entities: Sequence[EntityName]) -> str:
    what = f"the {work.mode} sync" if not entities else _listed(entities)
    match lateness:
        case Lateness.FAILING:
            return f"{what} failed {work.attempts} times in a row: {work.reason}"
        case Lateness.STUCK:
            return f"{what} does not end: its run was requested at {work.requested_at:%Y-%m-%d %H:%M} UTC"
        case Lateness.OVERDUE:
            return f"{what} overdue: the source was last asked at {work.since:%Y-%m-%d %H:%M} UTC ({work.reason})"


def _listed(entities: Sequence[EntityName]) -> str:
    rest = len(entities) - ENTITIES_SHOWN
    return ", ".join(entities[:ENTITIES_SHOWN]) + (f" and {rest} more entities" if rest > 0 else "")


def _nobody_asks(adapter: AdapterName, orgs: frozenset[OrgId], works: Sequence[LateWork]) -> Problem:
    since = max(work.since for work in works)
    return Problem(
        kind=ProblemKind.FRESHNESS,
        adapter=adapter,
        severity=Severity.NEEDS_PERSON,
        since=since,
        detail="nothing asks the source, and every org is overdue: Dagster's daemon or its sensors are not running",
        command="dagster-daemon run",
        orgs=orgs,
    )
