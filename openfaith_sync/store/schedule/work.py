"""The plan: what is due for every org, which run was requested for it, and when it is due again.

Every statement here covers many orgs at once on purpose: it decides which are next. No data of
an org is read.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import ALL, Work, WorkChange, WorkKey, WorkMode, first_due, next_night
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import LEFT_ALONE
from openfaith_sync.store.postgres.statements import Connection, fetch_one

_MISSING = """
SELECT connection.org_id, wanted.entity, wanted.mode, COALESCE(org.time_zone, 'UTC'), now(),
       (SELECT count(*) FROM sync.checkpoints held
        WHERE held.org_id = connection.org_id AND held.adapter = connection.adapter AND held.completed_at IS NOT NULL)
FROM sync.connections connection
CROSS JOIN unnest(%(entities)s::text[], %(modes)s::text[]) AS wanted(entity, mode)
LEFT JOIN sync.orgs org ON org.org_id = connection.org_id
WHERE connection.adapter = %(adapter)s AND connection.status = 'active' AND NOT EXISTS (
  SELECT FROM sync.work
  WHERE (work.org_id, work.adapter, work.entity, work.mode)
      = (connection.org_id, connection.adapter, wanted.entity, wanted.mode))
"""
# A later manifest may bring an entity back: its rows are then added anew.
_DELETE_UNKNOWN = """
DELETE FROM sync.work
WHERE adapter = %(adapter)s AND mode = 'delta' AND run_key IS NULL AND entity <> ALL(%(entities)s::text[])
"""
_INSERT = """
INSERT INTO sync.work (org_id, adapter, entity, mode, not_before, reason)
SELECT org_id, %(adapter)s, entity, mode, not_before, 'newly connected'
FROM unnest(%(orgs)s::text[], %(entities)s::text[], %(modes)s::text[], %(times)s::timestamptz[])
     AS new(org_id, entity, mode, not_before)
ON CONFLICT DO NOTHING
"""
# Nothing is requested while a run reads the org, larger work is due, or the source is unreachable.
_MAY_BE_ASKED = f"""
work.adapter = %(adapter)s AND work.mode = %(mode)s AND work.entity = ANY(%(entities)s)
AND work.run_key IS NULL AND work.not_before <= now()
AND (work.mode = 'subscriptions' OR NOT EXISTS (
  SELECT FROM sync.work other
  WHERE other.org_id = work.org_id AND other.adapter = work.adapter
    AND (other.entity, other.mode) <> (work.entity, work.mode)
    AND other.mode IN ('full', 'delta', 'reconciliation')
    AND (other.run_key IS NOT NULL OR (other.mode = 'full' AND other.not_before <= now()))))
{LEFT_ALONE}
"""
WORK_COLUMNS = """
SELECT work.org_id, work.adapter, work.entity, work.mode, work.not_before, work.reason, work.run_key, work.asked_at,
       work.attempts, COALESCE(org.time_zone, 'UTC'), COALESCE(own.every, usual.every),
       work.mode = 'delta' AND work.entity = ANY(%(whole)s) AND EXISTS (
         SELECT FROM sync.checkpoints held
         JOIN sync.passes done ON done.org_id = held.org_id AND done.pass_id = held.completed_pass_id
         WHERE (held.org_id, held.adapter, held.entity) = (work.org_id, work.adapter, work.entity)
           AND done.created + done.updated + done.unchanged + done.dead > %(page)s),
       work.asked_at IS NOT NULL AND EXISTS (
         SELECT FROM sync.checkpoints held
         WHERE (held.org_id, held.adapter, held.entity) = (work.org_id, work.adapter, work.entity)
           AND held.completed_at >= work.asked_at),
       EXISTS (
         SELECT FROM sync.holds hold
         WHERE hold.org_id = work.org_id AND hold.adapter = work.adapter AND hold.status = 'open'
           AND (work.entity = '*' OR hold.entity = work.entity))
