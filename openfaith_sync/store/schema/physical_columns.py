"""Where a column's values lie: in the column of its name, or beside it if that one has another type.

A column is never dropped and never changes its type. When a source changes the type of an attribute, its new
values lie in ``<name>_as_<type>``. The rule reads the catalogue only, so that all workers, old and new, agree.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import SQL_TYPES, Column, ColumnType, RecordTable
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.catalogue import FoundColumn, load_columns

CATALOGUE_TYPES: Mapping[ColumnType, tuple[str, bool]] = {
    kind: (name, kind is ColumnType.REFERENCE) for kind, name in SQL_TYPES.items()
}
"""Each type as the catalogue writes it, and whether it sorts by its bytes."""
# Four letters at most: a name of 55 with "_as_" before them fills PostgreSQL's 63 bytes.
_SUFFIXES = {
    ColumnType.TEXT: "text",
    ColumnType.BOOLEAN: "bool",
    ColumnType.INTEGER: "int4",
    ColumnType.BIGINT: "int",
    ColumnType.FLOAT: "num",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "time",
    ColumnType.LOCAL_TIMESTAMP: "wall",
    ColumnType.JSON: "json",
    ColumnType.REFERENCE: "ref",
}


def has_type(found: FoundColumn, kind: ColumnType) -> bool:
    """Return whether an existing column has a type of ours."""
    return (found.type, found.is_by_bytes) == CATALOGUE_TYPES[kind]


def physical_table(table: RecordTable, found: Mapping[str, FoundColumn]) -> RecordTable:
    """Return a table with the names under which its columns lie, or will lie once they are added.

    Raises:
        DefinitionError: A column has no place, or would share one with another column.
    """
    own = tuple(replace(column, name=place_beside(column.name, column.type, found)) for column in table.own)
    names = {was.name: now.name for was, now in zip(table.own, own, strict=True)}
    for column in own:
        if (shared := [was for was, now in names.items() if now == column.name])[1:]:
            raise DefinitionError(
                f"{table.schema}.{table.name}: {shared[0]} and {shared[1]} would both lie in the column "
                f"{column.name}; give one of them another name with 'to' in the manifest"
            )
    return replace(table, own=own, indexed=tuple(names[name] for name in table.indexed))


def physical_manifest(connection: Connection, manifest: Manifest) -> Manifest:
    """Return an applied manifest whose source tables have the columns in which their values lie; one query.

    What was read once stays true: a column's place never changes once it is there.

    Raises:
        DefinitionError: A table lacks a column.
    """
    columns = load_columns(connection, manifest.adapter)
    renamed = {}
    for name, entity in manifest.entities.items():
        table = entity.record_table
        if table.is_canonical:
            continue
        found = columns.get(table.name, {})
        placed = physical_table(table, found)
        if missing := [column.name for column in placed.columns if column.name not in found]:
            raise DefinitionError(
                f"{table.schema}.{table.name} has no column {missing[0]} in this database; create it with: "
                "openfaith-sync manifest apply"
            )
        renamed[name] = {was.name: now.name for was, now in superseded(table, placed)}
    return manifest.with_renamed_columns(renamed)


def place_beside(name: str, kind: ColumnType, found: Mapping[str, FoundColumn]) -> str:
    """Return the name of the column for values of a type: its own, or one beside it if that has another type.

    Raises:
        DefinitionError: Both names have other types.
    """
    existing = found.get(name)
    if existing is None or has_type(existing, kind):
        return name
    beside = f"{name}_as_{_SUFFIXES[kind]}"
    other = found.get(beside)
    if other is not None and not has_type(other, kind):
        raise DefinitionError(
            f"{name} cannot be stored: {name} is {existing.type} and {beside} is {other.type}; "
            "give it another name with 'to' in the manifest"
        )
    return beside


def superseded(table: RecordTable, placed: RecordTable) -> Iterator[tuple[Column, Column]]:
    """Yield the columns that lie beside the one of their name: as declared, and as they lie."""
    for was, now in zip(table.own, placed.own, strict=True):
        if was.name != now.name:
            yield was, now
