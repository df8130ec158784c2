"""Decide in what state an org is: the one line that ``status`` shows of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity, sort_key
from openfaith_sync.domain.schedule.due_work import WorkMode

ENOUGH_TO_ESTIMATE = timedelta(seconds=5)
"""The rate of a shorter walk says little about the rest of it."""


class OrgState(StrEnum):
    """The state of an org, worst first."""

    NEEDS_YOU = "needs you"
    UNREACHABLE = "unreachable"
    BEHIND = "behind"
    WAITING = "waiting for its first sync"
    INTERRUPTED = "interrupted"
    SYNCING = "syncing"
    PAUSED = "paused"
    UP_TO_DATE = "up to date"


_HAPPENS = {ProblemKind.OUTAGE: OrgState.UNREACHABLE, ProblemKind.FRESHNESS: OrgState.BEHIND}


@dataclass(frozen=True, slots=True)
class PassUnderWay:
    """An open pass: how far it is."""

    entity: EntityName
    mode: SyncMode
    started_at: datetime
    records: int
    pages: int
    total: int | None
    """Records in all, as far as the source says."""
    is_alive: bool
    """Whether a worker holds its lease; if not, the next sync resumes it."""
    is_resumed: bool
    """Whether it was interrupted before, so that its age says nothing about its rate."""

    def estimate_finish(self, now: datetime) -> datetime | None:
        """Return when it will be finished at its rate so far; ``None`` where that cannot be known."""
        elapsed = now - self.started_at
        if not self.is_alive or self.is_resumed or self.total is None or not self.records:
            return None
        return now + elapsed * ((self.total - self.records) / self.records) if elapsed >= ENOUGH_TO_ESTIMATE else None

    @property
    def progress(self) -> str:
        """Describe how far it is, for a person."""
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.entity}: {self.records:,}{of} records"


@dataclass(frozen=True, slots=True)
class NextWork:
    """What comes next for an org."""

    mode: WorkMode
    at: datetime
    """When it is due; when its run was requested, if one was."""
    is_requested: bool


@dataclass(frozen=True, slots=True)
class OrgFacts:
    """What the store knows of one org's connection."""

    org: OrgId
    adapter: AdapterName
    status: ConnectionStatus
    status_reason: str | None
    status_since: datetime
    asked_at: datetime | None
    """When the source was last asked for changes, or an entity completely read."""
    changed_at: datetime | None
    """When a finished pass last wrote a record."""
    is_complete: bool
    """Whether any entity was ever completely synced."""
    next: NextWork | None
    passes: tuple[PassUnderWay, ...] = ()
    first_sync: FirstSync | None = None
    """How far the first sync is, while a pass of it is open."""


@dataclass(frozen=True, slots=True)
class OrgStatus:
    """The state of one org's connection, and why."""

    facts: OrgFacts
    state: OrgState
    since: datetime
    what: str
    """The reason, or what to do, in one line; empty if there is nothing to say."""
    problems: tuple[Problem, ...]
    """All problems of the connection, worst first."""
    under_way: PassUnderWay | None
    finish_at: datetime | None


def judge_org(facts: OrgFacts, problems: Sequence[Problem], now: datetime) -> OrgStatus:
    """Return the state of an org with these problems."""
    own = tuple(sorted(problems, key=sort_key))
    under_way = max(facts.passes, key=lambda one: (one.is_alive, one.started_at), default=None)
    finish_at = None if under_way is None else _estimate_finish(facts, under_way, now)
    red = [problem for problem in own if problem.is_red]
    state, since, what = _judge_trouble(red) if red else _judge_calm(facts, under_way)
    return OrgStatus(facts, state, since, what, own, under_way, finish_at)


def _estimate_finish(facts: OrgFacts, under_way: PassUnderWay, now: datetime) -> datetime | None:
    """Return when all that is under way is finished: of a first sync, all of its entities."""
    if facts.first_sync is None:
        return under_way.estimate_finish(now)
    return now + timedelta(seconds=facts.first_sync.seconds) if under_way.is_alive else None


def _judge_trouble(red: Sequence[Problem]) -> tuple[OrgState, datetime, str]:
    """Return the state of an org with problems; one that it alone can end goes before what happens to it."""
    own = [problem for problem in red if problem.kind not in _HAPPENS]
    first = (own or red)[0]
    state = _HAPPENS.get(first.kind, OrgState.NEEDS_YOU)
    more = f" (and {len(own) - 1} more)" if len(own) > 1 else ""
    command = f": {first.command}" if first.severity is Severity.NEEDS_PERSON else ""
    return state, first.since, f"{first.summary}{more}{command}"


def _judge_calm(facts: OrgFacts, under_way: PassUnderWay | None) -> tuple[OrgState, datetime, str]:
    if facts.status is ConnectionStatus.PAUSED:
        return OrgState.PAUSED, facts.status_since, facts.status_reason or ""
    if under_way is not None:
        state = OrgState.SYNCING if under_way.is_alive else OrgState.INTERRUPTED
        first = "" if facts.first_sync is None else f"{facts.first_sync.progress}; "
        return state, under_way.started_at, f"{first}{under_way.progress}"
    if not facts.is_complete:
        what = "" if facts.next else f"openfaith-sync sync {facts.org} --adapter {facts.adapter}"
        return OrgState.WAITING, facts.status_since, what
    return OrgState.UP_TO_DATE, facts.status_since, ""


_STATES = list(OrgState)


def org_order(status: OrgStatus) -> tuple[int, datetime, str, str]:
    """Return what sorts orgs worst first; those that have been so for longest before others."""
    is_well = status.state is OrgState.UP_TO_DATE
    since = datetime.min.replace(tzinfo=status.since.tzinfo) if is_well else status.since
    return _STATES.index(status.state), since, status.facts.org, status.facts.adapter
