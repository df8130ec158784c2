"""How a source table comes to be what the manifest says: only ever by adding to it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from sqlalchemy import Index, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn, CreateIndex, CreateTable

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.record_tables import STORE_COLUMNS, RecordTable
from openfaith_sync.store.schema.canonical_tables import build_table
from openfaith_sync.store.schema.catalogue import Relation
from openfaith_sync.store.schema.changes import LARGE_TABLE, SchemaChange, SchemaStatement, index_cost, literal, quoted
from openfaith_sync.store.schema.columns import metadata
from openfaith_sync.store.schema.physical_columns import CATALOGUE_TYPES, physical_table, superseded
from openfaith_sync.store.schema.row_level_security import policy_statements

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
ADDED = "adds an empty column without rewriting the table: milliseconds"


def table_changes(
    table: RecordTable, relation: Relation | None, owner: str, engine: str | None, today: date
) -> Iterator[SchemaChange]:
    """Yield what is missing of a source table.

    Args:
        table: The table as the manifest describes it.
        relation: The table as it is; ``None`` if there is none.
        owner: Who owns it, or will.
        engine: The role of the sessions that read and write one org's rows.
        today: When a column of another type takes the place of one.

    Raises:
        DefinitionError: What is there is no table of ours, or a column has no place.
    """
    name = f"{table.schema}.{table.name}"
    if relation is None:
        built = _built(table)
        made = [SchemaStatement(_text(CreateTable(built)).strip(), "creates an empty table: milliseconds")]
        made += [SchemaStatement(_text(CreateIndex(index))) for index in _indexes(built)]
        made += [
            SchemaStatement(statement) for statement in (*_comments(built, None), *_policies(built, owner, engine))
        ]
        yield SchemaChange(f"table {name}", tuple(made))
        return
    _require_ours(table, relation)
    placed = physical_table(table, relation.columns)
    built = _built(placed)
    made = [SchemaStatement(statement, ADDED) for statement in _added_columns(built, relation)]
    made += [
        SchemaStatement(f"COMMENT ON COLUMN {table.quoted}.{quoted(column)} IS {literal(said)}")
        for column, said in _superseded(table, placed, relation, today).items()
    ]
    made += [SchemaStatement(statement) for statement in _comments(built, relation)]
    if not (relation.has_policies and relation.is_granted):
        made += [SchemaStatement(statement) for statement in _policies(built, owner, engine)]
    missing = [index for index in _indexes(built) if _key(index) not in relation.indexed]
    at_once = [] if relation.rows >= LARGE_TABLE else missing
    made += [SchemaStatement(_text(CreateIndex(index)), index_cost(relation.rows)) for index in at_once]
    if made:
        yield SchemaChange(f"table {name}", tuple(made))
    later = [change for index in missing if index not in at_once for change in _later(index, relation)]
    if later:
        yield SchemaChange(f"index on {name}", tuple(later), is_concurrent=True)


def columns_to_be(table: RecordTable, relation: Relation | None, today: date) -> dict[str, str]:
    """Return all columns that a source table has or will have once it is changed, each with its comment."""
    if relation is None:
        return {column.name: column.comment or "" for column in _built(table).columns}
    placed = physical_table(table, relation.columns)
    are = {name: found.comment or "" for name, found in relation.columns.items()}
    will_be = {column.name: column.comment or "" for column in _built(placed).columns}
    return are | _superseded(table, placed, relation, today) | will_be


def comment_changes(
    name: str, kind: str, comment: str, columns: Mapping[str, str], relation: Relation | None
) -> Iterator[str]:
    """Yield the comments of a table or view, and of its columns, that differ from those that it has."""
    if comment and (relation is None or relation.comment != comment):
        yield f"COMMENT ON {kind} {name} IS {literal(comment)}"
    for column, said in columns.items():
        found = relation.columns.get(column) if relation is not None else None
        if said and (found is None or found.comment != said):
            yield f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(said)}"


def _built(table: RecordTable) -> Table:
    return build_table(table, MetaData(naming_convention=metadata.naming_convention))


def _require_ours(table: RecordTable, relation: Relation) -> None:
    name = f"{table.schema}.{table.name}"
    if not relation.is_table:
        raise DefinitionError(
            f"{name} is a view of a canonical table, and its entity no longer names that table; "
            "restore the key table in the manifest, or choose another name with the key plural"
        )
    if lacking := STORE_COLUMNS - {"merged_into_id"} - relation.columns.keys():
        raise DefinitionError(
            f"{name} exists and is not a table of ours: it has no column {min(lacking)}; "
            "move it to another schema, or choose another name with the key plural in the manifest"
        )


def _added_columns(built: Table, relation: Relation) -> Iterator[str]:
    for column in built.columns:
        if column.name not in relation.columns:
            yield f"ALTER TABLE {_named(built)} ADD COLUMN {_text(CreateColumn(column))}"


def _superseded(table: RecordTable, placed: RecordTable, relation: Relation, today: date) -> dict[str, str]:
    """Return the comments that say since when a column is no longer filled, and which one is."""
    comments = {}
    for was, now in superseded(table, placed):
        if now.name not in relation.columns:
            found, since = relation.columns[was.name], f"{now.name} ({CATALOGUE_TYPES[was.type][0]}) since."
            comments[was.name] = f"{found.comment or ''} Until {today.isoformat()}; {since}".strip()
    return comments


def _comments(built: Table, relation: Relation | None) -> Iterator[str]:
    columns = {column.name: column.comment or "" for column in built.columns}
    return comment_changes(_named(built), "TABLE", built.comment or "", columns, relation)


def _policies(built: Table, owner: str, engine: str | None) -> Iterable[str]:
    return policy_statements(_named(built), owner, engine)


def _indexes(built: Table) -> list[Index]:
    return sorted(built.indexes, key=_key)


def _key(index: Index) -> tuple[str, ...]:
    return tuple(column.name for column in index.columns)


def _later(index: Index, relation: Relation) -> Iterator[SchemaStatement]:
    """Yield an index without a lock on writers; what an interrupted attempt left is dropped first."""
    for left, key in relation.invalid_indexes.items():
        if key == _key(index):
            yield SchemaStatement(f"DROP INDEX CONCURRENTLY {quoted(relation.schema, left)}")
    made = _text(CreateIndex(index)).replace("INDEX", "INDEX CONCURRENTLY", 1)
    yield SchemaStatement(made, index_cost(relation.rows))


def _named(built: Table) -> str:
    return quoted(str(built.schema), built.name)


def _text(element: CreateTable | CreateColumn | CreateIndex) -> str:
    return str(element.compile(dialect=_DIALECT))
