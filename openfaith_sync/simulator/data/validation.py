"""Check that a requested change fits the entity and the live records."""

from collections.abc import Mapping
from typing import Any

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.population import PERSON_MERGER
from openfaith_sync.simulator.data.tables import Reference, Row, Table


def find_table(world: World, entity: str) -> Table:
    """Return the table of an entity.

    Raises:
        UsageError: No entity has that name.
    """
    if entity not in world.tables:
        raise UsageError(f"there is no entity {entity!r}; the known ones: {', '.join(world.tables)}")
    return world.tables[entity]


def find_row(world: World, entity: str, number: int) -> Row:
    """Return a live record.

    Raises:
        UsageError: There is no live record with that id.
    """
    row = find_table(world, entity).rows.get(number)
    if row is None:
        raise UsageError(f"there is no {entity} {number}")
    return row


def check_attributes(table: Table, attributes: dict[str, Any]) -> None:
    """Check that the entity has all of these attributes.

    Raises:
        UsageError: It lacks some; the message names them.
    """
    unknown = sorted(set(attributes) - set(table.position))
    if unknown:
        raise UsageError(f"{table.entity.name} has no attribute {', '.join(unknown)}")


def read_references(world: World, table: Table, relationships: dict[str, Any]) -> dict[str, Reference]:
    """Parse relationships as they were passed into references.

    Raises:
        UsageError: The entity lacks one of them, or a referenced record does not exist.
    """
    unknown = sorted(set(relationships) - set(table.link_position))
    if unknown:
        raise UsageError(f"{table.entity.name} has no relationship {', '.join(unknown)}")
    references = {name: _reference(value) for name, value in relationships.items()}
    for name, reference in references.items():
        target = table.entity.relationships[name].target
        # A merge references a person who no longer exists.
        if target in world.tables and table.entity.name != PERSON_MERGER:
            for number in reference if isinstance(reference, list) else [reference]:
                if number is not None:
                    find_row(world, target, int(number))
    return references


def check_needs(world: World, table: Table, references: dict[str, Reference]) -> None:
    """Check that a new record has every relationship it requires.

    Raises:
        UsageError: A relationship is missing, or an equal record exists already.
    """
    entity = table.entity
    for name, declared in entity.relationships.items():
        if declared.target in world.tables and references.get(name) is None and is_needed(table, name):
            raise UsageError(f"a new {entity.name} needs the relationship {name}")
    twin = find_twin(table, references)
    if twin is not None:
        raise UsageError(f"such a {entity.name} exists already: {twin}")


def find_twin(table: Table, references: Mapping[str, Reference]) -> int | None:
    """Return the record with the same references, for entities that allow only one."""
    nested = table.entity.nested
    parent = references.get(nested.under) if nested else None
    if nested is None or not isinstance(parent, int):
        return None
    for number in table.back[nested.under].get(parent, ()):
        if all(table.reference(table.rows[number], name) == references.get(name) for name in table.links):
            return number
    return None


def is_needed(table: Table, name: str) -> bool:
    """Return whether a table's records are deleted with what this relationship references.

    A record that only links two others is deleted with either of them, although it could be left with one.
    """
    return not table.entity.relationships[name].nullable or table.entity.nested is not None


def numbers(reference: Reference) -> list[int]:
    """Return the ids of a to-many reference."""
    return reference if isinstance(reference, list) else []


def _reference(value: Any) -> Reference:
    if isinstance(value, list):
        return [int(number) for number in value]
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int | str) else None
