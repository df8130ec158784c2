"""What a change to one record changes in the same record and in related ones."""

from collections.abc import Iterator
from typing import Any

from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.tables import Reference, Row, Table

# A person is stamped for a change to a contact, and for nothing else (docs/pco.md 5.3): neither a note nor a field.
_STAMPING = frozenset({"address", "email", "phone_number", "social_profile"})
_NAME_PARTS = {"first_name", "last_name", "nickname"}


def first_values(table: Table, now: str) -> dict[str, Any]:
    """Return the initial values of a new record: booleans are false, counts are zero."""
    attributes = table.entity.attributes
    values: dict[str, Any] = {n: False for n, a in attributes.items() if a.type is AttributeType.BOOLEAN}
    values |= {n: 0 for n, a in attributes.items() if a.type is AttributeType.INTEGER and n.endswith("_count")}
    values |= {n: now for n in ("created_at", "updated_at", "joined_at") if n in attributes}
    if {"inactivated_at", "status"} <= attributes.keys():
        values["status"] = "active"
    if {"joined_at", "role"} <= attributes.keys():
        values["role"] = "member"
    return values


def repeated_values(world: World, table: Table, references: dict[str, Reference]) -> dict[str, Any]:
    """Return the attributes that repeat what relationships already state."""
    repeated: dict[str, Any] = {}
    for name, reference in references.items():
        if isinstance(reference, list):
            repeated |= {"member_count": len(reference)} if name == "people" else {}
            continue
        number = table.entity.attributes.get(f"{name}_id")
        is_number = number is not None and number.wire == "number"
        repeated[f"{name}_id"] = reference if reference is None or is_number else str(reference)
        repeated[f"{name}_name"] = _name_of(world, table.entity.relationships[name].target, reference)
    return {name: value for name, value in repeated.items() if name in table.position}


def composed_name(table: Table, row: Row, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the full name after one of its parts has changed; nothing if none has."""
    if not table.position.keys() >= _NAME_PARTS or not _NAME_PARTS & attributes.keys() or "name" in attributes:
        return {}
    parts = [table.value(row, "nickname") or table.value(row, "first_name"), table.value(row, "last_name")]
    return {"name": " ".join(str(part) for part in parts if part)}


def demote_others(table: Table, row: Row) -> None:
    """Clear the primary flag of the owner's other records; the source does not stamp them for it."""
    for name, declared in table.entity.relationships.items():
        owner = table.reference(row, name)
        if declared.nullable or not isinstance(owner, int):
            continue
        for other in list(table.back[name][owner]):
            if other != row.id and table.value(table.rows[other], "primary"):
                table.change(table.rows[other], {"primary": False}, {})


def owners(world: World, table: Table, row: Row) -> Iterator[tuple[Table, Row]]:
    """Yield the records that are stamped when this record changes."""
    for name, declared in table.entity.relationships.items() if table.entity.name in _STAMPING else ():
        owner = table.reference(row, name)
        if not declared.nullable and declared.target in world.tables and isinstance(owner, int):
            others = world.tables[declared.target]
            if owner in others.rows:
                yield others, others.rows[owner]


def _name_of(world: World, entity: str, reference: Reference) -> Any:
    target = world.tables.get(entity)
    row = target.rows.get(reference) if target and isinstance(reference, int) else None
    return target.value(row, "name") if target and row else None
