"""What the database's catalogue says of the tables and views of one schema."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from openfaith_sync.store.postgres.statements import Connection

_RELATIONS = """
SELECT held.relname, held.relkind::text, obj_description(held.oid, 'pg_class'),
       held.relrowsecurity AND held.relforcerowsecurity
         AND (SELECT count(*) FROM pg_policy WHERE polrelid = held.oid AND polname IN ('one_org', 'fleet')) = 2,
       GREATEST(held.reltuples, 0)::bigint, pg_relation_size(held.oid),
       COALESCE(has_table_privilege(engine.oid, held.oid, 'SELECT'), true)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
LEFT JOIN pg_roles engine ON engine.rolname = 'openfaith_engine_' || left(md5(session_user), 12)
WHERE room.nspname = %s AND held.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
_COLUMNS = """
SELECT held.relname, own.attname, format_type(own.atttypid, own.atttypmod), COALESCE(sorted.collname = 'C', false),
       col_description(held.oid, own.attnum)
FROM pg_attribute own
JOIN pg_class held ON held.oid = own.attrelid JOIN pg_namespace room ON room.oid = held.relnamespace
LEFT JOIN pg_collation sorted ON sorted.oid = own.attcollation
WHERE room.nspname = %s AND held.relkind IN ('r', 'p', 'v', 'm', 'f') AND own.attnum > 0 AND NOT own.attisdropped
ORDER BY held.relname, own.attnum
"""
_INDEXES = """
SELECT held.relname, indexed.relname, found.indisvalid,
       ARRAY(SELECT own.attname::text FROM unnest(found.indkey::int2[]) WITH ORDINALITY AS key (number, place)
             JOIN pg_attribute own ON own.attrelid = held.oid AND own.attnum = key.number ORDER BY key.place)
FROM pg_index found JOIN pg_class indexed ON indexed.oid = found.indexrelid
JOIN pg_class held ON held.oid = found.indrelid JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE room.nspname = %s
"""


class FoundColumn(NamedTuple):
    """One column as it is."""

    type: str
    """As ``format_type`` writes it."""
    is_by_bytes: bool
    """Whether it sorts by its bytes, as ids do."""
    comment: str | None


@dataclass(slots=True)
class Relation:
    """One table or view as it is."""

    schema: str
    name: str
    kind: str
    comment: str | None
    has_policies: bool
    rows: int
    """As the planner estimates it."""
    size_bytes: int
    is_granted: bool
    """Whether the engine's role may read it."""
    columns: dict[str, FoundColumn] = field(default_factory=dict)
    indexed: set[tuple[str, ...]] = field(default_factory=set)
    invalid_indexes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Indexes that were never finished, by name."""

    @property
    def is_table(self) -> bool:
        """Return whether it holds rows of its own."""
        return self.kind in ("r", "p")


def load_relations(connection: Connection, schema: str) -> Mapping[str, Relation]:
    """Return the tables and views of a schema, by name."""
    found = {row[0]: Relation(schema, *row) for row in connection.execute(_RELATIONS, (schema,))}
    for name, columns in load_columns(connection, schema).items():
        found[name].columns |= columns
    for name, index, is_valid, columns in connection.execute(_INDEXES, (schema,)):
        if is_valid:
            found[name].indexed.add(tuple(columns))
        else:
            found[name].invalid_indexes[index] = tuple(columns)
    return found


def load_columns(connection: Connection, schema: str) -> Mapping[str, Mapping[str, FoundColumn]]:
    """Return the columns of the tables and views of a schema, by table and by name."""
    found: dict[str, dict[str, FoundColumn]] = {}
    for table, column, kind, is_by_bytes, comment in connection.execute(_COLUMNS, (schema,)):
        found.setdefault(table, {})[column] = FoundColumn(kind, is_by_bytes, comment)
    return found
