"""Give a source table's entity a canonical table: for migrations.

The rows keep their ids, so that every reference to them stays right. The next sync fills what the canonical table
has and the source table had not, since the manifest's fingerprint changes with its key ``table``.
"""

from collections.abc import Mapping

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.record_tables import STORE_COLUMNS, ColumnType, RecordTable
from openfaith_sync.store.manifests.source_views import promoted_columns
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.catalogue import Relation, load_relations
from openfaith_sync.store.schema.changes import literal, quoted
from openfaith_sync.store.schema.physical_columns import has_type
from openfaith_sync.store.schema.record_tables import EntityTable

MOST_BYTES = 63
"""Of a name in PostgreSQL."""

_REGISTERED = "SELECT table_schema, table_name, has_merges FROM sync.record_tables WHERE (adapter, entity) = (%s, %s)"
_REGISTER = """
UPDATE sync.record_tables SET table_schema = %s, table_name = %s, has_merges = %s WHERE (adapter, entity) = (%s, %s)
"""


def promote_table(
    connection: Connection,
    adapter: str,
    entity: str,
    canonical: RecordTable,
    columns: Mapping[str, str] | None = None,
) -> int:
    """Move an entity's rows from its source table to a canonical table, and return how many; one transaction.

    The source table stays as ``<name>_before_<canonical>``, and a view of the same shape takes its place. A value
    without a canonical column of its name and type goes to the custom fields.

    Args:
        connection: The owner's, that sees all orgs.
        adapter: The adapter.
        entity: Its entity, which has a source table.
        canonical: The canonical table, which exists.
        columns: The canonical columns of source columns that are called otherwise.

    Raises:
        DefinitionError: The entity has no source table, or its new name is taken.
    """
    with connection.transaction():
        row = connection.execute(_REGISTERED, (adapter, entity)).fetchone()
        table = EntityTable(*row) if row is not None else None
        relations = load_relations(connection, adapter)
        relation = relations.get(table.name) if table is not None else None
        if table is None or table.schema != adapter or relation is None or not relation.is_table:
            raise DefinitionError(f"{adapter}/{entity} has no source table that could be promoted")
        kept = f"{table.name}_before_{canonical.name}"[:MOST_BYTES]
        if kept in relations:
            raise DefinitionError(f"{adapter}.{kept} exists already; rename it first")
        connection.execute(f"LOCK TABLE {table.quoted} IN ACCESS EXCLUSIVE MODE".encode())
        moved = _copy(connection, adapter, relation, canonical, columns or {})
        _replace(connection, adapter, entity, relation, canonical, kept, columns or {})
        has_merges = canonical.has_merges
        connection.execute(_REGISTER, (canonical.schema, canonical.name, has_merges, adapter, entity))
        return moved


def _copy(
    connection: Connection, adapter: str, relation: Relation, canonical: RecordTable, columns: Mapping[str, str]
) -> int:
    homes = _homes(relation, canonical, columns)
    shared = sorted((STORE_COLUMNS - {"custom_fields"}) & relation.columns.keys())
    if not canonical.has_merges:
        shared = [name for name in shared if name != "merged_into_id"]
    common = ["status", "created_at", "updated_at", "inactivated_at"]
    into = [*shared, *common, *homes.values()]
    taken = [*shared, *common, *homes]
    rest = [name for name in _own(relation) if name not in homes]
    pairs = ", ".join(f"{literal(f'{adapter}_{name}')}, to_jsonb({quoted(name)})" for name in rest)
    custom = f"custom_fields || jsonb_strip_nulls(jsonb_build_object({pairs}))" if rest else "custom_fields"
    statement = (
        f"INSERT INTO {canonical.quoted} (custom_fields, {', '.join(map(quoted, into))}) "  # noqa: S608  names of ours
        f"SELECT {custom}, {', '.join(map(quoted, taken))} FROM {quoted(adapter, relation.name)} ON CONFLICT DO NOTHING"
    )
    return connection.execute(statement.encode()).rowcount


def _replace(
    connection: Connection,
    adapter: str,
    entity: str,
    relation: Relation,
    canonical: RecordTable,
    kept: str,
    columns: Mapping[str, str],
) -> None:
    """Rename the source table, and make the view in its place, with its owner and its comments."""
    name = quoted(adapter, relation.name)
    (owner,) = fetch_one(
        connection, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(%s)", (name,)
    )
    connection.execute(f"ALTER TABLE {name} RENAME TO {quoted(kept)}".encode())
    shown = promoted_columns(relation, _homes(relation, canonical, columns), has_merges=canonical.has_merges)
    values = ", ".join(f"{value} AS {quoted(column)}" for column, value in shown.items())
    connection.execute(
        f"CREATE VIEW {name} WITH (security_invoker = true) AS SELECT {values} "  # noqa: S608  as above
        f"FROM {canonical.quoted} held WHERE held.adapter = {literal(adapter)} AND held.type = {literal(entity)}".encode()
    )
    connection.execute(f"ALTER VIEW {name} OWNER TO {quoted(owner)}".encode())
    connection.execute(f"COMMENT ON VIEW {name} IS {literal(relation.comment or entity)}".encode())
    for column, found in relation.columns.items():
        if found.comment and column in shown:
            connection.execute(f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(found.comment)}".encode())


def _own(relation: Relation) -> list[str]:
    common = STORE_COLUMNS | {"status", "created_at", "updated_at", "inactivated_at"}
    return [name for name in relation.columns if name not in common]


def _homes(relation: Relation, canonical: RecordTable, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the canonical column of each source column that has one of its type."""
    types: dict[str, ColumnType] = {column.name: column.type for column in canonical.own}
    found = {}
    for name in _own(relation):
        home = columns.get(name, name)
        if home in types and has_type(relation.columns[name], types[home]):
            found[name] = home
    return found
