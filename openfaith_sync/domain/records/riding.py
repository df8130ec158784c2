"""Riders: entities whose records come with the pages of others, and whose absence those never prove.

The record of a namer says which riders it has. Where it names those that are stored, nothing is asked; where it names
others, the list of their parent is read, and that is the proof.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.cadence_keys import NEVER
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import RecordTable

Entities: TypeAlias = Mapping[EntityName, Entity]
NO_ENTITIES: Entities = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Namer:
    """An entity whose records name the riders that they have."""

    entity: EntityName
    table: RecordTable
    key: str
    """The custom field with the riders' external ids: a list, or a single one."""
    is_list: bool
    place: str
    """The column of its row with the entity id of the riders' parent."""


@dataclass(frozen=True, slots=True)
class Riding:
    """Where the records are stored that name an entity's riders."""

    namers: tuple[Namer, ...]
    is_exclusive: bool
    """Whether a rider belongs to the one record whose list names it; others may be named by several records."""


def find_namers(entities: Entities, rider: EntityName) -> Iterator[tuple[EntityName, str]]:
    """Yield the entities that a rider comes with, each with the relationship that names it there.

    What comes with a rider is named by that rider: a refund names its parts, not the donation.
    """
    found: dict[tuple[EntityName, str], None] = {}
    for entity in entities.values():
        for path, child in entity.sideload.items():
            first, _, second = path.partition(".")
            owner = EntityName(entity.sideload.get(first, "")) if second else entity.name
            if child == rider and owner in entities:
                found[owner, second or first] = None
    yield from found


def naming_relationships(entities: Entities, entity: EntityName) -> frozenset[str]:
    """Return the relationships of an entity that name its riders. They are sent with every whole record."""
    return frozenset(
        name
        for rider in entities.values()
        if rides(rider)
        for owner, name in find_namers(entities, rider.name)
        if owner == entity
    )


def rides(entity: Entity) -> bool:
    """Return whether an entity's records come with others', and have no listing of their own."""
    return entity.nested is not None and entity.nested.rides


def comes_along(entities: Entities, entity: Entity) -> bool:
    """Return whether an entity is stored as it comes with others, and never asked for, nor found missing.

    Its cadence says so: neither changes, nor comparisons, nor everything. Categories and places are such.
    """
    cadence = entity.cadence
    is_never_asked = {cadence.delta, cadence.reconcile, cadence.full} == {NEVER}
    return entity.nested is None and is_never_asked and any(find_namers(entities, entity.name))


def riders_of(manifest: Manifest, entity: EntityName) -> tuple[EntityName, ...]:
    """Return the riders that come with an entity's pages, on both levels: all that have no listing of their own."""
    children = map(EntityName, manifest.entities[entity].sideload.values())
    parts = ((child, manifest.entities[child]) for child in children)
    return tuple(dict.fromkeys(child for child, part in parts if rides(part) or comes_along(manifest.entities, part)))


def find_carriers(manifest: Manifest, rider: EntityName) -> tuple[EntityName, ...]:
    """Return the entities whose pages bring a rider: its records cost no request of their own."""
    return tuple(name for name in manifest.entities if rider in riders_of(manifest, name))


def build_riding(manifest: Manifest, rider: Entity) -> Riding:
    """Return where the records are stored that name a rider.

    Raises:
        DefinitionError: Nothing brings the rider, or what names it does not say where to find its parent.
    """
    named = list(find_namers(manifest.entities, rider.name))
    namers = tuple(_build_namer(manifest, rider, owner, name) for owner, name in named)
    if not namers:
        raise DefinitionError(f"{rider.name}.nested.rides: expected an entity that sideloads it")
    is_exclusive = len(namers) == 1 and namers[0].entity == rider.parent and namers[0].is_list
    return Riding(namers, is_exclusive)


def _build_namer(manifest: Manifest, rider: Entity, owner: EntityName, name: str) -> Namer:
    entity = manifest.entities[owner]
    declared = entity.relationships.get(name)
    is_list = declared is None or declared.cardinality == "many"
    place = "id" if owner == rider.parent else _column_to(entity, rider)
    key = f"{manifest.adapter}_{name}_{'ids' if is_list else 'id'}"
    return Namer(owner, entity.record_table, key, is_list, place)


def _column_to(entity: Entity, rider: Entity) -> str:
    for part in entity.relationships.values():
        if part.cardinality == "one" and part.target == rider.parent and part.to is not None:
            return part.to
    raise DefinitionError(
        f"{rider.name} comes with {entity.name} and is nested under {rider.parent}: expected a relationship of "
        f"{entity.name} to {rider.parent}"
    )
