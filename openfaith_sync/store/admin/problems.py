"""What is wrong now, over all orgs at once: a handful of statements, whose rows the domain judges.

Removed orgs have no connection, and no problems.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.deletions import HoldKind, HoldStatus
from openfaith_sync.domain.problems import judgements
from openfaith_sync.domain.problems.freshness import FAILURES, OVERDUE_AFTER, RUN_LASTS, LateWork, freshness_problems
from openfaith_sync.domain.problems.giving_differences import GivingDifference, giving_problem
from openfaith_sync.domain.problems.judgements import ConnectionFacts, RejectionReason
from openfaith_sync.domain.problems.problem import Problem, sort_key
from openfaith_sync.domain.schedule.due_work import WorkMode, is_refused
from openfaith_sync.store.admin import problem_statements as statements
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.passes import schema_drift
from openfaith_sync.store.passes.schema_drift import DriftReport
from openfaith_sync.store.postgres.statements import Connection, fetch_one

_Links = Mapping[tuple[OrgId, AdapterName], ConnectionFacts]


def list_problems(database: Database, org: OrgId | None = None) -> list[Problem]:
    """Return what is wrong now, of one org or of all connected ones, worst first.

    A problem of a whole adapter is one problem, with the orgs that it affects.
    """
    with database.connect_reading(org) as session:
        return sorted(_read(session, {"org": org}), key=sort_key)


def _read(session: Connection, wanted: Mapping[str, OrgId | None]) -> Iterator[Problem]:
    rows = session.execute(statements.CONNECTIONS, wanted)
    found = (ConnectionFacts(org, adapter, ConnectionStatus(status), *facts) for org, adapter, status, *facts in rows)
    links = {(link.org, link.adapter): link for link in found}
    yield from filter(None, map(judgements.connection_problem, links.values()))
    yield from _outages(session, wanted, links)
    yield from _refusals(session, wanted, links)
    yield from _lateness(session, wanted, links)
    yield from _counts(session, wanted, links)
    yield from _dead_letters(session, wanted, links)
    yield from _drift(session, wanted, links)
    for org, adapter, entity, counts, since in session.execute(statements.GIVING, wanted):
        if (org, adapter) in links:
            differing = {GivingDifference(kind): count for kind, count in counts.items()}
            yield giving_problem(SyncKey(org, adapter, entity), differing, since)
    for org, adapter, entity, hold_id, kind, status, *facts in session.execute(statements.HOLDS, wanted):
        if (org, adapter) in links:
            key = SyncKey(org, adapter, entity)
            yield judgements.hold_problem(key, hold_id, HoldKind(kind), HoldStatus(status), *facts)


def _outages(session: Connection, wanted: Mapping[str, Any], links: _Links) -> Iterator[Problem]:
    rows = session.execute(statements.OUTAGES, wanted).fetchall()
    general = {adapter for adapter, org, *_ in rows if org is None}
    for adapter, org, since, reason in rows:
        if org is None:
            yield judgements.outage_problem(adapter, since, reason, None, _usable(links, adapter))
        elif adapter not in general and (link := links.get((org, adapter))) is not None and link.is_usable:
            yield judgements.outage_problem(adapter, since, reason, org)


def _refusals(session: Connection, wanted: Mapping[str, Any], links: _Links) -> Iterator[Problem]:
    incidents = session.execute(statements.INCIDENTS).fetchall()
    refused: dict[tuple[AdapterName, EntityName], set[OrgId]] = defaultdict(set)
    of_incidents = {(adapter, entity) for adapter, entity, *_ in incidents}
    for org, adapter, entity, *facts in session.execute(statements.REFUSED, wanted):
        if (org, adapter) not in links or not links[org, adapter].is_usable:
            continue
        if (adapter, entity) in of_incidents:
            refused[adapter, entity].add(org)
        else:
            yield judgements.refusal_problem(SyncKey(org, adapter, entity), *facts)
    for adapter, entity, since, reason in incidents:
        if orgs := refused[adapter, entity]:
            yield judgements.incident_problem(adapter, entity, since, reason, orgs)


def _lateness(session: Connection, wanted: Mapping[str, Any], links: _Links) -> Iterator[Problem]:
    limits = {"failures": FAILURES, "run": min(RUN_LASTS.values()), "overdue": min(OVERDUE_AFTER.values())}
    late = []
    for org, adapter, entity, mode, *facts, is_explained in session.execute(statements.LATE, {**wanted, **limits}):
        work = LateWork(org, adapter, entity, WorkMode(mode), *facts)
        if not (work.is_unasked and is_refused(work.reason)):
            late.append(work)
        elif work.asked_at is not None and not is_explained:
            key, method = SyncKey(org, adapter, entity), links[org, adapter].auth_method
            yield judgements.ungranted_problem(key, work.asked_at, work.reason, method)
    if not late:
        return
    # Only over all orgs can it be seen that nothing asks any of them.
    planned = session.execute(statements.PLANNED).fetchall() if wanted["org"] is None else []
    (now,) = fetch_one(session, "SELECT now()", ())
    yield from freshness_problems(late, {adapter: set(orgs) for adapter, orgs in planned}, now)


def _counts(session: Connection, wanted: Mapping[str, Any], links: _Links) -> Iterator[Problem]:
    for org, adapter, entity, source, stored, set_aside, counted_at, dangling, checked_at in session.execute(
        statements.COUNTED, wanted
    ):
        if (org, adapter) not in links:
            continue
        key = SyncKey(org, adapter, entity)
        counted = None if source is None else CountedRecords(source, stored, set_aside)
        if counted is not None and (problem := judgements.completeness_problem(key, counted, counted_at)):
            yield problem
        if dangling:
            yield judgements.references_problem(key, dangling, checked_at)


def _dead_letters(session: Connection, wanted: Mapping[str, Any], links: _Links) -> Iterator[Problem]:
    reasons: dict[SyncKey, list[RejectionReason]] = defaultdict(list)
    for org, adapter, entity, *facts in session.execute(statements.DEAD_LETTERS, wanted):
        if (org, adapter) in links:
            reasons[SyncKey(org, adapter, entity)].append(RejectionReason(*facts))
    yield from (judgements.dead_letters_problem(key, found) for key, found in reasons.items())


def _drift(session: Connection, wanted: Mapping[str, Any], links: _Links) -> Iterator[Problem]:
    found: dict[AdapterName, list[DriftReport]] = defaultdict(list)
    for row in session.execute(schema_drift.LIST, {**wanted, "is_news": schema_drift.IS_NEWS}):
        report = schema_drift.to_report(*row)
        if any((org, report.adapter) in links for org in report.orgs):
            found[report.adapter].append(report)
    for adapter, reports in found.items():
        orgs = {org for report in reports for org in report.orgs if (org, adapter) in links}
        since = min(report.since for report in reports)
        yield judgements.drift_problem(adapter, [report.drift for report in reports], since, orgs)


def _usable(links: _Links, adapter: AdapterName) -> list[OrgId]:
    return [link.org for link in links.values() if link.adapter == adapter and link.is_usable]
