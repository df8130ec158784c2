"""Entities that a source refuses to an org: recorded, judged by what the org read before, and retried later.

An entity outside a grant's scopes needs no row: it follows from the scopes that are stored with the tokens.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.connections.refusals import (
    ASK_AGAIN_AFTER,
    ASK_AGAIN_FOR_NEVER_READ,
    Refusal,
)
from openfaith_sync.domain.connections.scopes import CONNECT_AGAIN, find_ungranted
from openfaith_sync.domain.connections.selection import explain_unselected
from openfaith_sync.domain.errors import AccessDenied, NotSelected
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.incidents import end_incident_with, join_incident, list_incidents
from openfaith_sync.store.postgres.statements import fetch_one

# A page that was read counts even if its pass never completed. A parent's pages do not, but a version that its pass
# starts from does: the source was asked for the newest one.
_READ_UNTIL = """
greatest(
  (SELECT greatest(completed_at, checked_at) FROM sync.checkpoints
   WHERE (org_id, adapter, entity) = (%(org)s, %(adapter)s, %(entity)s)),
  (SELECT max(COALESCE(ended_at, started_at)) FROM sync.passes
   WHERE (org_id, adapter, entity) = (%(org)s, %(adapter)s, %(entity)s)
     AND CASE WHEN parent_pass_id IS NULL THEN pages > 0 ELSE watermark_to IS NOT NULL END))
"""
_LOAD_READ_UNTIL = f"SELECT {_READ_UNTIL}"
# A request before it is due, as a person may make, does not lengthen the waits.
_NOTE = f"""
INSERT INTO sync.disabled_entities AS held
  (org_id, adapter, entity, reason, remedy, read_until, refusals, is_shown, ask_again_at)
SELECT %(org)s, %(adapter)s, %(entity)s, %(fact)s, %(remedy)s, seen.read_until, 1, %(shown)s,
       now() + CASE WHEN seen.read_until IS NULL THEN %(never)s ELSE (%(waits)s::interval[])[1] END
FROM (SELECT {_READ_UNTIL} AS read_until) AS seen
ON CONFLICT (org_id, adapter, entity) DO UPDATE SET
  reason = EXCLUDED.reason, remedy = EXCLUDED.remedy, read_until = EXCLUDED.read_until,
  is_shown = held.is_shown OR EXCLUDED.is_shown,
  refusals = held.refusals + (held.ask_again_at <= now())::int,
  ask_again_at = CASE
    WHEN EXCLUDED.read_until IS NULL THEN EXCLUDED.ask_again_at
    WHEN held.ask_again_at > now() THEN held.ask_again_at
    ELSE now() + (%(waits)s::interval[])[least(held.refusals + 1, cardinality(%(waits)s::interval[]))] END
RETURNING since, ask_again_at, read_until, is_shown
"""  # noqa: S608  joined of our own constants
_FORGET = """
DELETE FROM sync.disabled_entities WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
RETURNING since
"""
_LOAD = """
SELECT org_id, entity, reason, remedy, since, ask_again_at, read_until, is_shown FROM sync.disabled_entities
WHERE adapter = %(adapter)s AND (%(org)s::text IS NULL OR org_id = %(org)s)
"""
_LOAD_READ = """
SELECT org_id, entity, greatest(completed_at, checked_at) FROM sync.checkpoints
WHERE adapter = %(adapter)s AND org_id = ANY (%(orgs)s) AND greatest(completed_at, checked_at) IS NOT NULL
"""

Refused = Mapping[OrgId, Mapping[EntityName, Refusal]]


def note_refusal(
    database: Database, connection: Connection, entity: EntityName, error: AccessDenied, *, is_shown: bool = False
) -> Refusal:
    """Record that the source refused an entity, and return the refusal.

    ``is_shown`` means that a run failed of it, so that only another run can show its end.
    If many orgs are refused what they could read before, one incident is opened for all (``incidents.py``).
    """
    parameters = _key(connection.org, connection.adapter, entity) | {
        "fact": error.fact,
        "remedy": error.remedy,
        "shown": is_shown,
        "never": ASK_AGAIN_FOR_NEVER_READ,
        "waits": list(ASK_AGAIN_AFTER),
    }
    with database.connect(connection.org) as session:
        since, ask_again_at, read_until, shown = fetch_one(session, _NOTE, parameters)
    incident = join_incident(database, connection.adapter, entity, error.fact)
    if incident is not None:
        return Refusal(error.fact, "", incident.since, incident.probe_at, read_until, shown, is_incident=True)
    return Refusal(error.fact, error.remedy, since, ask_again_at, read_until, shown)


def judge_ungranted(database: Database, connection: Connection, entity: EntityName, error: AccessDenied) -> Refusal:
    """Return the refusal of an entity that is not selected, or outside a grant's scopes; nothing is recorded."""
    if isinstance(error, NotSelected):
        return Refusal(error.fact, error.remedy, is_chosen=True)
    with database.connect(connection.org) as session:
        (read_until,) = fetch_one(session, _LOAD_READ_UNTIL, _key(connection.org, connection.adapter, entity))
    return Refusal(error.fact, error.remedy, read_until=read_until)