"""
WORK_TABLES = """
FROM sync.work work
LEFT JOIN sync.orgs org ON org.org_id = work.org_id
LEFT JOIN sync.cadences own
  ON (own.org_id, own.adapter, own.entity, own.mode) = (work.org_id, work.adapter, work.entity, work.mode)
LEFT JOIN sync.cadences usual
  ON (usual.org_id, usual.adapter, usual.entity, usual.mode) = (work.org_id, work.adapter, '*', work.mode)
"""
_DUE = f"""
WITH chosen AS (
  SELECT work.org_id, min(work.not_before) AS since FROM sync.work work
  JOIN sync.connections connection
    ON connection.org_id = work.org_id AND connection.adapter = work.adapter AND connection.status = 'active'
  WHERE {_MAY_BE_ASKED} GROUP BY work.org_id ORDER BY since, work.org_id LIMIT %(orgs)s)
{WORK_COLUMNS} {WORK_TABLES}
JOIN chosen ON chosen.org_id = work.org_id
WHERE {_MAY_BE_ASKED}
ORDER BY chosen.since, work.org_id, array_position(%(entities)s::text[], work.entity::text)
"""  # noqa: S608  joined of our own constants, here and below
_ASKED = f"""
{WORK_COLUMNS} {WORK_TABLES}
WHERE work.adapter = %(adapter)s AND work.mode = ANY(%(modes)s) AND work.run_key IS NOT NULL
"""
_ASK = """
UPDATE sync.work SET run_key = asked.run_key, run_id = NULL, asked_at = now()
FROM unnest(%(orgs)s::text[], %(entities)s::text[], %(modes)s::text[], %(keys)s::text[])
     AS asked(org_id, entity, mode, run_key)
WHERE (work.org_id, work.adapter, work.entity, work.mode)
    = (asked.org_id, %(adapter)s, asked.entity, asked.mode) AND work.run_key IS NULL
RETURNING work.run_key
"""
_CHANGE = """
UPDATE sync.work SET run_key = NULL, asked_at = NULL, run_id = COALESCE(change.run_id, work.run_id),
  not_before = change.not_before, reason = change.reason, attempts = change.attempts
FROM unnest(%(orgs)s::text[], %(adapters)s::text[], %(entities)s::text[], %(modes)s::text[], %(keys)s::text[],
            %(runs)s::text[], %(times)s::timestamptz[], %(reasons)s::text[], %(attempts)s::int[])
     AS change(org_id, adapter, entity, mode, run_key, run_id, not_before, reason, attempts)
WHERE (work.org_id, work.adapter, work.entity, work.mode)
    = (change.org_id, change.adapter, change.entity, change.mode)
  AND work.run_key IS NOT DISTINCT FROM change.run_key
"""
_RAISE = """
UPDATE sync.work SET not_before = now(), reason = %(reason)s, attempts = 0
WHERE org_id = %(org)s AND adapter = %(adapter)s AND run_key IS NULL
  AND (mode = ANY(%(modes)s) OR (attempts > 0 AND not_before IS NOT NULL))
"""
# The next try stays planned: it finds out whether the cause is gone for the daemon too.
_NOTE_SYNCED = """
UPDATE sync.work SET attempts = 0, reason = 'synced meanwhile'
WHERE org_id = %(org)s AND adapter = %(adapter)s AND attempts > 0 AND run_key IS NULL
  AND ((mode = 'delta' AND entity = ANY(%(entities)s)) OR (entity = '*' AND mode = ANY(%(whole)s)))
"""
_WEEKLY = """
UPDATE sync.work SET reason = 'weekly', not_before = %(begin)s
  + %(span)s::interval * ((hashtextextended(work.org_id, 0) & 1048575) / 1048576.0)
FROM sync.connections connection
WHERE connection.org_id = work.org_id AND connection.adapter = work.adapter AND connection.status = 'active'
  AND work.adapter = %(adapter)s AND work.mode = 'full' AND work.run_key IS NULL AND work.not_before IS NULL
