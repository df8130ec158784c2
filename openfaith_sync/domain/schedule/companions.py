"""Entities that a sync of others must include."""

from collections.abc import Iterable

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest


def with_companions(manifest: Manifest, entities: Iterable[EntityName]) -> list[EntityName]:
    """Return these entities with those that can only be synced after them.

    Those are nested ones at any depth, those whose lists a watched entity makes due, and sideloaded children.
    """
    chosen = set(entities)
    for entity in (manifest.entities[name] for name in manifest.graph.entities):
        watch = entity.nested.triggers.watch if entity.nested else None
        if entity.parent in chosen or watch in chosen:
            chosen.add(entity.name)
        if entity.name in chosen:
            sideloaded = (EntityName(child) for child in entity.sideload.values())
            chosen |= {child for child in sideloaded if manifest.entities[child].delta.by is not DeltaCapability.FILTER}
    return [entity for entity in manifest.entities if entity in chosen]
