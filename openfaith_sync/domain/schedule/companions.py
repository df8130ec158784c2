"""Entities that a sync of others must include."""

from collections.abc import Iterable

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.cadence_keys import parse_interval
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest


def with_companions(manifest: Manifest, entities: Iterable[EntityName]) -> list[EntityName]:
    """Return these entities with those that can only be synced after them.

    Those are nested ones at any depth, those whose lists a watched entity makes due, and sideloaded children. A nested
    entity that is checked less often than its parent waits for its own time.
    """
    chosen = set(entities)
    for entity in (manifest.entities[name] for name in manifest.graph.entities):
        watch = entity.nested.triggers.watch if entity.nested else None
        is_below = entity.parent in chosen and not _is_slower(
            entity, manifest.entities[EntityName(entity.parent or "")]
        )
        if is_below or watch in chosen:
            chosen.add(entity.name)
        if entity.name in chosen:
            sideloaded = (EntityName(child) for child in entity.sideload.values())
            chosen |= {child for child in sideloaded if manifest.entities[child].delta.by is not DeltaCapability.FILTER}
    return [entity for entity in manifest.entities if entity in chosen]


def _is_slower(entity: Entity, parent: Entity) -> bool:
    every, of_parent = parse_interval(entity.cadence.delta), parse_interval(parent.cadence.delta)
    return of_parent is not None and (every is None or every > of_parent)
