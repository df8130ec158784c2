"""What a person sees of holds, and how they approve or reject them."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor, sql
from psycopg.rows import dict_row

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityId, EntityName, ExternalId, OrgId
from openfaith_sync.domain.passes.deletions import HeldRecord, Hold, HoldKind, HoldStatus
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.deletions.holds import parse_hold
from openfaith_sync.store.pages.evidence_sql import EXPLAINED, STILL_MISSING
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one

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
_APPROVE_NESTED = f"""
UPDATE sync.holds nested SET status = 'approved', decided_at = now(), approved_up_to = missing
WHERE nested.org_id = %(org)s AND nested.adapter = %(adapter)s AND nested.entity = ANY (%(entities)s)
  AND nested.kind = 'deletions' AND nested.status = 'open' AND NOT EXISTS (
    SELECT FROM sync.deletion_candidates known
    WHERE known.org_id = nested.org_id AND known.adapter = nested.adapter AND known.entity = nested.entity
      AND NOT {EXPLAINED})
RETURNING *
"""  # noqa: S608  joined of our own constants
_RECORDS = """
SELECT known.external_id, link.entity_id, known.times_missed, known.first_missed_at, {name}
FROM sync.deletion_candidates known
LEFT JOIN sync.external_links link USING (org_id, adapter, entity, external_id)
{join}
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s AND {missing}
ORDER BY known.external_id LIMIT %(limit)s
"""
_OLDER = """
SELECT known.external_id, link.entity_id, (known.agreed_at IS NOT NULL)::int, known.first_seen_at, {name}
FROM sync.older_versions known
LEFT JOIN sync.external_links link USING (org_id, adapter, entity, external_id)
{join}
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
ORDER BY known.external_id LIMIT %(limit)s
"""
_NAMES = ("name", "address", "number", "street_line_1")
"""Columns that say to a person which record it is; of each table the first that it has."""


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
        rows = _rows(session).execute(_APPROVE_NESTED.encode(), parameters | {"entities": list(nested)}).fetchall()
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
        name, join = _naming(session, hold) if with_names else (sql.SQL("NULL"), sql.SQL(""))
        query = sql.SQL(_OLDER if hold.kind is HoldKind.OLDER else _RECORDS)
        query_of = query.format(name=name, join=join, missing=sql.SQL(STILL_MISSING))
        rows = session.execute(query_of, parameters).fetchall()
    return [HeldRecord(ExternalId(row[0]), row[1] and EntityId(row[1]), *row[2:]) for row in rows]


def _naming(session: Connection, hold: Hold) -> tuple[sql.Composable, sql.Composable]:
    found = fetch_one(
        session,
        "SELECT max(canonical_table) FROM sync.passes WHERE org_id = %s AND adapter = %s AND entity = %s",
        key_parameters(hold.key),
    )[0]
    columns = {column.name for column in CANONICAL_TABLES[found].own} if found in CANONICAL_TABLES else set()
    name = next((name for name in _NAMES if name in columns), None)
    if name is None:
        return sql.SQL("NULL"), sql.SQL("")
    join = sql.SQL("LEFT JOIN openfaith.{} held ON held.org_id = known.org_id AND held.id = link.entity_id")
    return sql.SQL("held.{}").format(sql.Identifier(name)), join.format(sql.Identifier(found))


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
