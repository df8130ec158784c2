"""Check that a requested change fits the entity and the live records."""

from collections.abc import Mapping
from typing import Any

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.tables import Reference, Row, Table
from openfaith_sync.simulator.data.unmodelled_resources import PERSON_MERGER


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
    references = {name: _reference(world, table, name, value) for name, value in relationships.items()}
    for name, reference in references.items():
        target = table.entity.relationships[name].target
        # A merge references a person who no longer exists.
        if target in world.tables and table.entity.name != PERSON_MERGER:
            for number in reference if isinstance(reference, list) else [reference]:
                if number is not None and not _is_of_another(world, table, name, number):
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
    if nested is None or not isinstance(parent, int) or not links_two(table):
        return None
    for number in table.back[nested.under].get(parent, ()):
        if all(table.reference(table.rows[number], name) == references.get(name) for name in table.links):
            return number
    return None


def is_needed(table: Table, name: str) -> bool:
    """Return whether a table's records are deleted with what this relationship references.

    A record that only links two others is deleted with either of them, although it could be left with one.
    """
    nested = table.entity.nested
    is_nested = nested is not None and (name == nested.under or links_two(table))
    return is_nested or not table.entity.relationships[name].nullable


def links_two(table: Table) -> bool:
    """Return whether the records of a table only link a person to what they are listed below."""
    nested, declared = table.entity.nested, table.entity.relationships
    others = [name for name in declared if nested and name != nested.under]
    return len(others) == 1 and (declared[others[0]].target == "person" or (nested and nested.member) == others[0])


def numbers(reference: Reference) -> list[int]:
    """Return the ids of a to-many reference."""
    return reference if isinstance(reference, list) else []


def _is_of_another(world: World, table: Table, name: str, number: int | str) -> bool:
    """Return whether a reference of several possible targets leads to a record of another than the first."""
    others = [
        world.tables[entity] for entity in table.entity.relationships[name].others.values() if entity in world.tables
    ]
    return any(other.find(str(number)) is not None for other in others)


def _reference(world: World, table: Table, name: str, value: Any) -> Reference:
    if isinstance(value, list):
        return [int(number) for number in value]
    target = world.tables.get(table.entity.relationships[name].target)
    named = target.find(value) if target and isinstance(value, str) else None
    if named is not None:
        return named.id
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int | str) else None
