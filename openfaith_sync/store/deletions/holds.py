"""Safety stops: the missing share, and the standing hold."""

from collections.abc import Sequence
from typing import Any

from psycopg import Cursor
from psycopg.rows import dict_row

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.deletions import (
    WINDOWS,
    Candidate,
    DeletionCheck,
    DeletionLimits,
    Hold,
    HoldKind,
    HoldStatus,
)
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.store.pages.evidence_sql import STILL_MISSING, with_explained
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import table_of

# Losses count from the last approval on: a person has reviewed the earlier ones.
_LOSSES = ", ".join(
    f"count(*) FILTER (WHERE is_loss AND deleted_at > GREATEST(now() - interval '{window.days} days', approved.at)"
    " {not_merged})"
    for window in WINDOWS
)
_WEIGH = f"""
WITH approved AS MATERIALIZED (
  SELECT max(decided_at) AS at FROM sync.holds
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
    AND kind = 'deletions' AND approved_up_to IS NOT NULL
), missed AS (
  SELECT count(*) AS missing, count(*) FILTER (WHERE {{explained}}) AS explained
  FROM sync.deletion_candidates known
  WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s AND {STILL_MISSING}
)
SELECT (SELECT missing FROM missed), (SELECT explained FROM missed),
       (SELECT deletion_count FROM sync.orgs WHERE org_id = %(org)s),
       (SELECT deletion_share FROM sync.orgs WHERE org_id = %(org)s),
       count(*) FILTER (WHERE deleted_at IS NULL), {_LOSSES}
FROM {{table}} held, approved WHERE org_id = %(org)s AND adapter = %(adapter)s AND type = %(entity)s
"""  # noqa: S608  joined of our own constants
_STANDING = """
SELECT * FROM sync.holds
WHERE org_id = %s AND adapter = %s AND entity = %s AND kind = %s AND status IN ('open', 'approved')
"""
_OPEN = """
INSERT INTO sync.holds AS held (org_id, adapter, entity, kind, pass_id, missing, live, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (org_id, adapter, entity, kind) WHERE status IN ('open', 'approved') DO UPDATE
SET pass_id = EXCLUDED.pass_id, missing = EXCLUDED.missing, live = EXCLUDED.live, reason = EXCLUDED.reason
RETURNING *
"""
_NOTE = """
INSERT INTO sync.deletion_candidates (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id)
SELECT %(org)s, %(adapter)s, %(entity)s, given.*, %(pass)s, %(pass)s
FROM unnest(%(ids)s::text[], %(parents)s::text[]) AS given (external_id, parent_id)
ON CONFLICT DO NOTHING
"""
# An approval of fewer records than are missing now ends: a person decides again.
_SETTLE_APPROVED = """
UPDATE sync.holds SET status = 'settled'
WHERE org_id = %s AND adapter = %s AND entity = %s AND kind = %s AND status = 'approved' AND approved_up_to < %s
"""
_SETTLE = """
UPDATE sync.holds SET status = 'settled'
WHERE org_id = %s AND adapter = %s AND entity = %s AND kind = %s AND status IN ('open', 'approved')
"""
_LOWER = """
UPDATE sync.holds SET approved_up_to = LEAST(approved_up_to, %s)
WHERE org_id = %s AND adapter = %s AND entity = %s AND kind = %s AND status = 'approved'
"""


def check_deletions(connection: Connection, key: SyncKey, parent: EntityName | None) -> DeletionCheck:
    """Return the missing and recently lost records, the allowed share and the standing hold."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "parent": parent}
    statement = with_explained(_WEIGH, table_of(connection, key), table_of(connection, key, parent) if parent else None)
    found = connection.execute(statement, parameters).fetchone() or (0, 0, None, None, 0)
    missing, explained, count, share, live, *losses = found
    limits = DeletionLimits() if count is None else DeletionLimits(count, share)
    hold = load_standing(connection, key, HoldKind.DELETIONS)
    return DeletionCheck(missing, live, limits, hold, explained, tuple(losses), is_nested=parent is not None)


def load_standing(connection: Connection, key: SyncKey, kind: HoldKind) -> Hold | None:
    """Return the open or approved hold of this key and kind."""
    row = _rows(connection).execute(_STANDING, (*key_parameters(key), kind)).fetchone()
    return parse_hold(row) if row else None


def open_hold(
    connection: Connection, key: SyncKey, pass_id: PassId, check: DeletionCheck, reason: str, kind: HoldKind
) -> Hold:
    """Open a hold of this key and kind unless one is open; a smaller approval ends."""
    connection.execute(_SETTLE_APPROVED, (*key_parameters(key), kind, check.unexplained))
    parameters = (*key_parameters(key), kind, pass_id, check.unexplained, check.live, reason)
    row = _rows(connection).execute(_OPEN, parameters).fetchone()
    if row is None:
        raise LookupError("a hold was neither made nor found")
    return parse_hold(row)


def hold_candidates(
    connection: Connection, key: SyncKey, pass_id: PassId, candidates: Sequence[Candidate], reason: str
) -> Hold:
    """Store candidates and return the open hold behind which all candidates wait."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "pass": pass_id}
    rows = sorted((one.external_id, one.parent_id) for one in candidates)
    connection.execute(_NOTE, parameters | {"ids": [row[0] for row in rows], "parents": [row[1] for row in rows]})
    return open_hold(connection, key, pass_id, check_deletions(connection, key, None), reason, HoldKind.DELETIONS)


def close_hold(connection: Connection, key: SyncKey, kind: HoldKind) -> None:
    """Close the standing hold of this key and kind."""
    connection.execute(_SETTLE, (*key_parameters(key), kind))


def lower_ceiling(connection: Connection, key: SyncKey, missing: int, kind: HoldKind) -> None:
    """Lower an approval to the number still waiting, since finished deletions used it up."""
    connection.execute(_LOWER, (missing, *key_parameters(key), kind))


def parse_hold(row: dict[str, Any]) -> Hold:
    """Return the hold of a row of ``sync.holds``."""
    return Hold(
        hold_id=row["hold_id"],
        key=SyncKey(OrgId(row["org_id"]), AdapterName(row["adapter"]), EntityName(row["entity"])),
        pass_id=PassId(row["pass_id"]),
        missing=row["missing"],
        live=row["live"],
        reason=row["reason"],
        status=HoldStatus(row["status"]),
        approved_up_to=row["approved_up_to"],
        created_at=row["created_at"],
        decided_at=row["decided_at"],
        kind=HoldKind(row["kind"]),
    )


def _rows(connection: Connection) -> Cursor[dict[str, Any]]:
    return connection.cursor(row_factory=dict_row)
