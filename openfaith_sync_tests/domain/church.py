"""One church's records for mapping tests: the least that each entity needs, and what is added."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import Mapper, build_mapper
from openfaith_sync.domain.records.record import RawRecord, Record, Reference
from openfaith_sync_tests.ten_entities import MANIFESTS

ORG, PCO = OrgId("grace"), AdapterName("pco")
ENTITIES = (
    *("campus", "household", "household_membership", "person", "address", "email", "phone_number"),
    *("group", "group_membership", "event"),
)
UPDATED_AT = "2024-05-06T07:08:09Z"


@cache
def manifest() -> Manifest:
    return read_manifest(MANIFESTS, PCO)


@cache
def entity(name: str) -> Entity:
    return manifest().entities[EntityName(name)]


@cache
def mapper(name: str) -> Mapper:
    return build_mapper(entity(name), ORG, PCO, manifest().entities)


def reference(name: str, relationship: str, external_id: str, wire_type: str | None = None) -> Reference:
    """Return a reference of the type that the manifest names, or of another one."""
    part = entity(name).relationships.get(relationship)
    return Reference(ExternalId(external_id), wire_type or (part.resource if part else "Somebody"))


def required_references(name: str) -> dict[str, Reference | None]:
    needed = entity(name).relationships.items()
    return {key: reference(name, key, "77") for key, part in needed if part.to and part.always and not part.nullable}


def raw_record(
    name: str,
    attributes: Mapping[str, Any] | None = None,
    references: Mapping[str, str | Reference | None] | None = None,
    external_id: str = "1",
) -> RawRecord:
    """Return a record that has what its entity cannot be without, and what is given."""
    version = entity(name).delta.attribute
    whole = {**({version: UPDATED_AT} if version else {}), **(attributes or {})}
    given = {
        key: reference(name, key, found) if isinstance(found, str) else found
        for key, found in (references or {}).items()
    }
    return RawRecord(ExternalId(external_id), whole, {**required_references(name), **given}, {"id": "1"})


def map_one(name: str, attributes: Mapping[str, Any] | None = None, **rest: Any) -> Record:
    return mapper(name)(raw_record(name, attributes, **rest))


def columns_of(name: str, record: Record) -> dict[str, object]:
    return dict(zip((column.name for column in entity(name).record_table.columns), record.values, strict=True))


def custom_of(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(record.custom_fields)
    return found
