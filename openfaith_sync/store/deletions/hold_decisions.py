"""What a person sees of holds, and how they approve or reject them."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor, sql
from psycopg.rows import dict_row

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityId, EntityName, ExternalId, OrgId
from openfaith_sync.domain.passes.deletions import HeldRecord, Hold, HoldKind, HoldStatus
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions.holds import parse_hold
from openfaith_sync.store.pages.evidence_sql import STILL_MISSING, with_explained
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import EntityTable, table_of

_LIST = """
SELECT * FROM sync.holds
WHERE (%(org)s::text IS NULL OR org_id = %(org)s) AND (%(is_all)s OR status IN ('open', 'approved'))
ORDER BY hold_id
"""
_ONE = "SELECT * FROM sync.holds WHERE hold_id = %s"
_DECIDE = """
UPDATE sync.holds
SET status = %(status)s, decided_at = now(), approved_up_to = CASE WHEN %(status)s = 'approved' THEN missing END
WHERE org_id = %(org)s AND hold_id = %(hold)s AND status = ANY (%(from)s)
RETURNING *
"""
_APPROVE_NESTED = """
UPDATE sync.holds nested SET status = 'approved', decided_at = now(), approved_up_to = missing
WHERE nested.org_id = %(org)s AND nested.adapter = %(adapter)s AND nested.entity = ANY (%(entities)s)
  AND nested.kind = 'deletions' AND nested.status = 'open' AND NOT EXISTS (
    SELECT FROM sync.deletion_candidates known
    WHERE known.org_id = nested.org_id AND known.adapter = nested.adapter AND known.entity = nested.entity
      AND NOT {explained})
RETURNING *
"""
_RECORDS = """
SELECT known.external_id, held.id, known.times_missed, known.first_missed_at, {name}
FROM sync.deletion_candidates known
LEFT JOIN {table} held ON (held.org_id, held.adapter, held.type, held.external_id)
                        = (known.org_id, known.adapter, known.entity, known.external_id)
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s AND {missing}
ORDER BY known.external_id LIMIT %(limit)s
"""
_OLDER = """
SELECT known.external_id, held.id, (known.agreed_at IS NOT NULL)::int, known.first_seen_at, {name}
FROM sync.older_versions known
LEFT JOIN {table} held ON (held.org_id, held.adapter, held.type, held.external_id)
                        = (known.org_id, known.adapter, known.entity, known.external_id)
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
ORDER BY known.external_id LIMIT %(limit)s
"""
_NAMES = ("name", "address", "number", "street_line_1")
"""Columns that say to a person which record it is; of each table the first that it has."""
_NAME_OF = """
SELECT given.name FROM unnest(%s::text[]) WITH ORDINALITY AS given (name, place)
JOIN pg_attribute own ON own.attname = given.name AND NOT own.attisdropped
JOIN pg_class held ON held.oid = own.attrelid JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE room.nspname = %s AND held.relname = %s ORDER BY given.place LIMIT 1
"""


def list_holds(database: Database, org: OrgId | None = None, *, is_all: bool = False) -> list[Hold]:
    """Return the standing holds of one org or of all; with ``is_all`` closed ones too."""
    with database.connect_reading(org) as session:
        return [parse_hold(row) for row in _rows(session).execute(_LIST, {"org": org, "is_all": is_all})]


def load_hold(database: Database, hold_id: int) -> Hold:
    """Return one hold.

    Raises:
        UsageError: There is no hold of this number.
    """
    with database.connect_fleet() as session:
        row = _rows(session).execute(_ONE, (hold_id,)).fetchone()
    if row is None:
        raise UsageError(f"there is no hold {hold_id}; list them with: openfaith-sync holds list")
    return parse_hold(row)


def approve_hold(database: Database, hold_id: int, nested: Sequence[EntityName] = ()) -> list[Hold]:
    """Approve as many deletions as are missing now, with the nested records below them.

    Returns the hold, then the holds of ``nested`` entities that miss nothing but records below these.

    Raises:
        UsageError: There is no such hold, or it is not open.
    """
    approved = _decide(database, load_hold(database, hold_id), HoldStatus.APPROVED, [HoldStatus.OPEN])
    if approved.kind is not HoldKind.DELETIONS:
        return [approved]
    parameters = {"org": approved.key.org, "adapter": approved.key.adapter, "parent": approved.key.entity}
    with database.connect(approved.key.org) as session:
        parents = table_of(session, approved.key)
        statement = with_explained(_APPROVE_NESTED, parents, parents)
        rows = _rows(session).execute(statement, parameters | {"entities": list(nested)}).fetchall()
    return [approved, *map(parse_hold, rows)]


def reject_hold(database: Database, hold_id: int) -> Hold:
    """Close a hold; the rows stay.

    Raises:
        UsageError: There is no such hold, or it is closed.
    """
    allowed = [HoldStatus.OPEN, HoldStatus.APPROVED]
    return _decide(database, load_hold(database, hold_id), HoldStatus.REJECTED, allowed)


def load_held_records(database: Database, hold: Hold, limit: int | None, *, with_names: bool) -> list[HeldRecord]:
    """Return the records that wait behind a hold, in id order."""
    org, adapter, entity = key_parameters(hold.key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "limit": limit}
    with database.connect(hold.key.org) as session:
        table = table_of(session, hold.key)
        name = _find_name(session, table) if with_names else None
        query = sql.SQL(_OLDER if hold.kind is HoldKind.OLDER else _RECORDS).format(
            name=sql.SQL("NULL") if name is None else sql.Identifier("held", name),
            table=sql.Identifier(table.schema, table.name),
            missing=sql.SQL(STILL_MISSING),
        )
        rows = session.execute(query, parameters).fetchall()
    return [HeldRecord(ExternalId(row[0]), row[1] and EntityId(row[1]), *row[2:]) for row in rows]


def _find_name(session: Connection, table: EntityTable) -> str | None:
    row = session.execute(_NAME_OF, (list(_NAMES), table.schema, table.name)).fetchone()
    return str(row[0]) if row else None


def _decide(database: Database, hold: Hold, status: HoldStatus, allowed: list[HoldStatus]) -> Hold:
    parameters = {"org": hold.key.org, "hold": hold.hold_id, "status": status, "from": list(map(str, allowed))}
    with database.connect(hold.key.org) as session:
        row = _rows(session).execute(_DECIDE, parameters).fetchone()
    if row is None:
        found = load_hold(database, hold.hold_id).status
        raise UsageError(f"hold {hold.hold_id} is {found}; only one that is {' or '.join(allowed)} can be {status}")
    return parse_hold(row)


def _rows(session: Connection) -> Cursor[dict[str, Any]]:
    return session.cursor(row_factory=dict_row)
