"""The work that is planned for orgs, for people to read."""

from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.schedule.due_work import Work
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import fetch_one
from openfaith_sync.store.schedule.work import WORK_COLUMNS, WORK_TABLES, Plan, plan_parameters, read_work

_PLANNED = f"""
{WORK_COLUMNS} {WORK_TABLES}
WHERE work.adapter = %(adapter)s AND (%(org)s::text IS NULL OR work.org_id = %(org)s)
ORDER BY work.not_before NULLS LAST, work.org_id, work.entity
"""
_NOW = "SELECT now(), COALESCE((SELECT time_zone FROM sync.orgs WHERE org_id = %(org)s), 'UTC')"


@dataclass(frozen=True, slots=True)
class PlannedWork:
    """The planned work of one adapter, soonest first."""

    works: tuple[Work, ...]
    """Empty for an org that the daemon has not seen yet."""
    now: datetime
    time_zone: str
    """Of the org; UTC for all orgs."""


def load_planned(database: Database, plan: Plan, org: OrgId | None) -> PlannedWork:
    """Return what is planned for one org, or for all."""
    with database.connect_reading(org) as session:
        rows = session.execute(_PLANNED, {**plan_parameters(plan), "org": org}).fetchall()
        now, time_zone = fetch_one(session, _NOW, {"org": org})
    return PlannedWork(tuple(map(read_work, rows)), now, time_zone)