def note_readable(database: Database, connection: Connection, entity: EntityName) -> None:
    """Record that the org can read an entity, which ends the refusal and the incident that it was part of."""
    org, adapter = connection.org, connection.adapter
    with database.connect(org) as session:
        found = session.execute(_FORGET, _key(org, adapter, entity)).fetchone()
    if found is not None:
        end_incident_with(database, adapter, entity, org, found[0])


def load_refusals(database: Database, manifest: Manifest, org: OrgId | None = None) -> Refused:
    """Return what is not read, by org: recent refusals, missing scopes, incidents, and what the org did not choose."""
    refused: dict[OrgId, dict[EntityName, Refusal]] = {}
    adapter = manifest.adapter
    with database.connect_reading(org) as session:
        for whose, entity, *noted in session.execute(_LOAD, {"adapter": adapter, "org": org}):
            refused.setdefault(OrgId(whose), {})[EntityName(entity)] = Refusal(*noted)
        connections = [one for one in list_connections(database, org) if one.adapter == adapter]
        ungranted = {one.org: found for one in connections if (found := find_ungranted(manifest, one.scopes))}
        parameters = {"adapter": adapter, "orgs": list(ungranted)}
        read = {(row[0], row[1]): row[2] for row in session.execute(_LOAD_READ, parameters)} if ungranted else {}
    for whose, entities in ungranted.items():
        for entity, fact in entities.items():
            until = read.get((whose, entity))
            refused.setdefault(whose, {})[entity] = Refusal(fact, CONNECT_AGAIN, read_until=until)
    for incident in list_incidents(database, adapter):
        for one in connections:
            of_org = refused.setdefault(one.org, {})
            known = of_org.get(incident.entity)
            if known is None or known.ask_again_at is not None:
                of_org[incident.entity] = incident.refusal_of(known)
    for one in connections:
        for entity, error in explain_unselected(manifest, one.org, one.only, one.sensitive).items():
            refused.setdefault(one.org, {})[entity] = Refusal(error.fact, error.remedy, is_chosen=True)
    return refused


def load_refused(database: Database, manifest: Manifest, now: datetime, org: OrgId | None = None) -> Refused:
    """Return what must not be requested at this database time, by org."""
    return select_waiting(load_refusals(database, manifest, org), now)


def select_waiting(found: Refused, now: datetime) -> Refused:
    """Return the refusals that nothing retries automatically at this time."""
    waiting = {
        whose: {entity: refusal for entity, refusal in entities.items() if refusal.waits(now)}
        for whose, entities in found.items()
    }
    return {whose: entities for whose, entities in waiting.items() if entities}


def _key(org: OrgId, adapter: AdapterName, entity: EntityName) -> dict[str, Any]:
    return {"org": org, "adapter": adapter, "entity": entity}