"""
_NIGHT = "UPDATE sync.work SET not_before = %s WHERE org_id = %s AND mode = 'reconciliation' AND run_key IS NULL"
_NEXT = "SELECT min(not_before) FROM sync.work WHERE adapter = %s AND mode = %s AND run_key IS NULL"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the plan needs to know about an adapter's manifest."""

    adapter: AdapterName
    entities: tuple[EntityName, ...]
    """In the recommended order of syncing."""
    listed_whole: tuple[EntityName, ...]
    page_size: int

    @classmethod
    def of(cls, manifest: Manifest, order: Sequence[EntityName]) -> "Plan":
        """Build the plan of a manifest."""
        whole = [e.name for e in manifest.entities.values() if e.delta.by is DeltaCapability.NONE and not e.nested]
        return cls(manifest.adapter, tuple(order), tuple(whole), manifest.adapter_file.paging.size)

    @property
    def rows(self) -> list[tuple[EntityName, WorkMode]]:
        """Return the rows that every connection has."""
        whole = (WorkMode.FULL, WorkMode.RECONCILIATION, WorkMode.RECORDS, WorkMode.SUBSCRIPTIONS)
        return [*((ALL, mode) for mode in whole), *((entity, WorkMode.DELTA) for entity in self.entities)]


def load_now(database: Database) -> datetime:
    """Return the database's current time."""
    with database.connect_fleet() as session:
        return _now(session)


def add_missing_work(database: Database, plan: Plan) -> int:
    """Add every active connection to the plan, a full sync first, and return how many rows are new.

    An org whose entities were all synced before, such as one that was removed and added again
    with its data, resumes from its watermarks instead. The rows of entities that the manifest has no more go, since
    they would be overdue for ever.
    """
    entities, modes = zip(*plan.rows, strict=True)
    with database.connect_fleet() as session, session.transaction():
        wanted = {"adapter": plan.adapter, "entities": list(entities), "modes": [mode.value for mode in modes]}
        session.execute(_DELETE_UNKNOWN, wanted)
        missing = session.execute(_MISSING, wanted).fetchall()
        if not missing:
            return 0
        times = [_first_time(plan, row) for row in missing]
        columns = dict(zip(("orgs", "entities", "modes"), zip(*(row[:3] for row in missing), strict=True), strict=True))
        new = {"adapter": plan.adapter, "times": times, **{name: list(found) for name, found in columns.items()}}
        return session.execute(_INSERT, new).rowcount


def load_due(database: Database, plan: Plan, mode: WorkMode, most_orgs: int) -> list[Work]:
    """Return the due work of the orgs that have waited longest; all rows of an org together."""
    entities = list(plan.entities) if mode is WorkMode.DELTA else [ALL]
    parameters = {**plan_parameters(plan), "mode": mode.value, "entities": entities, "orgs": most_orgs}
    with database.connect_fleet() as session:
        return list(map(read_work, session.execute(_DUE, parameters)))


def load_asked(database: Database, plan: Plan, modes: Collection[WorkMode]) -> list[Work]:
    """Return the work whose requested runs have no recorded outcome yet."""
    with database.connect_fleet() as session:
        return list(
            map(read_work, session.execute(_ASKED, {**plan_parameters(plan), "modes": [mode.value for mode in modes]}))
        )


def ask_for(database: Database, adapter: AdapterName, asked: Mapping[str, Sequence[Work]]) -> set[str]:
    """Record that a run is requested with each key, and return the keys that no other process has requested."""
    rows = [(work.key.org, work.key.entity, work.key.mode.value, key) for key, works in asked.items() for work in works]
    if not rows:
        return set()
    orgs, entities, modes, keys = map(list, zip(*rows, strict=True))
    parameters = {"adapter": adapter, "orgs": orgs, "entities": entities, "modes": modes, "keys": keys}
    with database.connect_fleet() as session:
        return {str(row[0]) for row in session.execute(_ASK, parameters)}


