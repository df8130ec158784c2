"""The work that is planned for orgs, for people to read."""

from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.schedule.due_work import Work, WorkMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import fetch_one
from openfaith_sync.store.schedule.work import WORK_COLUMNS, WORK_TABLES, Plan, plan_parameters, read_work

_PLANNED = f"""
{WORK_COLUMNS} {WORK_TABLES}
WHERE work.adapter = %(adapter)s AND (%(org)s::text IS NULL OR work.org_id = %(org)s)
ORDER BY work.not_before NULLS LAST, work.org_id, work.entity
"""
_NOW = "SELECT now(), COALESCE((SELECT time_zone FROM sync.orgs WHERE org_id = %(org)s), 'UTC')"
# What a run of the kind took last time; the pages of children are part of their parents' passes.
_NEXT_RUNS = """
WITH soonest AS MATERIALIZED (
  SELECT work.org_id, work.adapter, work.mode, min(work.not_before) AS due,
         bool_or(work.run_key IS NOT NULL) AS is_under_way, max(work.attempts) AS attempts,
         (array_agg(work.reason ORDER BY work.not_before NULLS LAST))[1] AS reason
  FROM sync.work work
  JOIN sync.connections connection
    ON connection.org_id = work.org_id AND connection.adapter = work.adapter AND connection.status = 'active'
  WHERE (%(adapter)s::text IS NULL OR work.adapter = %(adapter)s)
    AND work.mode IN ('full', 'delta', 'reconciliation') AND (work.not_before IS NOT NULL OR work.run_key IS NOT NULL)
  GROUP BY work.org_id, work.adapter, work.mode
  ORDER BY bool_or(work.run_key IS NOT NULL) DESC, due, work.org_id, work.mode LIMIT %(most)s)
SELECT soonest.org_id, soonest.adapter, soonest.mode, soonest.due, soonest.is_under_way, soonest.attempts,
       soonest.reason,
       (SELECT sum(done.requests)::bigint FROM sync.checkpoints held
        CROSS JOIN LATERAL (
          SELECT passes.requests FROM sync.passes
          WHERE (passes.org_id, passes.adapter, passes.entity) = (held.org_id, held.adapter, held.entity)
            AND passes.mode = soonest.mode AND passes.status = 'complete'
          ORDER BY passes.pass_id DESC LIMIT 1) done
        WHERE held.org_id = soonest.org_id AND held.adapter = soonest.adapter)
FROM soonest ORDER BY soonest.is_under_way DESC, soonest.due, soonest.org_id, soonest.mode
"""
_UNSEEN = """
SELECT count(*) FROM sync.connections connection
WHERE (%(adapter)s::text IS NULL OR connection.adapter = %(adapter)s) AND connection.status = 'active'
  AND NOT EXISTS (SELECT FROM sync.work
                  WHERE work.org_id = connection.org_id AND work.adapter = connection.adapter)
"""


@dataclass(frozen=True, slots=True)
class NextRun:
    """The next run of one kind for one org."""

    org: OrgId
    adapter: AdapterName
    mode: WorkMode
    due: datetime | None
    is_under_way: bool
    attempts: int
    reason: str
    requests: int | None
    """What such a run took last time; ``None`` if there was none."""


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
    return PlannedWork(tuple(read_work(plan, row) for row in rows), now, time_zone)


def load_next_runs(database: Database, adapter: AdapterName | None, most: int) -> list[NextRun]:
    """Return the runs that are due next over all orgs with a usable connection, soonest first."""
    with database.connect_reading(None) as session:
        rows = session.execute(_NEXT_RUNS, {"adapter": adapter, "most": most}).fetchall()
    return [NextRun(OrgId(org), AdapterName(name), WorkMode(mode), *rest) for org, name, mode, *rest in rows]


def count_unseen(database: Database, adapter: AdapterName | None) -> int:
    """Count the usable connections that the daemon has not planned anything for yet."""
    with database.connect_reading(None) as session:
        return int(fetch_one(session, _UNSEEN, {"adapter": adapter})[0])
