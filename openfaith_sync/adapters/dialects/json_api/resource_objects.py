"""Reads JSON:API resource objects as raw records; a damaged object affects only its own record."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from openfaith_sync.adapters.dialects.pages.rows import (
    WITHHELD,
    parse_identity,
    unidentified_record,
    without_dropped,
)
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.mapping.parsing import json_type
from openfaith_sync.domain.records.record import Damage, JsonObject, RawRecord, Reference


class ResourceShape(NamedTuple):
    """What the resource objects of an entity are in one response."""

    resource: str | None = None
    """Their type; ``None`` for any."""
    drop: frozenset[str] = frozenset()
    """Attributes that neither the record nor its body contains."""
    needs_attributes: bool = True
    """Whether an object without attributes is damaged: storing a stub would empty every column."""
    unasked: frozenset[str] = frozenset()
    """Relationships that were not included: none of them is read as unset or empty."""
    ignored: frozenset[str] = frozenset()
    """Relationships that say nothing of the record."""


ANY = ResourceShape()


def read_resource(found: object, shape: ResourceShape = ANY) -> RawRecord:
    """Return the record of a resource object, marked as damaged if it is malformed or of another type.

    An object without a usable id gets one derived from its content, so that it is recognised the next time.
    """
    if not isinstance(found, dict):
        is_withheld = bool(shape.drop)
        return unidentified_record(found, "record", found, "expected a resource object", is_withheld=is_withheld)
    is_bare = not found.get("attributes")
    if shape.drop:
        found = without_dropped_attributes(found, shape.drop)
    named = found.get("relationships")
    # Few records have any of these, and this is done for every record.
    if type(named) is dict and not (shape.unasked.isdisjoint(named) and shape.ignored.isdisjoint(named)):
        found = _without_unsaid(found, named, shape)
    external_id, kind, resource = parse_identity(found.get("id")), found.get("type"), shape.resource
    if external_id is None:
        return unidentified_record(
            found, "id", found.get("id"), "expected an id, as text or number", found.get("attributes")
        )
    if type(kind) is not str or (resource is not None and kind != resource and kind.lower() != resource.lower()):
        reason = f"expected the type {resource}" if resource else "expected a type"
        return unidentified_record(found, "type", kind, reason, found.get("attributes"))
    # An empty object may arrive as an empty list, as PHP serialises it.
    attributes, relationships = found.get("attributes") or {}, found.get("relationships") or {}
    if not (isinstance(attributes, dict) and isinstance(relationships, dict)):
        name, part = ("relationships", relationships) if isinstance(attributes, dict) else ("attributes", attributes)
        return RawRecord(external_id, {}, {}, found, damage=Damage(name, json_type(part), "expected an object"))
    if shape.needs_attributes and is_bare:
        return RawRecord(external_id, {}, {}, found, damage=Damage("attributes", "nothing", "expected attributes"))
    return _read_related(external_id, attributes, relationships, found)


def without_dropped_attributes(found: Mapping[str, Any], drop: Collection[str]) -> dict[str, Any]:
    """Return a resource object without the attributes that are never kept, whatever stands in their place."""
    attributes = found.get("attributes")
    if isinstance(attributes, dict):
        return {**found, "attributes": without_dropped(attributes, drop)}
    return {**found, "attributes": [WITHHELD]} if attributes else dict(found)


def _without_unsaid(found: dict[str, Any], relationships: Mapping[str, Any], shape: ResourceShape) -> dict[str, Any]:
    """Return a resource object without the relationships that its response says nothing about."""
    unsaid = {
        name
        for name, part in relationships.items()
        if name in shape.ignored
        or (name in shape.unasked and isinstance(part, dict) and part.get("data", part) in (None, []))
    }
    if not unsaid:
        return found
    return {**found, "relationships": {name: part for name, part in relationships.items() if name not in unsaid}}


def _read_related(
    external_id: ExternalId, attributes: JsonObject, relationships: Mapping[str, Any], body: JsonObject
) -> RawRecord:
    references: dict[str, Reference | None] = {}
    members: dict[str, tuple[Reference, ...]] = {}
    oddities: dict[str, object] = {}
    for name, relationship in relationships.items():
        if not isinstance(relationship, dict):
            oddities[name] = relationship
            continue
        target = relationship.get("data", relationships)
        if target is relationships:
            # Only links: the source did not state the target.
            continue
        if target is None:
            references[name] = None
        elif (reference := _parse_reference(target)) is not None:
            references[name] = reference
        elif type(target) is list and None not in (linked := tuple(map(_parse_reference, target))):
            members[name] = tuple(filter(None, linked))
        else:
            oddities[name] = target
    return RawRecord(external_id, attributes, references, body, members or None, oddities or None)


def _parse_reference(found: object) -> Reference | None:
    if type(found) is not dict:
        return None
    external_id, kind = parse_identity(found.get("id")), found.get("type")
    return Reference(external_id, kind) if external_id is not None and type(kind) is str else None