def store_changes(database: Database, changes: Sequence[WorkChange], runs: Mapping[str, str] | None = None) -> int:
    """Store the outcomes of rows, all at once, and return how many changed.

    ``runs`` maps run keys to Dagster run ids.
    """
    if not changes:
        return 0
    with database.connect_fleet() as session:
        return session.execute(_CHANGE, dict(_columns(changes, runs or {}))).rowcount


def make_due(database: Database, org: OrgId, adapter: AdapterName, modes: Collection[WorkMode], reason: str) -> int:
    """Make an org's work of these modes, and failed work, due now unless a run has it; return the number of rows."""
    parameters = {"org": org, "adapter": adapter, "modes": [mode.value for mode in modes], "reason": reason}
    with database.connect(org) as session:
        return session.execute(_RAISE, parameters).rowcount


def note_synced(
    database: Database, org: OrgId, adapter: AdapterName, entities: Collection[EntityName], whole: Collection[WorkMode]
) -> None:
    """Forget the failures in a row of what was synced otherwise: these entities, and these modes of the whole org."""
    modes = [mode.value for mode in whole]
    with database.connect(org) as session:
        session.execute(_NOTE_SYNCED, {"org": org, "adapter": adapter, "entities": list(entities), "whole": modes})


def replan_nights(database: Database, org: OrgId, time_zone: str) -> int:
    """Move an org's reconciliations to the nights of another time zone, unless a run has them."""
    with database.connect(org) as session:
        night = next_night(org, time_zone, _now(session))
        return session.execute(_NIGHT, (night, org)).rowcount


def plan_weekly_full(database: Database, adapter: AdapterName, begin: datetime, span: timedelta) -> int:
    """Make every active org's full sync due once in the span after ``begin``; repeating it changes nothing."""
    with database.connect_fleet() as session:
        return session.execute(_WEEKLY, {"adapter": adapter, "begin": begin, "span": span}).rowcount


def load_next_time(database: Database, adapter: AdapterName, mode: WorkMode) -> datetime | None:
    """Return when work of a mode is next due."""
    with database.connect_fleet() as session:
        found: datetime | None = fetch_one(session, _NEXT, (adapter, mode.value))[0]
    return found


def _now(session: Connection) -> datetime:
    found: datetime = fetch_one(session, "SELECT now()", ())[0]
    return found


def _first_time(plan: Plan, row: tuple[Any, ...]) -> datetime | None:
    org, _, mode, time_zone, now, synced = row
    return first_due(WorkMode(mode), OrgId(org), time_zone, now, is_synced=synced >= len(plan.entities))


def plan_parameters(plan: Plan) -> dict[str, Any]:
    """Return the parameters that ``WORK_COLUMNS`` needs."""
    return {"adapter": plan.adapter, "whole": list(plan.listed_whole), "page": plan.page_size}


def read_work(row: tuple[Any, ...]) -> Work:
    """Parse a row of ``WORK_COLUMNS``."""
    org, adapter, entity, mode, *rest = row
    return Work(WorkKey(OrgId(org), AdapterName(adapter), EntityName(entity), WorkMode(mode)), *rest)


def _columns(changes: Sequence[WorkChange], runs: Mapping[str, str]) -> Iterator[tuple[str, list[Any]]]:
    works = [change.work for change in changes]
    yield "orgs", [work.key.org for work in works]
    yield "adapters", [work.key.adapter for work in works]
    yield "entities", [work.key.entity for work in works]
    yield "modes", [work.key.mode.value for work in works]
    yield "keys", [work.run_key for work in works]
    yield "runs", [runs.get(work.run_key or "") for work in works]
    yield "times", [change.not_before for change in changes]
    yield "reasons", [change.reason for change in changes]
    yield "attempts", [change.attempts for change in changes]
