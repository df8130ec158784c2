"""Live views: the living rows of a table or view, under its name in the schema of its schema's live views.

A live view only ever gains columns, so that nothing that people build on it is in the way: a column that left the
manifest stays, and one of another type comes beside the old one, as in source tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.record_tables import SYNC_COLUMNS, ColumnType, RecordTable, live_schema
from openfaith_sync.store.manifests.source_views import (
    VIEW_COST,
    ViewColumn,
    custom_column,
    load_definition,
    load_normalized,
    view_columns,
    view_source,
)
from openfaith_sync.store.manifests.table_changes import columns_to_be, comment_changes
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.catalogue import FoundColumn, Relation
from openfaith_sync.store.schema.changes import SchemaChange, SchemaStatement, quoted
from openfaith_sync.store.schema.physical_columns import CATALOGUE_TYPES, has_type, place_beside


class LiveView(NamedTuple):
    """A live view as it shall be."""

    schema: str
    name: str
    columns: Sequence[ViewColumn]
    source: str
    """What follows its columns: FROM and WHERE."""
    comment: str
    lacks: frozenset[str] = frozenset()
    """Columns that the table is yet to be given."""

    @property
    def query(self) -> str:
        """Return its query."""
        shown = ",\n  ".join(f"{column.value} AS {quoted(column.name)}" for column in self.columns)
        return f"SELECT {shown}\n{self.source}"


def live_view_of_table(
    table: RecordTable, relation: Relation | None, live: Relation | None, hidden: frozenset[str], today: date
) -> LiveView:
    """Return the live view of a source table: all columns that the table has, or will have in a moment.

    Args:
        table: The table as the manifest describes it.
        relation: The table as it is; ``None`` if there is none.
        live: The live view as it is.
        hidden: The columns that it does not show.
        today: When a column of another type takes the place of one.
    """
    said = columns_to_be(table, relation, today)
    columns = [
        ViewColumn(name, f"held.{quoted(name)}", comment=comment, reads=name)
        for name, comment in said.items()
        if name not in SYNC_COLUMNS
    ]
    found = relation.columns if relation is not None else {}
    return LiveView(
        live_schema(table.schema),
        table.name,
        _ordered(_shown(columns, hidden, live), live),
        f"FROM {table.quoted} held\nWHERE {living(has_merges='merged_into_id' in said)}",
        f"{table.comment} Living rows of {table.schema}.{table.name}.".strip(),
        frozenset(said.keys() - found.keys()),
    )


def live_view_of_entity(entity: Entity, live: Relation | None, hidden: frozenset[str]) -> LiveView:
    """Return the live view of an entity that fills a canonical table, in the shape of a source table.

    Args:
        entity: The entity.
        live: The live view as it is; ``None`` if there is none.
        hidden: The columns of the table of which it shows nothing.
    """
    found = live.columns if live is not None else {}
    wanted = [_placed(column, found) for column in view_columns(entity) if column.name not in SYNC_COLUMNS]
    names = {column.name for column in wanted}
    left = [_left(entity.adapter, name, column) for name, column in found.items() if name not in names]
    return LiveView(
        live_schema(entity.adapter),
        entity.source_name,
        _ordered(_shown([*wanted, *left], hidden, live), live),
        f"{view_source(entity)} AND {living(has_merges=entity.record_table.has_merges)}",
        f"{entity.description} Living rows of {entity.adapter}.{entity.source_name}.",
    )


def with_live_view(
    connection: Connection, changes: Sequence[SchemaChange], view: LiveView, live: Relation | None, engine: str | None
) -> Sequence[SchemaChange]:
    """Return the changes of a table with those of its live view, which are made in the same transaction.

    Args:
        connection: The database.
        changes: What makes the table; a view of a canonical table has none here.
        view: The live view as it shall be.
        live: The live view as it is; ``None`` if there is none.
        engine: The role of the sessions that read and write one org's rows.
    """
    made = tuple(_changes(connection, view, live, engine))
    if not made:
        return changes
    if changes and not changes[0].is_concurrent:
        return (replace(changes[0], made=changes[0].made + made), *changes[1:])
    return (SchemaChange(f"view {view.schema}.{view.name}", made), *changes)


def _changes(
    connection: Connection, view: LiveView, live: Relation | None, engine: str | None
) -> Iterator[SchemaStatement]:
    name = quoted(view.schema, view.name)
    if live is None or view.lacks or load_normalized(connection, view.query) != load_definition(connection, name):
        made = f"CREATE OR REPLACE VIEW {name} WITH (security_invoker = true) AS\n{view.query}"
        yield SchemaStatement(made, VIEW_COST)
    said = {column.name: column.comment for column in view.columns}
    for statement in comment_changes(name, "VIEW", view.comment, said, live):
        yield SchemaStatement(statement)
    if engine is not None and (live is None or not live.is_granted):
        yield SchemaStatement(f"GRANT SELECT ON {name} TO {quoted(engine)}")


def _shown(columns: Sequence[ViewColumn], hidden: frozenset[str], live: Relation | None) -> list[ViewColumn]:
    """Return the columns without what is hidden; one that was shown before stays, without its values.

    A view reads with the rights of whoever asks. If it named a column that is hidden from somebody, that person
    could read none of its columns.
    """
    found = live.columns if live is not None else {}
    shown = []
    for column in columns:
        if column.reads not in hidden:
            shown.append(column)
        elif column.name in found:
            existing = found[column.name]
            value = f"NULL::{existing.type}" + (' COLLATE "C"' if existing.is_by_bytes else "")
            shown.append(column._replace(value=value))
    return shown


def living(*, has_merges: bool) -> str:
    """Return the condition for a living row of a table."""
    return "held.deleted_at IS NULL" + (" AND held.merged_into_id IS NULL" if has_merges else "")


def _ordered(columns: Sequence[ViewColumn], live: Relation | None) -> Sequence[ViewColumn]:
    """Return the columns with those of the existing view first, as PostgreSQL demands of a view that is replaced."""
    places = {name: place for place, name in enumerate(live.columns)} if live is not None else {}
    return sorted(columns, key=lambda column: places.get(column.name, len(places)))


def _placed(column: ViewColumn, found: Mapping[str, FoundColumn]) -> ViewColumn:
    """Return a column under the name that is free for its type."""
    if column.type is None:
        return column
    return column._replace(name=place_beside(column.name, column.type, found))


def _left(adapter: str, name: str, found: FoundColumn) -> ViewColumn:
    """Return a column that left the manifest: its values, if the source still sends them, are custom fields now."""
    kind = next(kind for kind in CATALOGUE_TYPES if has_type(found, kind))
    if kind is ColumnType.REFERENCE:
        # What the custom fields keep of it is the source's id, and not ours.
        return ViewColumn(name, 'NULL::text COLLATE "C"', kind, found.comment or "")
    return custom_column(adapter, name, kind, found.comment or "")
