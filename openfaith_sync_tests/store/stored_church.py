"""Store raw records of the canonical entities through the mapping and a page, as a sync does."""

from collections.abc import Mapping
from typing import Any

from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import ORG, PCO, walking


def raw(external_id: str, attributes: Mapping[str, Any], **references: tuple[str, str] | None) -> RawRecord:
    """Return a raw record; a reference is given by its type and id."""
    found = {name: None if to is None else Reference(ExternalId(to[1]), to[0]) for name, to in references.items()}
    return RawRecord(ExternalId(external_id), attributes, found, {"id": external_id})


def store_raws(database: Database, manifest: Manifest, entity: str, *raws: RawRecord, org: OrgId = ORG) -> None:
    """Store raw records of an entity as one page."""
    name = EntityName(entity)
    mapper = build_mapper(manifest.entities[name], org, PCO, manifest.entities)
    batch = map_batch(mapper, name, raws)
    assert batch.rejected == ()
    with walking(database, SyncKey(org, PCO, name)) as walk:
        walk.commit(batch)


def known(entity: str, external_id: str, org: OrgId = ORG) -> str:
    """Return our id of a record."""
    return derive_entity_id(org, PCO, EntityName(entity), external_id)
