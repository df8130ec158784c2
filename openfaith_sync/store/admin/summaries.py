"""A few rows of an entity, for its asset."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.store.database.database import Database

_SOME_ROWS = """
SELECT {columns} FROM {table}
WHERE org_id = %s AND type = %s AND deleted_at IS NULL ORDER BY id LIMIT %s
"""


def load_some_rows(
    database: Database, org: OrgId, entity: EntityName, table: RecordTable, columns: Sequence[str], most: int
) -> list[tuple[Any, ...]]:
    """Return the first live rows of an entity, ordered by id."""
    statement = sql.SQL(_SOME_ROWS).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)), table=sql.Identifier(table.schema, table.name)
    )
    with database.connect(org) as session:
        return session.execute(statement, (org, entity, most)).fetchall()
