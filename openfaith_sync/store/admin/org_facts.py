"""What there is to say of each connected org, over all orgs at once: three statements, none per org."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.problems.org_status import NextWork, OrgFacts, PassUnderWay
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import fetch_one

_MODES = (WorkMode.FULL, WorkMode.RECONCILIATION, WorkMode.DELTA)
"""Of what is due, the larger goes first: the smaller waits for it."""
# An org's own bookkeeping, such as that of single records, has a checkpoint too; of it only what was written counts.
_ORGS = """
WITH asked AS (
  SELECT org_id, adapter, max(changed_at) AS changed_at,
         max(greatest(checked_at, completed_at)) FILTER (WHERE NOT starts_with(entity, '$')) AS asked_at,
         bool_or(completed_at IS NOT NULL AND NOT starts_with(entity, '$')) AS is_complete
  FROM sync.checkpoints WHERE %(org)s::text IS NULL OR org_id = %(org)s GROUP BY org_id, adapter),
planned AS (
  SELECT org_id, adapter,
         min(not_before) FILTER (WHERE mode = 'full' AND run_key IS NULL) AS "full",
         min(not_before) FILTER (WHERE mode = 'reconciliation' AND run_key IS NULL) AS reconciliation,
         min(not_before) FILTER (WHERE mode = 'delta' AND run_key IS NULL) AS delta,
         min(asked_at) FILTER (WHERE mode = 'full' AND run_key IS NOT NULL) AS requested_full,
         min(asked_at) FILTER (WHERE mode = 'reconciliation' AND run_key IS NOT NULL) AS requested_reconciliation,
         min(asked_at) FILTER (WHERE mode = 'delta' AND run_key IS NOT NULL) AS requested_delta
  FROM sync.work WHERE %(org)s::text IS NULL OR org_id = %(org)s GROUP BY org_id, adapter)
SELECT org_id, adapter, connection.status, connection.status_reason, connection.status_since,
       asked.asked_at, asked.changed_at, COALESCE(asked.is_complete, false),
       "full", reconciliation, delta, requested_full, requested_reconciliation, requested_delta
FROM sync.connections connection
LEFT JOIN asked USING (org_id, adapter) LEFT JOIN planned USING (org_id, adapter)
WHERE %(org)s::text IS NULL OR org_id = %(org)s
ORDER BY org_id, adapter
"""
# A walk's place has what is left of each slice that is not done; a comparison has counted before it began. The lock
# of a lease ends with its holder, however that ends (``leases.py``).
_UNDER_WAY = """
WITH held AS MATERIALIZED (
  SELECT classid::bigint << 32 | objid::bigint AS number FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
SELECT org_id, adapter, entity, mode, started_at, created + updated + unchanged + dead, pages,
       CASE WHEN mode = 'reconciliation' THEN (report ->> 'counted_before')::int
            ELSE created + updated + unchanged + dead + (
              SELECT CASE WHEN bool_and(slice ? 'remaining') THEN sum((slice ->> 'remaining')::int) END
              FROM jsonb_array_elements(place -> 'slices') AS slice) END,
       hashtextextended(org_id || '/' || adapter || '/' || entity, 0) IN (SELECT number FROM held),
       place ->> 'resumed_at' IS NOT NULL
FROM sync.passes
WHERE status = 'open' AND parent_pass_id IS NULL AND NOT starts_with(entity, '$')
  AND (%(org)s::text IS NULL OR org_id = %(org)s)
"""

_Key = tuple[OrgId, AdapterName]


def list_org_facts(database: Database, org: OrgId | None = None) -> tuple[list[OrgFacts], datetime]:
    """Return the facts of each connection, of one org or of all, and the database's time."""
    parameters = {"org": org}
    with database.connect_reading(org) as session:
        (now,) = fetch_one(session, "SELECT now()", ())
        under_way: dict[_Key, list[PassUnderWay]] = defaultdict(list)
        for owner, adapter, entity, mode, *progress in session.execute(_UNDER_WAY, parameters):
            under_way[owner, adapter].append(PassUnderWay(EntityName(entity), SyncMode(mode), *progress))
        rows = session.execute(_ORGS, parameters).fetchall()
    return [_facts(row, under_way, now) for row in rows], now


def _facts(row: tuple[Any, ...], under_way: Mapping[_Key, Sequence[PassUnderWay]], now: datetime) -> OrgFacts:
    org, adapter, status, reason, since, asked_at, changed_at, is_complete, *times = row
    found = ConnectionStatus(status)
    following = _find_next(times[:3], times[3:], now) if found is ConnectionStatus.ACTIVE else None
    passes = tuple(under_way.get((org, adapter), ()))
    return OrgFacts(org, adapter, found, reason, since, asked_at, changed_at, is_complete, following, passes)


def _find_next(due: Sequence[datetime | None], requested: Sequence[datetime | None], now: datetime) -> NextWork | None:
    """Return the run that was requested first, or else the work that is due first."""
    for times, is_requested in ((requested, True), (due, False)):
        known = [(at, mode) for at, mode in zip(times, _MODES, strict=True) if at is not None]
        if known:
            at, mode = min(known, key=lambda one: max(one[0], now))
            return NextWork(mode, at, is_requested)
    return None
