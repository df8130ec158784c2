"""The intervals that orgs chose instead of the usual ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.schedule.cadences import OwnIntervals
from openfaith_sync.domain.schedule.due_work import WorkMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection

NEVER = timedelta()
"""Stands for never in the table."""

_LOAD = """
SELECT org_id, entity, mode, every FROM sync.cadences
WHERE adapter = %(adapter)s AND (%(orgs)s::text[] IS NULL OR org_id = ANY(%(orgs)s::text[]))
ORDER BY org_id, entity, mode
"""
_SET = """
INSERT INTO sync.cadences (org_id, adapter, entity, mode, every) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (org_id, adapter, entity, mode) DO UPDATE SET every = EXCLUDED.every
"""
_USUAL = "DELETE FROM sync.cadences WHERE org_id = %s AND adapter = %s AND entity = %s AND mode = %s"
_CHECKED = """
SELECT work.adapter, work.entity, work.every, held.compared_at
FROM sync.work LEFT JOIN sync.checkpoints held
  ON (held.org_id, held.adapter, held.entity) = (work.org_id, work.adapter, work.entity)
WHERE work.org_id = %(org)s AND work.mode = 'delta'
"""
_PLAN_AGAIN = "UPDATE sync.connections SET planned = NULL WHERE org_id = %s AND adapter = %s"


def set_intervals(
    database: Database,
    org: OrgId,
    adapter: AdapterName,
    chosen: OwnIntervals,
    usual: Sequence[tuple[EntityName, WorkMode]] = (),
) -> None:
    """Store intervals of an org, and restore the usual ones of others; the next plan of its work follows them."""
    with database.connect(org) as session, session.transaction():
        for (entity, mode), every in chosen.items():
            session.execute(_SET, (org, adapter, entity, mode.value, NEVER if every is None else every))
        for entity, mode in usual:
            session.execute(_USUAL, (org, adapter, entity, mode.value))
        session.execute(_PLAN_AGAIN, (org, adapter))


def load_intervals(database: Database, org: OrgId, adapter: AdapterName) -> OwnIntervals:
    """Return the intervals that an org chose."""
    with database.connect(org) as session:
        return load_own_intervals(session, adapter, [org]).get(org, {})


@dataclass(frozen=True, slots=True)
class CheckedEntity:
    """How often an entity of an org is checked for changes, as planned, and when it was compared last."""

    every: timedelta | None
    """``None`` for never."""
    compared_at: datetime | None


def load_checked(database: Database, org: OrgId) -> dict[tuple[AdapterName, EntityName], CheckedEntity]:
    """Return what is planned of each entity of an org, once the daemon has planned it."""
    with database.connect_reading(org) as session:
        rows = session.execute(_CHECKED, {"org": org}).fetchall()
    return {(adapter, entity): CheckedEntity(*facts) for adapter, entity, *facts in rows}


def load_all_intervals(database: Database) -> dict[tuple[OrgId, AdapterName], OwnIntervals]:
    """Return the intervals that orgs chose, of all adapters."""
    with database.connect_reading(None) as session:
        adapters = [AdapterName(row[0]) for row in session.execute("SELECT DISTINCT adapter FROM sync.cadences")]
        return {
            (org, adapter): own
            for adapter in adapters
            for org, own in load_own_intervals(session, adapter, None).items()
        }


def load_own_intervals(
    session: Connection, adapter: AdapterName, orgs: Sequence[OrgId] | None
) -> Mapping[OrgId, OwnIntervals]:
    """Return the intervals that these orgs, or all, chose; most chose none."""
    found: dict[OrgId, dict[tuple[EntityName, WorkMode], timedelta | None]] = {}
    for org, entity, mode, every in session.execute(_LOAD, {"adapter": adapter, "orgs": orgs}):
        own = found.setdefault(OrgId(org), {})
        own[EntityName(entity), WorkMode(mode)] = None if every == NEVER else every
    return found
