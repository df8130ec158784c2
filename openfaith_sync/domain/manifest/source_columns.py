"""The shape of an entity as its source has it: a table's name, and a column for each attribute and reference.

An entity without a canonical table has a source table of this shape; one with a canonical table, a view.
"""

from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType, Parse, Relationship
from openfaith_sync.domain.manifest.entity_keys import EntityKeys
from openfaith_sync.domain.manifest.privacy import belongs, granted_entity_problems, sensitivity_of
from openfaith_sync.domain.manifest.problem import Key, ManifestProblem
from openfaith_sync.domain.record_tables import (
    MAPPED_COMMON,
    NAME,
    RESERVED_COLUMNS,
    STORE_COLUMNS,
    Column,
    ColumnType,
    RecordTable,
)
from openfaith_sync.domain.sensitivity import Sensitivity

COLUMN_TYPES: Mapping[AttributeType, ColumnType] = {
    AttributeType.STRING: ColumnType.TEXT,
    AttributeType.PRIMARY_KEY: ColumnType.TEXT,
    AttributeType.BOOLEAN: ColumnType.BOOLEAN,
    AttributeType.INTEGER: ColumnType.BIGINT,
    AttributeType.FLOAT: ColumnType.FLOAT,
    AttributeType.DATE: ColumnType.DATE,
    AttributeType.DATE_TIME: ColumnType.TIMESTAMP,
    AttributeType.LOCAL_DATE_TIME: ColumnType.LOCAL_TIMESTAMP,
    AttributeType.CURRENCY: ColumnType.TEXT,
    AttributeType.ARRAY: ColumnType.JSON,
    AttributeType.JSON: ColumnType.JSON,
}
_COMMON = {column.name: column.type for column in MAPPED_COMMON}
_OF_THE_SAME_NAME = ("created_at", "updated_at")
_RESERVED_NAMES = "a name that is not one of the common columns"


class Shape(NamedTuple):
    """The columns of an entity, by attribute and by relationship."""

    attributes: Mapping[str, str]
    relationships: Mapping[str, str]
    """To-one relationships only."""


def plural_of(name: str) -> str:
    """Return the plural of an English noun, by the simple rules; a manifest's ``plural`` knows better."""
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    return f"{name}s"


def table_name(entity: EntityKeys, name: str) -> str:
    """Return the name of an entity's table or view in the schema of its adapter."""
    return entity.plural or entity.table or plural_of(name)


def shape_of(entity: EntityKeys, adapter: str) -> Shape:
    """Return the columns of an entity as a source table names them, whatever canonical columns it fills.

    An attribute that is called like a common column, or like the column of a reference, has the adapter's
    name before its own.
    """
    ones = [name for name, part in entity.relationships.items() if part.cardinality == "one"]
    relationships = {name: _prefixed(f"{name}_id", adapter, RESERVED_COLUMNS) for name in ones}
    taken = RESERVED_COLUMNS | {f"{name}_id" for name in ones}
    attributes = {
        name: _common_of(name, part) or _prefixed(name, adapter, taken) for name, part in entity.attributes.items()
    }
    return Shape(attributes, relationships)


def with_columns(
    entity: EntityKeys, adapter: str, known: Container[str]
) -> tuple[dict[str, Attribute], dict[str, Relationship]]:
    """Return an entity's attributes and relationships, each with its column if the entity has a source table.

    A reference to an entity outside ``known`` has a column only if the manifest names one: we could not say
    what its ids mean.
    """
    if entity.table is not None:
        return entity.attributes, entity.relationships
    shape = shape_of(entity, adapter)
    attributes = {
        name: part if part.to else part.model_copy(update={"to": shape.attributes[name]})
        for name, part in entity.attributes.items()
    }
    relationships = {
        name: part.model_copy(update={"to": shape.relationships[name]})
        if part.to is None and name in shape.relationships and any(to in known for to in part.targets.values())
        else part
        for name, part in entity.relationships.items()
    }
    return attributes, relationships


def source_table(entity: EntityKeys, name: str, adapter: str, *, has_merges: bool, comment: str) -> RecordTable:
    """Return the source table of an entity whose attributes and relationships all have their columns."""
    references = [part.to for part in entity.relationships.values() if part.to]
    own = (*_reference_columns(entity), *_value_columns(entity))
    return RecordTable(
        table_name(entity, name), own, tuple(references), has_merges, adapter, entity.sensitivity, comment
    )


def source_problems(entity: EntityKeys, adapter: str, name: str) -> Iterator[ManifestProblem]:
    """Yield why an entity's source table, or its view, cannot be made."""
    yield from granted_entity_problems(entity)
    if not NAME.fullmatch(table_name(entity, name)):
        yield ManifestProblem(("plural",), f"a shorter name than {table_name(entity, name)}: {NAME.pattern}")
    shape = shape_of(entity, adapter)
    is_source = entity.table is None
    filled: dict[str, Key] = {}
    for key, column in _filled_columns(entity, shape, is_source=is_source):
        if column in STORE_COLUMNS:
            yield ManifestProblem(key, _RESERVED_NAMES, repr(column))
        elif not NAME.fullmatch(column):
            yield ManifestProblem(key, f"a column's name of its own that matches {NAME.pattern}", repr(column))
        elif column in filled:
            expected = f"another column's name: {'.'.join(filled[column])} already has this one"
            yield ManifestProblem(key, expected, repr(column))
        filled[column] = key


def _filled_columns(entity: EntityKeys, shape: Shape, *, is_source: bool) -> Iterator[tuple[Key, str]]:
    for name, part in entity.attributes.items():
        yield ("attributes", name, "to"), (is_source and part.to) or shape.attributes[name]
        if is_source and part.extension:
            yield ("attributes", name, "extension"), part.extension
    for name, column in shape.relationships.items():
        yield ("relationships", name, "to"), (is_source and entity.relationships[name].to) or column


def _common_of(name: str, attribute: Attribute) -> str | None:
    """Return the common column that an attribute fills without being told."""
    if attribute.parse is Parse.STATUS:
        return "status"
    is_time = attribute.type is AttributeType.DATE_TIME
    return name if is_time and name in _OF_THE_SAME_NAME else None


def _prefixed(name: str, adapter: str, taken: Container[str]) -> str:
    return f"{adapter}_{name}" if name in taken else name


def _value_columns(entity: EntityKeys) -> Iterator[Column]:
    for name, attribute in entity.attributes.items():
        described = f"{entity.resource}.{name} ({attribute.type.value})."
        if attribute.to is not None and attribute.to not in _COMMON:
            sensitivity = sensitivity_of(entity, name)
            yield Column(attribute.to, COLUMN_TYPES[attribute.type], sensitivity, comment=described)
        if attribute.extension:
            described = f"The extension in {entity.resource}.{name}."
            yield Column(attribute.extension, sensitivity=sensitivity_of(entity, name), comment=described)


def _reference_columns(entity: EntityKeys) -> Iterator[Column]:
    # An id says nothing of a person by itself, but that somebody has a background check does.
    is_hidden = entity.sensitivity is Sensitivity.SENSITIVE
    sensitivity = Sensitivity.SENSITIVE if is_hidden else Sensitivity.PUBLIC
    for name, part in entity.relationships.items():
        if part.to:
            described = f"{entity.resource}.{name}: our id of a {' or '.join(dict.fromkeys(part.targets.values()))}."
            yield Column(part.to, ColumnType.REFERENCE, sensitivity, belongs(name, part), comment=described)
