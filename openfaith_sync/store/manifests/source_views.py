"""Views of canonical tables in the shape of a source table, so that every entity is found in its adapter's schema.

A view shows the canonical column where an attribute fills one, and what lies in the custom fields where not. A
value there that is not of the attribute's type shows as null: one row's value never breaks the view.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.source_columns import COLUMN_TYPES, shape_of
from openfaith_sync.domain.record_tables import COMMON_COMMENTS, MAPPED_COMMON, ColumnType
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.catalogue import FoundColumn, Relation
from openfaith_sync.store.schema.changes import literal, quoted
from openfaith_sync.store.schema.physical_columns import CATALOGUE_TYPES, has_type

IDENTITY = ("id", "org_id", "external_id", "adapter", "type")
AFTER = ("status", "tags", "custom_fields", "created_at", "updated_at", "inactivated_at", "deleted_at", "synced_at")
STORED_AS = ("source_version", "content_hash", "is_loss")

VIEW_COST = "a view, which holds no rows: milliseconds"

_FROM_JSON: Mapping[ColumnType, str] = {
    ColumnType.TEXT: "sync.json_text({})",
    ColumnType.REFERENCE: "sync.json_text({})",
    ColumnType.BOOLEAN: "sync.json_boolean({})",
    ColumnType.INTEGER: "sync.json_bigint({})",
    ColumnType.BIGINT: "sync.json_bigint({})",
    ColumnType.FLOAT: "sync.json_float({})",
    ColumnType.DATE: "sync.json_date({})",
    ColumnType.TIMESTAMP: "sync.json_timestamp({})",
    ColumnType.LOCAL_TIMESTAMP: "sync.json_local_timestamp({})",
    ColumnType.JSON: "{}",
}
_COMMON = frozenset(column.name for column in MAPPED_COMMON)


class ViewColumn(NamedTuple):
    """One column of a view."""

    name: str
    value: str
    """The expression, of a row called ``held``."""
    type: ColumnType | None = None
    """``None`` for a common column, whose type never changes."""
    comment: str = ""
    reads: str = "custom_fields"
    """The column of the table that it shows something of."""


def view_columns(entity: Entity) -> tuple[ViewColumn, ...]:
    """Return the columns of an entity's view, in the order of a source table."""
    table = entity.record_table
    merged = ("merged_into_id",) if table.has_merges else ()
    return (
        *map(_common, IDENTITY),
        *_reference_columns(entity),
        *_attribute_columns(entity),
        *map(_common, (*merged, *AFTER, *STORED_AS)),
    )


def view_query(entity: Entity, columns: tuple[ViewColumn, ...]) -> str:
    """Return the query of an entity's view."""
    shown = ",\n  ".join(f"{column.value} AS {quoted(column.name)}" for column in columns)
    return f"SELECT {shown}\n{view_source(entity)}"


def view_source(entity: Entity) -> str:
    """Return what follows the columns in the query of an entity's view."""
    return (
        f"FROM {entity.record_table.quoted} held\n"
        f"WHERE held.adapter = {literal(entity.adapter)} AND held.type = {literal(entity.name)}"
    )


def custom_column(adapter: str, name: str, kind: ColumnType, comment: str) -> ViewColumn:
    """Return a column that shows the custom field of its name."""
    # An attribute whose name is taken has the adapter's name before its own already, as all custom fields have.
    key = name if name.startswith(f"{adapter}_") else f"{adapter}_{name}"
    return ViewColumn(name, _of_custom(key, kind), kind, comment)


def in_existing_order(
    columns: tuple[ViewColumn, ...], found: Mapping[str, FoundColumn]
) -> tuple[ViewColumn, ...] | None:
    """Return the columns with those of the existing view first, as they are; ``None`` if it has others.

    PostgreSQL replaces a view in place only if its columns stay and new ones come last.
    """
    wanted = {column.name: column for column in columns}
    for name, existing in found.items():
        column = wanted.get(name)
        if column is None or (column.type is not None and not has_type(existing, column.type)):
            return None
    return (*(wanted[name] for name in found), *(column for column in columns if column.name not in found))


def load_definition(connection: Connection, view: str) -> str:
    """Return a view's definition as the server writes it."""
    return str(fetch_one(connection, "SELECT pg_get_viewdef(to_regclass(%s))", (view,))[0])


def load_normalized(connection: Connection, query: str) -> str:
    """Return a query as the server would write it as a view's definition; nothing is left behind."""
    with connection.transaction(force_rollback=True):
        statement = f"CREATE TEMPORARY VIEW openfaith_asked AS {query}"
        connection.execute(statement.encode())
        return load_definition(connection, "pg_temp.openfaith_asked")


def promoted_columns(source: Relation, homes: Mapping[str, str], *, has_merges: bool) -> dict[str, str]:
    """Return the columns of a view that stands in for a source table whose rows went to a canonical table.

    Args:
        source: The source table as it is.
        homes: The canonical column of each source column that has one; the others are custom fields now.
        has_merges: Whether the canonical table's records can be merged.
    """
    common = {*IDENTITY, *AFTER, *STORED_AS}
    shown = {}
    for name, found in source.columns.items():
        if name in common:
            shown[name] = f"held.{quoted(name)}"
        elif name == "merged_into_id":
            shown[name] = f"held.{quoted(name)}" if has_merges else 'NULL::text COLLATE "C"'
        elif name in homes:
            shown[name] = f"held.{quoted(homes[name])}"
        else:
            kind = next(kind for kind in CATALOGUE_TYPES if has_type(found, kind))
            shown[name] = _of_custom(f"{source.schema}_{name}", kind)
    return shown


def _common(name: str) -> ViewColumn:
    return ViewColumn(name, f"held.{quoted(name)}", comment=COMMON_COMMENTS[name], reads=name)


def _reference_columns(entity: Entity) -> Iterator[ViewColumn]:
    shape = shape_of(entity, entity.adapter)
    for name, part in entity.relationships.items():
        # An id of ours cannot be made in SQL: a reference without a canonical column stays in the custom fields.
        if part.to is not None and name in shape.relationships:
            targets = " or ".join(dict.fromkeys(part.targets.values()))
            comment = f"{entity.resource}.{name}: our id of a {targets}."
            values = [_of_column(column, ColumnType.REFERENCE) for column in part.by_column]
            value = values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"
            yield ViewColumn(shape.relationships[name], value, ColumnType.REFERENCE, comment, part.to)


def _attribute_columns(entity: Entity) -> Iterator[ViewColumn]:
    shape = shape_of(entity, entity.adapter)
    for name, attribute in entity.attributes.items():
        shown, kind = shape.attributes[name], COLUMN_TYPES[attribute.type]
        if shown in _COMMON:
            continue
        comment = f"{entity.resource}.{name} ({attribute.type.value})."
        custom = f"{entity.adapter}_{name}"
        value = _of_column(attribute.to, kind) if attribute.to else _of_custom(custom, kind)
        yield ViewColumn(shown, value, kind, comment, attribute.to or "custom_fields")


def _of_column(column: str, kind: ColumnType) -> str:
    """Return a canonical column's value in the type that a source table would give it."""
    type_name, is_by_bytes = CATALOGUE_TYPES[kind]
    collation = ' COLLATE "C"' if is_by_bytes else ""
    return f"held.{quoted(column)}::{type_name}{collation}"


def _of_custom(key: str, kind: ColumnType) -> str:
    value = _FROM_JSON[kind].format(f"(held.custom_fields -> {literal(key)})")
    return f'{value} COLLATE "C"' if kind is ColumnType.REFERENCE else value
