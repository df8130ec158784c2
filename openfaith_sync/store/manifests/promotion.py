"""Move a source table's entity to a canonical table: for migrations.

The rows keep their ids, so that every reference to them stays right. The next sync fills what the canonical table
has and the source table had not, since the manifest's fingerprint changes with its key ``table``.
"""

from collections.abc import Iterable, Iterator, Mapping

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.record_tables import MAPPED_COMMON, STORE_COLUMNS, ColumnType, RecordTable, live_schema
from openfaith_sync.store.manifests.live_views import living
from openfaith_sync.store.manifests.source_views import promoted_columns
from openfaith_sync.store.manifests.table_changes import comment_changes
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.catalogue import Relation, load_relations
from openfaith_sync.store.schema.changes import literal, quoted
from openfaith_sync.store.schema.physical_columns import has_type
from openfaith_sync.store.schema.record_tables import EntityTable

MOST_BYTES = 63
"""Of a name in PostgreSQL."""

PAIRS_AT_ONCE = 40

_OWNER = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass(%s)"
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
        homes = _homes(relation, canonical, columns or {})
        lock, copy = f"LOCK TABLE {table.quoted} IN ACCESS EXCLUSIVE MODE", _copy(relation, canonical, homes)
        connection.execute(lock.encode())
        moved = connection.execute(copy.encode()).rowcount
        (owner,) = fetch_one(connection, _OWNER, (table.quoted,))
        live = load_relations(connection, live_schema(adapter)).get(table.name)
        for statement in _replacement(relation, live, entity, canonical, kept, homes, owner):
            connection.execute(statement.encode())
        new = (canonical.schema, canonical.name, canonical.has_merges)
        connection.execute(_REGISTER, (*new, adapter, entity))
        return moved


def _copy(relation: Relation, canonical: RecordTable, homes: Mapping[str, str]) -> str:
    """Return the statement that copies the rows; what is there already stays."""
    shared = sorted((STORE_COLUMNS - {"custom_fields", "merged_into_id"}) & relation.columns.keys())
    if canonical.has_merges and "merged_into_id" in relation.columns:
        shared.append("merged_into_id")
    common = [column.name for column in MAPPED_COMMON]
    into, taken = [*shared, *common, *homes.values()], [*shared, *common, *homes]
    rest = [name for name in _own(relation) if name not in homes]
    custom = "custom_fields"
    # A function takes at most 100 arguments.
    for place in range(0, len(rest), PAIRS_AT_ONCE):
        some = rest[place : place + PAIRS_AT_ONCE]
        pairs = ", ".join(f"{literal(f'{relation.schema}_{name}')}, to_jsonb({quoted(name)})" for name in some)
        custom += f" || jsonb_strip_nulls(jsonb_build_object({pairs}))"
    return (
        f"INSERT INTO {canonical.quoted} (custom_fields, {', '.join(map(quoted, into))}) "  # noqa: S608  names of ours
        f"SELECT {custom}, {', '.join(map(quoted, taken))} FROM {quoted(relation.schema, relation.name)} "
        "ON CONFLICT DO NOTHING"
    )


def _replacement(
    relation: Relation,
    live: Relation | None,
    entity: str,
    canonical: RecordTable,
    kept: str,
    homes: Mapping[str, str],
    owner: str,
) -> Iterator[str]:
    """Yield how the source table is renamed and a view made in its place, and how its live view reads the new rows."""
    name = quoted(relation.schema, relation.name)
    yield f"ALTER TABLE {name} RENAME TO {quoted(kept)}"
    shown = promoted_columns(relation, homes, has_merges=canonical.has_merges)
    source = f"FROM {canonical.quoted} held WHERE held.adapter = {literal(relation.schema)} AND held.type = "
    source += literal(entity)
    yield f"CREATE VIEW {name} WITH (security_invoker = true) AS SELECT {_values(shown, shown)} {source}"
    yield f"ALTER VIEW {name} OWNER TO {quoted(owner)}"
    comments = {column: found.comment or "" for column, found in relation.columns.items() if column in shown}
    yield from comment_changes(name, "VIEW", relation.comment or "", comments, None)
    if live is not None:
        yield (
            f"CREATE OR REPLACE VIEW {quoted(live.schema, live.name)} WITH (security_invoker = true) AS "
            f"SELECT {_values(shown, live.columns)} {source} AND {living(has_merges=canonical.has_merges)}"
        )


def _values(shown: Mapping[str, str], names: Iterable[str]) -> str:
    return ", ".join(f"{shown[name]} AS {quoted(name)}" for name in names)


def _own(relation: Relation) -> list[str]:
    common = STORE_COLUMNS | {column.name for column in MAPPED_COMMON}
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
