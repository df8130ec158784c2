"""Decide of each fact that the store knows whether it is a problem, who ends it, and which command helps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.connections.connection import ConnectionStatus, confirm_command, reconnect_command
from openfaith_sync.domain.connections.refusals import REFUSALS_BEFORE_AN_ALERT
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.mapping.drift import Drift, DriftKind
from openfaith_sync.domain.passes.counted_records import CountedRecords, is_tolerable
from openfaith_sync.domain.passes.deletions import HoldKind, HoldStatus
from openfaith_sync.domain.problems.problem import Problem, ProblemKind, Severity

REASONS_SHOWN = 3
DRIFTS_SHOWN = 5

_HELD = {HoldKind.DELETIONS: "deletions", HoldKind.OLDER: "older versions"}


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """An org's connection, as far as it tells of problems."""

    org: OrgId
    adapter: AdapterName
    status: ConnectionStatus
    reason: str | None
    since: datetime
    auth_method: str

    @property
    def is_usable(self) -> bool:
        """Return whether syncs may use it."""
        return self.status is ConnectionStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class RejectionReason:
    """One reason for dead letters of an entity."""

    field: str
    reason: str
    value_type: str
    count: int
    since: datetime


def connection_problem(link: ConnectionFacts) -> Problem | None:
    """Return the problem of a connection that must be reconnected or confirmed; a paused one has none."""
    if link.status is ConnectionStatus.UNCONFIRMED:
        return Problem(
            kind=ProblemKind.CONNECTION,
            adapter=link.adapter,
            severity=Severity.NEEDS_PERSON,
            since=link.since,
            detail="a church connected itself by an invitation; nothing is synced until you confirm which one it is",
            command=confirm_command(link.org, link.adapter),
            org=link.org,
        )
    if link.status is not ConnectionStatus.RECONNECT_NEEDED:
        return None
    return Problem(
        kind=ProblemKind.CONNECTION,
        adapter=link.adapter,
        severity=Severity.NEEDS_PERSON,
        since=link.since,
        detail=f"the org must reconnect{f': {link.reason}' if link.reason else ''}",
        command=reconnect_command(link.org, link.adapter, method=link.auth_method),
        org=link.org,
    )


def refusal_problem(
    key: SyncKey, since: datetime, reason: str, remedy: str, read_until: datetime, refusals: int
) -> Problem:
    """Return the problem of an entity that the source refuses to one org, which could read it before."""
    needs_person = refusals >= REFUSALS_BEFORE_AN_ALERT
    return Problem(
        kind=ProblemKind.CONNECTION,
        adapter=key.adapter,
        severity=Severity.NEEDS_PERSON if needs_person else Severity.HEALS,
        since=since,
        detail=f"{key.entity} is refused: "
        + "; ".join(filter(None, (reason, f"it could be read at {read_until:%Y-%m-%d %H:%M} UTC", remedy))),
        command=_sync(key),
        org=key.org,
        entities=(key.entity,),
    )


def ungranted_problem(key: SyncKey, asked_at: datetime, reason: str, auth_method: str) -> Problem:
    """Return the problem of an entity that is no longer asked for, though its work is on time."""
    return Problem(
        kind=ProblemKind.CONNECTION,
        adapter=key.adapter,
        severity=Severity.NEEDS_PERSON,
        since=asked_at,
        detail=f"{key.entity} is not asked for any more, though it could be read: {reason}",
        command=reconnect_command(key.org, key.adapter, method=auth_method),
        org=key.org,
        entities=(key.entity,),
    )


def outage_problem(
    adapter: AdapterName, since: datetime, reason: str, org: OrgId | None, orgs: Iterable[OrgId] = ()
) -> Problem:
    """Return the problem of a source that does not respond: to one org, or to all of these."""
    whose = "the source does not respond" if org is not None else "the source does not respond to any org"
    return Problem(
        kind=ProblemKind.OUTAGE,
        adapter=adapter,
        severity=Severity.HEALS,
        since=since,
        detail=f"{whose}: {reason}; it is probed until it does, and everything that waited is then due",
        command="openfaith-sync status --problems" if org is None else f"openfaith-sync status {org}",
        org=org,
        orgs=frozenset(orgs) if org is None else frozenset(),
    )


def incident_problem(
    adapter: AdapterName, entity: EntityName, since: datetime, reason: str, orgs: Iterable[OrgId]
) -> Problem:
    """Return the problem of an entity that a source refuses to many orgs at once."""
    return Problem(
        kind=ProblemKind.OUTAGE,
        adapter=adapter,
        severity=Severity.HEALS,
        since=since,
        detail=f"{entity} is refused to many orgs that could read it before: {reason}; "
        "this is a problem of the source, which is probed until it is over",
        command="openfaith-sync status --problems",
        orgs=frozenset(orgs),
        entities=(entity,),
    )


