"""Reads JSON:API resource objects as raw records; a damaged object affects only its own record."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from openfaith_sync.adapters.dialects.pages.rows import (
    WITHHELD,
    parse_identity,
    unidentified_record,
    with_positions,
    without_dropped,
)
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.mapping.parsing import json_type
from openfaith_sync.domain.records.record import Damage, JsonObject, RawRecord, Reference


def read_resource(
    found: object, resource: str | None = None, *, is_whole: bool = True, drop: Collection[str] = ()
) -> RawRecord:
    """Return the record of a resource object, marked as damaged if it is malformed or not of type ``resource``.

    An object without a usable id gets one derived from its content, so that it is recognised the next time.
    With ``is_whole``, an object without attributes is damaged: storing a stub would empty every column.
    Neither the record nor its body contains the attributes in ``drop``.
    """
    if not isinstance(found, dict):
        return unidentified_record(found, "record", found, "expected a resource object", is_withheld=bool(drop))
    if drop:
        found = without_dropped_attributes(found, drop)
    external_id, kind = parse_identity(found.get("id")), found.get("type")
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
    if is_whole and not attributes:
        return RawRecord(external_id, {}, {}, found, damage=Damage("attributes", "nothing", "expected attributes"))
    return _read_related(external_id, attributes, relationships, found)


def without_dropped_attributes(found: Mapping[str, Any], drop: Collection[str]) -> dict[str, Any]:
    """Return a resource object without the attributes that are never kept, whatever stands in their place."""
    attributes = found.get("attributes")
    if isinstance(attributes, dict):
        return {**found, "attributes": without_dropped(attributes, drop)}
    return {**found, "attributes": [WITHHELD]} if attributes else dict(found)


def read_rows(
    rows: Sequence[object], entity: Entity, listing: str, offset: int, *, is_whole: bool
) -> tuple[RawRecord, ...]:
    """Return the record of every row of a page, in order; unidentified ones include their position."""
    records = (read_resource(row, entity.resource, is_whole=is_whole, drop=entity.drop) for row in rows)
    return with_positions(tuple(records), listing, offset)


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
