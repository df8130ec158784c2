"""Store the rows of due work of every connection, and change them when a manifest or an org's intervals change."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openfaith_sync.domain.connections.refusals import NOT_SELECTED
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.schedule.cadences import OwnIntervals
from openfaith_sync.domain.schedule.due_work import NOT_CHECKED, NewWork, WorkKey, WorkMode, next_check
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schedule.intervals import load_own_intervals
from openfaith_sync.store.schedule.work import Plan

MOST_ORGS = 200
"""Planned together: with 140 entities each, 29,000 rows. A new manifest reaches 5,000 orgs within minutes."""

# Who changes an org's intervals clears its fingerprint, and waits until what is read here is planned.
_UNPLANNED = """
SELECT connection.org_id, COALESCE(org.time_zone, 'UTC'), now(),
       (SELECT count(*) FROM sync.checkpoints held
        WHERE held.org_id = connection.org_id AND held.adapter = connection.adapter AND held.completed_at IS NOT NULL)
FROM sync.connections connection LEFT JOIN sync.orgs org ON org.org_id = connection.org_id
WHERE connection.adapter = %(adapter)s AND connection.status = 'active'
  AND connection.planned IS DISTINCT FROM %(fingerprint)s
ORDER BY connection.org_id LIMIT %(most)s FOR UPDATE OF connection SKIP LOCKED
"""
_EXISTING = "SELECT org_id, entity, mode, every FROM sync.work WHERE adapter = %(adapter)s AND org_id = ANY(%(orgs)s)"
# What a run has of an entity that the manifest has no more is left to it; its org is then planned again.
_DELETE_UNKNOWN = """
DELETE FROM sync.work
WHERE adapter = %(adapter)s AND org_id = ANY(%(orgs)s) AND mode = 'delta' AND run_key IS NULL
  AND entity <> ALL(%(entities)s::text[])
"""
_INSERT = """
INSERT INTO sync.work (org_id, adapter, entity, mode, every, not_before, reason)
SELECT org_id, %(adapter)s, entity, mode, every, not_before,
       CASE WHEN mode = 'delta' AND every IS NULL AND not_before IS NULL THEN %(not_checked)s ELSE 'newly connected' END
FROM unnest(%(orgs)s::text[], %(entities)s::text[], %(modes)s::text[], %(every)s::interval[],
            %(times)s::timestamptz[]) AS new(org_id, entity, mode, every, not_before)
ON CONFLICT DO NOTHING
"""
# A longer interval begins with the next check; what failed, and what the org did not select, keeps its time.
_CHANGE = """
UPDATE sync.work SET every = new.every,
  not_before = CASE
    WHEN work.mode <> 'delta' OR work.run_key IS NOT NULL OR work.attempts > 0 OR work.reason = %(not_selected)s
      THEN work.not_before
    WHEN new.not_before IS NULL THEN NULL
    ELSE LEAST(work.not_before, new.not_before) END,
  reason = CASE WHEN work.mode = 'delta' AND work.run_key IS NULL AND work.attempts = 0 AND new.every IS NULL
                  AND work.reason <> %(not_selected)s THEN %(not_checked)s ELSE work.reason END
FROM unnest(%(orgs)s::text[], %(entities)s::text[], %(modes)s::text[], %(every)s::interval[],
            %(times)s::timestamptz[]) AS new(org_id, entity, mode, every, not_before)
WHERE (work.org_id, work.adapter, work.entity, work.mode) = (new.org_id, %(adapter)s, new.entity, new.mode)
"""
_NOTE = """
UPDATE sync.connections SET planned = %(fingerprint)s
WHERE adapter = %(adapter)s AND org_id = ANY(%(orgs)s) AND NOT EXISTS (
  SELECT FROM sync.work
  WHERE work.org_id = connections.org_id AND work.adapter = connections.adapter AND work.mode = 'delta'
    AND work.entity <> ALL(%(entities)s::text[]))
"""


@dataclass(frozen=True, slots=True)
class _PlannedRow:
    new: NewWork
    at: datetime | None


def add_missing_work(database: Database, plan: Plan) -> int:
    """Plan the work of active connections that have another plan or none, and return how many rows are new.

    A new org has a full sync first; one whose entities were all synced before, such as one that was removed and
    added again with its data, resumes from its watermarks instead. The rows of entities that the manifest has no
    more go, since they would be overdue for ever.
    """
    with database.connect_fleet() as session, session.transaction():
        wanted = {"adapter": plan.adapter, "entities": list(plan.entities), "fingerprint": plan.fingerprint}
        orgs = session.execute(_UNPLANNED, {**wanted, "most": MOST_ORGS}).fetchall()
        if not orgs:
            return 0
        wanted |= {"orgs": [org for org, *_ in orgs]}
        session.execute(_DELETE_UNKNOWN, wanted)
        missing, changed = _compare(session, plan, orgs)
        inserted = _execute(session, _INSERT, plan.adapter, missing)
        _execute(session, _CHANGE, plan.adapter, changed)
        session.execute(_NOTE, wanted)
        return inserted


def _compare(
    session: Connection, plan: Plan, orgs: Sequence[tuple[Any, ...]]
) -> tuple[list[_PlannedRow], list[_PlannedRow]]:
    """Return the rows that these orgs lack, and those whose interval is another by now."""
    names = [OrgId(org) for org, *_ in orgs]
    own = load_own_intervals(session, plan.adapter, names)
    existing: dict[OrgId, dict[tuple[EntityName, WorkMode], Any]] = defaultdict(dict)
    for org, entity, mode, every in session.execute(_EXISTING, {"adapter": plan.adapter, "orgs": names}):
        existing[OrgId(org)][EntityName(entity), WorkMode(mode)] = every
    missing, changed = [], []
    usual = plan.rows()
    for org, time_zone, now, synced in orgs:
        intervals: OwnIntervals = own.get(org, {})
        for (entity, mode), every in (plan.rows(intervals) if intervals else usual).items():
            known, position = existing[org], plan.positions.get(entity, 0)
            new = NewWork(WorkKey(org, plan.adapter, entity, mode), every, position, is_of_known_org=bool(known))
            if (entity, mode) not in known:
                is_synced = synced >= len(plan.entities)
                missing.append(_PlannedRow(new, new.first_due(time_zone, now, is_synced=is_synced)))
            elif known[entity, mode] != every:
                changed.append(_PlannedRow(new, next_check(org, position, every, time_zone, now)))
    return missing, changed


def _execute(session: Connection, statement: str, adapter: AdapterName, rows: Sequence[_PlannedRow]) -> int:
    if not rows:
        return 0
    keys = [row.new.key for row in rows]
    parameters = {
        "adapter": adapter,
        "orgs": [key.org for key in keys],
        "entities": [key.entity for key in keys],
        "modes": [key.mode.value for key in keys],
        "every": [row.new.every for row in rows],
        "times": [row.at for row in rows],
        "not_checked": NOT_CHECKED,
        "not_selected": NOT_SELECTED,
    }
    return session.execute(statement, parameters).rowcount
