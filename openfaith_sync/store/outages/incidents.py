"""Incidents: a source refuses to many orgs at once what they could read before.

No org can fix that, so none is told to, and none waits a day: until it is over, only one probe
requests that entity, for all orgs together. One alert reports it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import on_table, table_of

ORGS = 3
"""The number of orgs that must be refused, and most of those that sent requests, for a problem of the source."""
SPAN = timedelta(minutes=30)
"""Within this time: every org is checked for changes twice in it."""
PROBE_AFTER = (timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""The waits between probes; the last one repeats."""
PROBE_LASTS = timedelta(minutes=3)
"""Longer than a probe may take: after this the probe was lost, and another one may be sent."""

# Only one transaction at a time opens or closes incidents of an adapter.
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('openfaith incidents ' || %(adapter)s, 0))"
_FIND = """
SELECT adapter, entity, opened_at, probe_at, probes, reason FROM sync.refusal_incidents
WHERE adapter = %(adapter)s AND entity = %(entity)s
"""
# Which orgs could read it since then is visible in what their syncs store.
_OPEN = """
WITH refused AS (
  SELECT held.org_id, held.since FROM sync.disabled_entities held
  WHERE held.adapter = %(adapter)s AND held.entity = %(entity)s AND held.read_until IS NOT NULL
    AND held.since > now() - %(span)s)
INSERT INTO sync.refusal_incidents (adapter, entity, probe_at, reason)
SELECT %(adapter)s, %(entity)s, now() + (%(waits)s::interval[])[1], %(reason)s
WHERE %(orgs)s <= (SELECT count(*) FROM refused)
  AND (SELECT count(*) FROM sync.checkpoints asked
       WHERE asked.adapter = %(adapter)s AND asked.entity = %(entity)s
         AND greatest(asked.checked_at, asked.completed_at)
             > (SELECT since FROM refused ORDER BY since DESC OFFSET %(orgs)s - 1 LIMIT 1)
         AND NOT EXISTS (SELECT FROM refused WHERE refused.org_id = asked.org_id))
    <= (SELECT count(*) FROM refused)
ON CONFLICT (adapter, entity) DO NOTHING
RETURNING adapter, entity, opened_at, probe_at, probes, reason
"""
# If no process probes, as while the sensors are off, any process may request it.
_LIST = """
SELECT adapter, entity, opened_at, probe_at, probes, reason FROM sync.refusal_incidents
WHERE (%(adapter)s::text IS NULL OR adapter = %(adapter)s) AND probe_at > now() - interval '5 minutes'
ORDER BY adapter, opened_at, entity
"""
_CLAIM = """
UPDATE sync.refusal_incidents SET probe_at = now() + %(lasts)s
WHERE adapter = %(adapter)s AND probe_at <= now() RETURNING entity
"""
# One of the refused orgs: others may never have been refused. A different one each time, since one may have a problem
# of its own.
_CHOOSE = """
SELECT held.org_id FROM sync.disabled_entities held
JOIN sync.connections connection
  ON (connection.org_id, connection.adapter) = (held.org_id, held.adapter) AND connection.status = 'active'
WHERE held.adapter = %(adapter)s AND held.entity = %(entity)s
ORDER BY held.read_until IS NULL, random() LIMIT 1
"""
_PARENT = """
SELECT external_id FROM {table}
WHERE org_id = %(org)s AND adapter = %(adapter)s AND type = %(parent)s AND deleted_at IS NULL LIMIT 1
"""
_IN_VAIN = """
UPDATE sync.refusal_incidents SET probes = probes + 1,
  probe_at = now() + (%(waits)s::interval[])[least(probes + 2, cardinality(%(waits)s::interval[]))]
WHERE adapter = %(adapter)s AND entity = %(entity)s
"""
_END = """
DELETE FROM sync.refusal_incidents
WHERE adapter = %(adapter)s AND entity = %(entity)s
  AND (%(since)s::timestamptz IS NULL OR %(since)s > opened_at - %(span)s)
RETURNING opened_at
"""
_RELEASE = """
UPDATE sync.disabled_entities SET ask_again_at = now()
WHERE adapter = %(adapter)s AND entity = %(entity)s AND since > %(opened)s - %(span)s
"""
_RESUME = """
UPDATE sync.work SET not_before = now()
WHERE work.adapter = %(adapter)s AND work.entity = %(entity)s AND work.run_key IS NULL AND work.not_before > now()
  AND (work.org_id = %(org)s OR EXISTS (
    SELECT FROM sync.disabled_entities held
    WHERE (held.org_id, held.adapter, held.entity) = (work.org_id, work.adapter, work.entity)
      AND held.since > %(opened)s - %(span)s))
"""


