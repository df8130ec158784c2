"""Where a source's records differ from the manifest, by org: noted by syncs, read over all orgs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.mapping.drift import Drift, DriftKind
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection

IS_NEWS = timedelta(days=8)
"""A difference that no sync has met for so long is over: what is listed whole is listed every week at least."""

_NOTE = """
WITH found AS (
  SELECT * FROM unnest(%(entities)s::text[], %(kinds)s::text[], %(names)s::text[], %(types)s::text[])
    AS one (entity, kind, name, found)
), over AS (
  DELETE FROM sync.schema_drift known
  WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = ANY (%(listed)s)
    AND NOT EXISTS (
      SELECT FROM found WHERE (found.entity, found.kind, found.name) = (known.entity, known.kind, known.name))
)
INSERT INTO sync.schema_drift AS known (org_id, adapter, entity, kind, name, found)
SELECT %(org)s, %(adapter)s, entity, kind, name, found FROM found
ON CONFLICT (org_id, adapter, entity, kind, name) DO UPDATE SET found = EXCLUDED.found, last_seen_at = now()
"""
LIST = """
SELECT adapter, entity, kind, name, min(found), min(first_seen_at), max(last_seen_at),
       array_agg(org_id ORDER BY org_id)
FROM sync.schema_drift
WHERE last_seen_at > now() - %(is_news)s::interval AND (%(org)s::text IS NULL OR org_id = %(org)s)
GROUP BY adapter, entity, kind, name ORDER BY adapter, entity, kind, name
"""
_PRUNE = "DELETE FROM sync.schema_drift WHERE last_seen_at < now() - %s"


@dataclass(frozen=True, slots=True)
class DriftReport:
    """One difference, with the orgs whose records show it."""

    adapter: AdapterName
    drift: Drift
    since: datetime
    last_seen_at: datetime
    orgs: tuple[OrgId, ...]


def note_drift(connection: Connection, key: SyncKey, found: Sequence[Drift], listed: Collection[EntityName]) -> None:
    """Store where records differ from the manifest; of entities that were listed whole, nothing else remains."""
    parameters = {
        "org": key.org,
        "adapter": key.adapter,
        "listed": list(listed),
        "entities": [drift.entity for drift in found],
        "kinds": [drift.kind.value for drift in found],
        "names": [drift.name for drift in found],
        "types": [drift.found for drift in found],
    }
    connection.execute(_NOTE, parameters)


def list_drift(database: Database) -> list[DriftReport]:
    """Return where records of connected orgs differ from the manifests, by adapter and entity."""
    with database.connect_reading(None) as session:
        rows = session.execute(LIST, {"org": None, "is_news": IS_NEWS}).fetchall()
    return [to_report(*row) for row in rows]


def to_report(
    adapter: str, entity: str, kind: str, name: str, found: str, since: datetime, last: datetime, orgs: list[str]
) -> DriftReport:
    """Return a row of ``LIST`` as a report."""
    drift = Drift(EntityName(entity), DriftKind(kind), name, found)
    return DriftReport(AdapterName(adapter), drift, since, last, tuple(map(OrgId, orgs)))


def prune_drift(database: Database, older_than: timedelta) -> int:
    """Delete differences that no sync has met for so long, and return how many."""
    with database.connect_fleet() as session:
        return session.execute(_PRUNE, (older_than,)).rowcount
