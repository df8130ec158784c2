"""What a manifest says of privacy: how sensitive each attribute is, and what is erased with what."""

from collections.abc import Iterator

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.manifest.attribute import Attribute, Relationship
from openfaith_sync.domain.manifest.entity_keys import EntityKeys
from openfaith_sync.domain.manifest.problem import ManifestProblem
from openfaith_sync.domain.record_tables import MAPPED_COMMON, STORE_COLUMNS, Column, RecordTable
from openfaith_sync.domain.sensitivity import Sensitivity, strictest

_COMMON = {column.name: column for column in MAPPED_COMMON}


def sensitivity_of(entity: EntityKeys, attribute: str) -> Sensitivity:
    """Return how sensitive an attribute is: as it says, or as its canonical column, or as the entity.

    An attribute that the manifest does not name is personal at least. In a sensitive entity, every one is sensitive.
    """
    if entity.sensitivity is Sensitivity.SENSITIVE:
        return entity.sensitivity
    part = entity.attributes.get(attribute)
    if part is None:
        return strictest((entity.sensitivity, Sensitivity.PERSONAL))
    column = _column_of(entity, part)
    return part.sensitivity or (entity.sensitivity if column is None else column.sensitivity)


def sensitivity_of_custom_fields(entity: EntityKeys) -> Sensitivity:
    """Return how sensitive the custom fields are: as the attributes without a column, and personal at least."""
    kept = [sensitivity_of(entity, name) for name, part in entity.attributes.items() if part.to is None]
    return strictest((entity.sensitivity, Sensitivity.PERSONAL, *kept))


def column_sensitivities(entity: EntityKeys, table: RecordTable) -> dict[str, Sensitivity]:
    """Return how sensitive each column of an entity's table is, those of the store included."""
    usual = Sensitivity.PUBLIC if entity.sensitivity.is_granted else Sensitivity.SENSITIVE
    found = dict.fromkeys(STORE_COLUMNS, usual) | {
        column.name: strictest((usual, column.sensitivity)) for column in table.columns
    }
    return found | {
        "tags": strictest((usual, Sensitivity.PERSONAL)),
        "custom_fields": sensitivity_of_custom_fields(entity),
    }


def belongs(name: str, relationship: Relationship) -> bool:
    """Return whether a record belongs to what a relationship of it refers to."""
    if relationship.belongs is not None:
        return relationship.belongs
    return relationship.cardinality == "one" and (not relationship.nullable or name == relationship.target)


def privacy_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    """Yield the contradictions in what an entity says of privacy."""
    table = CANONICAL_TABLES.get(entity.table or "")
    if table is not None and table.sensitivity.is_granted and not entity.sensitivity.is_granted:
        expected = f"no key 'table', since {table.name} is granted to readers"
        yield ManifestProblem(("sensitivity",), expected, repr(entity.sensitivity.value))
    for name, part in entity.attributes.items():
        column = _column_of(entity, part)
        stated = part.sensitivity
        if column and stated and strictest((stated, column.sensitivity)) is not column.sensitivity:
            expected = f"{column.sensitivity.value}, as the column {column.name}; without 'to', it has none"
            yield ManifestProblem(("attributes", name, "sensitivity"), expected, repr(stated.value))
        described = entity.relationships.get(part.describes or "")
        is_one = described is not None and described.cardinality == "one"
        if part.describes is not None and not (is_one and described and (described.to or table is None)):
            expected = "a to-one relationship of this entity that fills a column"
            yield ManifestProblem(("attributes", name, "describes"), expected, repr(part.describes))


def granted_entity_problems(entity: EntityKeys) -> Iterator[ManifestProblem]:
    """Yield why an entity must be sensitive; only the reader asks, since a dumped entity has no privacy keys."""
    table = CANONICAL_TABLES.get(entity.table or "")
    if table is not None and not table.sensitivity.is_granted and entity.sensitivity.is_granted:
        expected = f"sensitive, since {table.name} is"
        yield ManifestProblem(("sensitivity",), expected, repr(entity.sensitivity.value))


def _column_of(entity: EntityKeys, part: Attribute) -> Column | None:
    """Return the designed column that an attribute fills: one of a canonical table, or one that all tables have."""
    if part.to is None:
        return None
    table = CANONICAL_TABLES.get(entity.table or "")
    columns = _COMMON if table is None else {column.name: column for column in table.columns}
    return columns.get(part.to)