@dataclass(frozen=True, slots=True)
class Incident:
    """One entity that a source refuses to many orgs at once."""

    adapter: AdapterName
    entity: EntityName
    since: datetime
    probe_at: datetime
    probes: int
    """The number of failed probes so far."""
    reason: str

    def refusal_of(self, known: Refusal | None) -> Refusal:
        """Return the refusal of one org: it waits for the probe, whatever was known before."""
        refusal = Refusal(self.reason, "", self.since, self.probe_at, is_incident=True)
        return replace(refusal, read_until=known.read_until, is_shown=known.is_shown) if known else refusal


@dataclass(frozen=True, slots=True)
class IncidentProbe:
    """What to request in order to find out whether an incident is over."""

    org: OrgId
    entity: EntityName
    parent: ExternalId | None
    """The parent whose list to read, for a nested entity."""


def join_incident(database: Database, adapter: AdapterName, entity: EntityName, reason: str) -> Incident | None:
    """Return the incident that a refusal is part of, opening one if enough orgs are refused."""
    parameters = _parameters(adapter, entity) | {"reason": reason}
    with database.connect_fleet() as session, session.transaction():
        session.execute(_ALONE, parameters)
        row = session.execute(_FIND, parameters).fetchone() or session.execute(_OPEN, parameters).fetchone()
    return Incident(*row) if row else None


def list_incidents(database: Database, adapter: AdapterName | None = None) -> list[Incident]:
    """Return the open incidents of an adapter, or of all."""
    with database.connect_fleet() as session:
        return [Incident(*row) for row in session.execute(_LIST, {"adapter": adapter})]


def claim_probes(
    database: Database, adapter: AdapterName, parents: dict[EntityName, EntityName]
) -> list[IncidentProbe]:
    """Return the due probes, each to only one caller; ``parents`` names the parents of nested entities."""
    probes = []
    with database.connect_fleet() as session:
        claimed = session.execute(_CLAIM, {"adapter": adapter, "lasts": PROBE_LASTS}).fetchall()
        for (name,) in claimed:
            entity = EntityName(name)
            chosen = session.execute(_CHOOSE, _parameters(adapter, entity)).fetchone()
            if chosen is None:
                # All refused orgs are removed or paused: nothing shows any more that it lasts.
                _end(session, adapter, entity, None, None)
                continue
            org = OrgId(chosen[0])
            probes.append(IncidentProbe(org, entity, _parent(session, adapter, org, parents.get(entity))))
    return probes


def note_probe_in_vain(database: Database, adapter: AdapterName, entity: EntityName) -> None:
    """Lengthen the wait before the next probe."""
    with database.connect_fleet() as session:
        session.execute(_IN_VAIN, _parameters(adapter, entity))


def end_incident_with(
    database: Database, adapter: AdapterName, entity: EntityName, org: OrgId, since: datetime
) -> None:
    """End the incident in which this org was refused since then, now that it can read again."""
    with database.connect_fleet() as session:
        _end(session, adapter, entity, org, since)


def _end(
    session: Connection, adapter: AdapterName, entity: EntityName, org: OrgId | None, since: datetime | None
) -> None:
    parameters = _parameters(adapter, entity) | {"org": org, "since": since}
    with session.transaction():
        session.execute(_ALONE, parameters)
        ended = session.execute(_END, parameters).fetchone()
        if ended is None:
            return
        parameters["opened"] = ended[0]
        session.execute(_RELEASE, parameters)
    session.execute(_RESUME, parameters)


def _parent(session: Connection, adapter: AdapterName, org: OrgId, parent: EntityName | None) -> ExternalId | None:
    if parent is None:
        return None
    statement = on_table(_PARENT, table_of(session, SyncKey(org, adapter, parent)))
    row = session.execute(statement, {"org": org, "adapter": adapter, "parent": parent}).fetchone()
    return ExternalId(row[0]) if row else None


def _parameters(adapter: AdapterName, entity: EntityName) -> dict[str, Any]:
    return {"adapter": adapter, "entity": entity, "orgs": ORGS, "span": SPAN, "waits": list(PROBE_AFTER)}
