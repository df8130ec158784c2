"""The plan: what is due for every org, which run was requested for it, and when it is due again.

Every statement here covers many orgs at once on purpose: it decides which are next. No data of
an org is read.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.cadences import OwnIntervals, cadence_of, list_positions
from openfaith_sync.domain.schedule.due_work import ALL, Work, WorkChange, WorkKey, WorkMode
from openfaith_sync.domain.schedule.slots import next_night
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import LEFT_ALONE
from openfaith_sync.store.postgres.statements import Connection, fetch_one

WORK_COLUMNS = """
SELECT work.org_id, work.adapter, work.entity, work.mode, work.not_before, work.reason, work.run_key, work.asked_at,
       work.attempts, COALESCE(org.time_zone, 'UTC'), work.every,
       work.mode = 'delta' AND work.entity = ANY(%(whole)s) AND NOT EXISTS (
         SELECT FROM sync.cadences own
         WHERE (own.org_id, own.adapter, own.mode) = (work.org_id, work.adapter, 'delta')
           AND own.entity IN ('*', work.entity)) AND EXISTS (
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
"""
# Nothing is requested while a run reads the org, larger work is due, or the source is unreachable. Each part is found
# once, by an index, and joined by hash: of 700,000 rows a few are due.
_DUE = f"""
WITH ready AS MATERIALIZED (
  SELECT org_id, adapter, entity, not_before FROM sync.work
  WHERE adapter = %(adapter)s AND mode = %(mode)s AND entity = ANY(%(entities)s)
    AND run_key IS NULL AND not_before <= now()),
busy AS MATERIALIZED (
  SELECT org_id FROM sync.work
  WHERE run_key IS NOT NULL AND adapter = %(adapter)s AND mode IN ('full', 'delta', 'reconciliation')
    AND %(mode)s <> 'subscriptions'
  UNION
  SELECT org_id FROM sync.work
  WHERE mode = 'full' AND not_before <= now() AND adapter = %(adapter)s AND %(mode)s NOT IN ('full', 'subscriptions')),
due AS MATERIALIZED (
  SELECT work.org_id, work.entity, min(work.not_before) OVER (PARTITION BY work.org_id) AS since
  FROM ready work JOIN sync.connections connection
    ON connection.org_id = work.org_id AND connection.adapter = work.adapter AND connection.status = 'active'
  WHERE work.org_id NOT IN (SELECT org_id FROM busy) {LEFT_ALONE}),
chosen AS MATERIALIZED (
  SELECT * FROM (SELECT *, dense_rank() OVER (ORDER BY since, org_id) AS place FROM due) ranked
  WHERE place <= %(orgs)s)
{WORK_COLUMNS}
FROM chosen JOIN sync.work work
  ON (work.org_id, work.adapter, work.entity, work.mode) = (chosen.org_id, %(adapter)s, chosen.entity, %(mode)s)
LEFT JOIN sync.orgs org ON org.org_id = work.org_id
ORDER BY chosen.place, array_position(%(entities)s::text[], work.entity::text)
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
    positions: Mapping[EntityName, int]
    """What spreads the entities with the same interval over their slots."""
    manifest: Manifest
    fingerprint: str
    """Changes if and only if an entity or an interval of one does."""

    @classmethod
    def of(cls, manifest: Manifest, order: Sequence[EntityName]) -> "Plan":
        """Build the plan of a manifest."""
        whole = [e.name for e in manifest.entities.values() if e.delta.by is DeltaCapability.NONE and not e.nested]
        cadences = {entity: cadence_of(manifest.entities[entity], {}) for entity in order}
        return cls(
            adapter=manifest.adapter,
            entities=tuple(order),
            listed_whole=tuple(whole),
            page_size=manifest.adapter_file.paging.size,
            positions=list_positions(manifest),
            manifest=manifest,
            fingerprint=hashlib.sha256(repr(sorted(cadences.items())).encode()).hexdigest()[:16],
        )

    def rows(self, own: OwnIntervals = MappingProxyType({})) -> dict[tuple[EntityName, WorkMode], timedelta | None]:
        """Return the rows that a connection has, each with its interval, for an org with these of its own."""
        whole = (WorkMode.FULL, WorkMode.RECONCILIATION, WorkMode.RECORDS, WorkMode.SUBSCRIPTIONS)
        checks = {
            (entity, WorkMode.DELTA): cadence_of(self.manifest.entities[entity], own).delta for entity in self.entities
        }
        return {(ALL, mode): own.get((ALL, mode)) for mode in whole} | checks


def load_now(database: Database) -> datetime:
    """Return the database's current time."""
    with database.connect_fleet() as session:
        return _now(session)


def load_due(database: Database, plan: Plan, mode: WorkMode, most_orgs: int) -> list[Work]:
    """Return the due work of the orgs that have waited longest; all rows of an org together."""
    entities = list(plan.entities) if mode is WorkMode.DELTA else [ALL]
    parameters = {**plan_parameters(plan), "mode": mode.value, "entities": entities, "orgs": most_orgs}
    with database.connect_fleet() as session:
        return [read_work(plan, row) for row in session.execute(_DUE, parameters)]


def load_asked(database: Database, plan: Plan, modes: Collection[WorkMode]) -> list[Work]:
    """Return the work whose requested runs have no recorded outcome yet."""
    parameters = {**plan_parameters(plan), "modes": [mode.value for mode in modes]}
    with database.connect_fleet() as session:
        return [read_work(plan, row) for row in session.execute(_ASKED, parameters)]


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


def load_next_time(database: Database, adapter: AdapterName, mode: WorkMode) -> datetime | None:
    """Return when work of a mode is next due."""
    with database.connect_fleet() as session:
        found: datetime | None = fetch_one(session, _NEXT, (adapter, mode.value))[0]
    return found


def _now(session: Connection) -> datetime:
    found: datetime = fetch_one(session, "SELECT now()", ())[0]
    return found


def plan_parameters(plan: Plan) -> dict[str, Any]:
    """Return the parameters that ``WORK_COLUMNS`` needs."""
    return {"adapter": plan.adapter, "whole": list(plan.listed_whole), "page": plan.page_size}


def read_work(plan: Plan, row: tuple[Any, ...]) -> Work:
    """Parse a row of ``WORK_COLUMNS``."""
    org, adapter, entity, mode, *rest = row
    key = WorkKey(OrgId(org), AdapterName(adapter), EntityName(entity), WorkMode(mode))
    return replace(Work(key, *rest), position=plan.positions.get(key.entity, 0))


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
