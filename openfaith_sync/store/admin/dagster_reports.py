"""What Dagster was last told of each org, so that it is told only what differs.

Dagster's event log cannot say this for thousands of orgs: it takes a query per asset, and pruning empties it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.store.database.database import Database

MATERIALIZATION, NOT_AVAILABLE = "materialization", "not available"
"""The names of the reports that runs write about an entity; every other name is a check's."""
REPORT_AGAIN_AFTER = timedelta(hours=23)
"""What has not changed is reported daily; an hour less, so that a nightly run never comes a minute too early."""
SETTLED_AFTER = timedelta(minutes=15)
"""How often a check that keeps failing may be reported with other numbers."""

_LOAD = """
SELECT org_id, entity, name, is_ok, digest, reported_at > now() - %(age)s
FROM sync.dagster_reports
WHERE (org_id, adapter) = (%(org)s, %(adapter)s) AND name IN ('materialization', 'not available')
"""
# Two partial indexes answer the two statements below: of a healthy org, nothing is read.
_LOAD_PROBLEMS = """
SELECT org_id, entity, name, is_ok, digest, reported_at > now() - %(age)s, reported_at < now() - %(settled)s
FROM sync.dagster_reports
WHERE adapter = %(adapter)s AND (NOT is_ok OR digest <> '') AND name NOT IN ('materialization', 'not available')
"""
_LOAD_DUE = """
(SELECT DISTINCT org_id FROM sync.dagster_reports
 WHERE adapter = %(adapter)s AND entity = '*' AND reported_at < now() - %(age)s LIMIT %(most)s)
UNION
(SELECT connection.org_id FROM sync.connections connection
 WHERE connection.adapter = %(adapter)s AND NOT EXISTS (
   SELECT FROM sync.dagster_reports told
   WHERE (told.org_id, told.adapter, told.entity) = (connection.org_id, connection.adapter, '*'))
 LIMIT %(most)s)
"""
_LOAD_UNREPORTED = """
SELECT told.org_id, told.entity, walked.mode, walked.trigger, walked.created, walked.updated, walked.unchanged,
       walked.tombstoned, walked.dead, walked.pages, walked.requests, held.stored_count
FROM sync.dagster_reports told
JOIN sync.checkpoints held
  ON (held.org_id, held.adapter, held.entity) = (told.org_id, told.adapter, told.entity)
JOIN sync.passes walked ON (walked.org_id, walked.pass_id) = (held.org_id, held.completed_pass_id)
WHERE told.adapter = %(adapter)s AND told.name = 'materialization' AND told.digest <> ''
LIMIT %(most)s
"""
_STORE = """
INSERT INTO sync.dagster_reports (org_id, adapter, entity, name, is_ok, digest) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (org_id, adapter, entity, name) DO UPDATE
SET is_ok = EXCLUDED.is_ok, digest = EXCLUDED.digest, reported_at = now()
"""


@dataclass(frozen=True, slots=True)
class ReportKey:
    """What a report is about: a check, or an entity's materialization."""

    org: OrgId
    entity: EntityName
    name: str


@dataclass(frozen=True, slots=True)
class Report:
    """What Dagster was told."""

    is_ok: bool
    digest: str = ""
    """Changes with what was told; empty when there was nothing to tell."""
    is_recent: bool = True
    """Whether Dagster was told within the last day."""
    is_settled: bool = True
    """Whether that was long enough ago to tell it other numbers."""


@dataclass(frozen=True, slots=True)
class UnreportedPass:
    """A pass that ended outside Dagster."""

    key: ReportKey
    mode: str
    trigger: str
    counts: Counts
    pages: int
    requests: int
    stored_count: int | None


UNREPORTED = Report(is_ok=True, digest="a pass outside Dagster")
"""The report of an entity that was synced outside Dagster: a sensor then writes its materialization."""

Reports: TypeAlias = Mapping[ReportKey, Report]


def load_reports(database: Database, adapter: AdapterName, org: OrgId) -> Reports:
    """Return what Dagster was last told of an org's materializations."""
    parameters = {"adapter": adapter, "org": org, "age": REPORT_AGAIN_AFTER}
    with database.connect(org) as session:
        return _read(session.execute(_LOAD, parameters))


def load_reported_problems(database: Database, adapter: AdapterName) -> Reports:
    """Return the checks of all orgs for which Dagster was last told of a problem."""
    parameters = {"adapter": adapter, "age": REPORT_AGAIN_AFTER, "settled": SETTLED_AFTER}
    with database.connect_fleet() as session:
        return _read(session.execute(_LOAD_PROBLEMS, parameters))


def load_orgs_to_report(database: Database, adapter: AdapterName, most: int) -> list[OrgId]:
    """Return orgs whose checks Dagster was not told within the last day, or never."""
    parameters = {"adapter": adapter, "age": REPORT_AGAIN_AFTER, "most": most}
    with database.connect_fleet() as session:
        return sorted(OrgId(org) for (org,) in session.execute(_LOAD_DUE, parameters))[:most]


def load_unreported(database: Database, adapter: AdapterName, most: int) -> list[UnreportedPass]:
    """Return the passes that ended outside Dagster, and that it is still to be told of."""
    with database.connect_fleet() as session:
        rows = session.execute(_LOAD_UNREPORTED, {"adapter": adapter, "most": most}).fetchall()
    return [
        UnreportedPass(ReportKey(org, entity, MATERIALIZATION), mode, trigger, Counts(*counts[:5]), *counts[5:])
        for org, entity, mode, trigger, *counts in rows
    ]


def store_reports(database: Database, adapter: AdapterName, reports: Reports, org: OrgId | None = None) -> None:
    """Store what Dagster was told just now."""
    if not reports:
        return
    rows = [(key.org, adapter, key.entity, key.name, told.is_ok, told.digest) for key, told in _in_order(reports)]
    with database.connect_reading(org) as session, session.transaction(), session.cursor() as cursor:
        cursor.executemany(_STORE, rows)


def _read(rows: Iterable[tuple[object, ...]]) -> Reports:
    return {
        ReportKey(OrgId(str(org)), EntityName(str(entity)), str(name)): Report(*report)  # type: ignore[arg-type]
        for org, entity, name, *report in rows
    }


def _in_order(reports: Reports) -> Iterable[tuple[ReportKey, Report]]:
    # Transactions that lock rows in one order never deadlock.
    return sorted(reports.items(), key=lambda item: (item[0].org, item[0].entity, item[0].name))
