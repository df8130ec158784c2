"""Find the orgs that have due events in the inbox."""

from dataclasses import dataclass

from openfaith_sync.domain.schedule.due_work import Work
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import LEFT_ALONE
from openfaith_sync.store.schedule.work import WORK_COLUMNS, WORK_TABLES, Plan, plan_parameters, read_work

# The inbox is aggregated once and joined by hash: with a nested loop the planner may scan either side once for each
# org, which with accurate statistics took minutes for 5,000 orgs.
LINEAR = "SELECT set_config('enable_nestloop', 'off', false), set_config('jit', 'off', false)"
"""Run in a session before ``DUE``."""

DUE = f"""
WITH inbox AS MATERIALIZED (
  SELECT org_id, count(*) AS events, min(received_at) AS since,
         (array_agg(event_id ORDER BY received_at DESC, event_id DESC))[1] AS newest
  FROM sync.webhook_events WHERE adapter = %(adapter)s AND done_at IS NULL AND not_before <= now() GROUP BY org_id
)
{WORK_COLUMNS}, inbox.events, inbox.newest {WORK_TABLES}
JOIN sync.connections connection
  ON connection.org_id = work.org_id AND connection.adapter = work.adapter AND connection.status = 'active'
JOIN inbox ON inbox.org_id = work.org_id
WHERE work.adapter = %(adapter)s AND work.mode = 'records' AND work.run_key IS NULL AND work.not_before <= now()
{LEFT_ALONE}
ORDER BY inbox.since LIMIT %(orgs)s
"""  # noqa: S608  joined of our own constants


@dataclass(frozen=True, slots=True)
class DueRecords:
    """One org's due events."""

    work: Work
    events: int
    newest: str
    """The id of the newest event."""


def load_due_records(database: Database, plan: Plan, most_orgs: int) -> list[DueRecords]:
    """Return the orgs whose events have waited longest, except those that a run is processing."""
    with database.connect_fleet() as session:
        session.execute(LINEAR)
        rows = session.execute(DUE, {**plan_parameters(plan), "orgs": most_orgs}).fetchall()
    return [DueRecords(read_work(plan, row[:-2]), *row[-2:]) for row in rows]
