"""Summaries of an entity for its asset: a few rows, and the reasons of its dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.store.database.database import Database

_SOME_ROWS = """
SELECT {columns} FROM {table}
WHERE org_id = %s AND type = %s AND deleted_at IS NULL ORDER BY id LIMIT %s
"""
_REASONS = """
SELECT field, value_type, reason, count(*) FROM sync.dead_letters
WHERE (org_id, adapter, entity) = (%s, %s, %s) AND resolved_at IS NULL
GROUP BY field, value_type, reason ORDER BY count(*) DESC, field
"""


@dataclass(frozen=True, slots=True)
class DeadLetterReason:
    """A reason for dead letters of an entity, and how many have it."""

    field: str
    value_type: str
    reason: str
    count: int


def load_some_rows(
    database: Database, org: OrgId, entity: EntityName, table: RecordTable, columns: Sequence[str], most: int
) -> list[tuple[Any, ...]]:
    """Return the first live rows of an entity, ordered by id."""
    statement = sql.SQL(_SOME_ROWS).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)), table=sql.Identifier(table.schema, table.name)
    )
    with database.connect(org) as session:
        return session.execute(statement, (org, entity, most)).fetchall()


def load_dead_letter_reasons(database: Database, key: SyncKey) -> list[DeadLetterReason]:
    """Return the reasons of an entity's unresolved dead letters, the most frequent first, without any values."""
    with database.connect(key.org) as session:
        rows = session.execute(_REASONS, (key.org, key.adapter, key.entity)).fetchall()
    return [DeadLetterReason(*row) for row in rows]
