"""What Dagster was last told of each org, so that it is told only what differs.

Dagster's event log cannot say this for thousands of orgs: it takes a query per asset, and pruning empties it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.store.database.database import Database

MATERIALIZATION = "materialization"
"""The name of the reports about an entity's materializations; every other name is a check's."""
REPORT_AGAIN_AFTER = timedelta(hours=23)
"""What has not changed is reported daily; an hour less, so that a nightly run never comes a minute too early."""

_LOAD = """
SELECT org_id, entity, name, is_ok, digest, reported_at > now() - %(age)s
FROM sync.dagster_reports WHERE adapter = %(adapter)s AND (%(org)s::text IS NULL OR org_id = %(org)s)
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
    """Changes with what was told."""
    is_recent: bool = True
    """Whether Dagster was told within the last day."""


Reports: TypeAlias = Mapping[ReportKey, Report]


def load_reports(database: Database, adapter: AdapterName, org: OrgId | None = None) -> Reports:
    """Return what Dagster was last told of one org or of all."""
    parameters = {"adapter": adapter, "org": org, "age": REPORT_AGAIN_AFTER}
    with database.connect_reading(org) as session:
        return {
            ReportKey(OrgId(whose), EntityName(entity), name): Report(*report)
            for whose, entity, name, *report in session.execute(_LOAD, parameters)
        }


def store_reports(database: Database, adapter: AdapterName, reports: Reports, org: OrgId | None = None) -> None:
    """Store what Dagster was told just now."""
    if not reports:
        return
    rows = [(key.org, adapter, key.entity, key.name, told.is_ok, told.digest) for key, told in _in_order(reports)]
    with database.connect_reading(org) as session, session.transaction(), session.cursor() as cursor:
        cursor.executemany(_STORE, rows)


def _in_order(reports: Reports) -> Iterable[tuple[ReportKey, Report]]:
    # Transactions that lock rows in one order never deadlock.
    return sorted(reports.items(), key=lambda item: (item[0].org, item[0].entity, item[0].name))
