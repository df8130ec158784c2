"""The view of all references as edges of a graph, made from the catalogue like live views: living rows, nothing hidden.

There is one branch for each reference of each table, so that a question about one record is answered by an index.
"""

from collections.abc import Iterator

from openfaith_sync.domain.record_tables import CANONICAL_SCHEMA, RESERVED_COLUMNS, live_schema
from openfaith_sync.domain.summary_views import EDGES
from openfaith_sync.store.manifests.source_views import load_definition, load_normalized
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.changes import SchemaChange, SchemaStatement, literal, quoted

SUFFIX = 27
"""The underscore and the 26 letters that follow the entity's name in an id."""

_REFERENCES = """
SELECT room.nspname, held.relname, own.attname,
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = held.oid AND attname = 'merged_into_id' AND NOT attisdropped)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
JOIN pg_attribute own ON own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
JOIN pg_collation sorted ON sorted.oid = own.attcollation AND sorted.collname = 'C'
WHERE held.relkind IN ('r', 'p') AND own.attname LIKE '%%\\_id' AND own.attname <> ALL (%s)
  AND (room.nspname = 'openfaith'
       OR (room.nspname, held.relname) IN (SELECT table_schema, table_name FROM sync.record_tables))
  AND NOT EXISTS (
    SELECT FROM sync.hidden_columns hidden
    WHERE (hidden.table_schema, hidden.table_name) = (room.nspname, held.relname)
      AND hidden.column_name IN ('org_id', 'id', own.attname))
ORDER BY 1, 2, 3
"""
_ENGINE = "SELECT rolname FROM pg_roles WHERE rolname = 'openfaith_engine_' || left(md5(session_user), 12)"


def edges_changes(connection: Connection) -> Iterator[SchemaChange]:
    """Yield how the view becomes what the tables are now."""
    branches = [
        _branch(schema, table, column, has_merges=has_merges)
        for schema, table, column, has_merges in connection.execute(_REFERENCES, (sorted(RESERVED_COLUMNS),))
    ]
    query, name = "\nUNION ALL\n".join(branches), quoted(live_schema(CANONICAL_SCHEMA), EDGES.name)
    if load_normalized(connection, query) == load_definition(connection, name):
        return
    statements = [
        f"CREATE OR REPLACE VIEW {name} WITH (security_invoker = true) AS\n{query}",
        f"COMMENT ON VIEW {name} IS {literal(EDGES.comment)}",
        *(f"COMMENT ON COLUMN {name}.{column.name} IS {literal(column.comment)}" for column in EDGES.columns),
        *(f"GRANT SELECT ON {name} TO {quoted(engine)}" for (engine,) in connection.execute(_ENGINE)),
    ]
    yield SchemaChange(f"view {name}", tuple(map(SchemaStatement, statements)), as_owner=False)


def _branch(schema: str, table: str, column: str, *, has_merges: bool) -> str:
    to = f"held.{quoted(column)}"
    merged = " AND held.merged_into_id IS NULL" if has_merges else ""
    return (
        f"SELECT held.org_id, held.type AS from_type, held.id AS from_id, {literal(column.removesuffix('_id'))}::text "  # noqa: S608  names of ours
        f"AS relation, left({to}, {-SUFFIX}) AS to_type, {to} AS to_id FROM {quoted(schema, table)} held "
        f"WHERE {to} IS NOT NULL AND held.deleted_at IS NULL{merged}"
    )