def completeness_problem(key: SyncKey, counted: CountedRecords, since: datetime) -> Problem | None:
    """Return the problem of records that the source counted and that are neither stored nor set aside."""
    if not counted.missing:
        return None
    # A count that is off by a few is the source's own mistake more often than not.
    is_small = is_tolerable(counted.missing, counted.source)
    return Problem(
        kind=ProblemKind.COMPLETENESS,
        adapter=key.adapter,
        severity=Severity.HEALS if is_small else Severity.NEEDS_PERSON,
        since=since,
        detail=f"{counted.missing:,} of {key.entity} are missing: the source counted {counted.source:,}, of which "
        f"{counted.stored:,} are stored and {counted.set_aside:,} set aside",
        command=f"{_sync(key)} --mode reconciliation",
        org=key.org,
        entities=(key.entity,),
        count=counted.missing,
    )


def references_problem(key: SyncKey, dangling: int, since: datetime) -> Problem:
    """Return the problem of references to records that are not stored, though their entity was read since."""
    return Problem(
        kind=ProblemKind.REFERENCES,
        adapter=key.adapter,
        severity=Severity.HEALS,
        since=since,
        detail=f"{dangling:,} references of {key.entity} lead to no record: the source does not list these records; "
        "the references heal when it does",
        command=f"openfaith-sync sync {key.org} --adapter {key.adapter} --mode reconciliation",
        org=key.org,
        entities=(key.entity,),
        count=dangling,
    )


def dead_letters_problem(key: SyncKey, reasons: Iterable[RejectionReason]) -> Problem:
    """Return the problem of records that were set aside."""
    ordered = sorted(reasons, key=lambda found: (-found.count, found.field, found.reason))
    shown = [f"{r.count:,} × {r.field}: {r.reason} (found {r.value_type})" for r in ordered[:REASONS_SHOWN]]
    more = [f"{len(ordered) - REASONS_SHOWN} more reasons"] if len(ordered) > REASONS_SHOWN else []
    count = sum(reason.count for reason in ordered)
    return Problem(
        kind=ProblemKind.DEAD_LETTERS,
        adapter=key.adapter,
        severity=Severity.NEEDS_PERSON,
        since=min(reason.since for reason in ordered),
        detail=f"{count:,} {'record' if count == 1 else 'records'} of {key.entity} set aside: "
        + "; ".join((*shown, *more)),
        command=f"openfaith-sync dead-letters list {key.org}",
        org=key.org,
        entities=(key.entity,),
        count=count,
    )


def hold_problem(
    key: SyncKey, hold_id: int, kind: HoldKind, status: HoldStatus, missing: int, reason: str, since: datetime
) -> Problem:
    """Return the problem of a hold; an approved one ends with the next reconciliation."""
    is_open = status is HoldStatus.OPEN
    waits = "wait for a decision" if is_open else "are approved, and follow with the next reconciliation"
    return Problem(
        kind=ProblemKind.DELETIONS_HELD,
        adapter=key.adapter,
        severity=Severity.NEEDS_PERSON if is_open else Severity.HEALS,
        since=since,
        detail=f"{missing:,} {_HELD[kind]} of {key.entity} {waits}: {reason}",
        command=f"openfaith-sync holds show {hold_id}" if is_open else f"{_sync(key)} --mode reconciliation",
        org=key.org,
        entities=(key.entity,),
        count=missing,
    )


def _sync(key: SyncKey) -> str:
    return f"openfaith-sync sync {key.org} --adapter {key.adapter} --entity {key.entity}"


def drift_problem(adapter: AdapterName, found: Sequence[Drift], since: datetime, orgs: Iterable[OrgId]) -> Problem:
    """Return the problem of an adapter whose records differ from its manifest.

    Only values that cannot be read any more need a person: new attributes are kept, and missing ones keep their rows.
    """
    is_lossy = any(drift.kind is DriftKind.RETYPED for drift in found)
    shown = [_describe_drift(drift) for drift in found[:DRIFTS_SHOWN]]
    more = f"; {len(found) - DRIFTS_SHOWN} more" if len(found) > DRIFTS_SHOWN else ""
    return Problem(
        kind=ProblemKind.SCHEMA_DRIFT,
        adapter=adapter,
        severity=Severity.NEEDS_PERSON if is_lossy else Severity.HEALS,
        since=since,
        detail=f"the source's records differ from the manifest: {'; '.join(shown)}{more}",
        command=f"openfaith-sync manifest drift {adapter}",
        orgs=frozenset(orgs),
        entities=tuple(dict.fromkeys(drift.entity for drift in found)),
        count=len(found),
    )


def _describe_drift(drift: Drift) -> str:
    match drift.kind:
        case DriftKind.APPEARED:
            return f"{drift.entity}.{drift.name} appeared"
        case DriftKind.VANISHED:
            return f"{drift.entity}.{drift.name} is not sent any more"
        case DriftKind.RETYPED:
            return f"{drift.entity}.{drift.name} is sent as {drift.found} now"
        case DriftKind.VERSION:
            return f"{drift.entity} is answered in version {drift.found} instead of {drift.name}"
