"""Read a rider that has no path of its own: with its parent, whose pages bring it."""

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import FreshRecord
from openfaith_sync.domain.records.nesting import RecordPlace
from openfaith_sync.domain.records.riding import riders_of, rides
from openfaith_sync.domain.webhooks.inbox import DueRecord
from openfaith_sync.engine.ports.source import Source
from openfaith_sync.engine.webhooks.record_batch import RecordRead


def has_no_path(manifest: Manifest, entity: EntityName) -> bool:
    """Return whether an entity's records come with others and cannot be read by their ids."""
    return rides(manifest.entities[entity]) and manifest.entities[entity].endpoints.get is None


def read_with_parent(
    source: Source, manifest: Manifest, due: DueRecord, place: RecordPlace, carrier: RecordPlace
) -> RecordRead:
    """Return the rider among what comes with its parent; a parent that is gone takes it with it.

    A rider that did not come is not gone: the parent's list decides, which is due if its record names others now.
    """
    parent = manifest.entities[due.entity].parent
    assert parent is not None
    assert place.parent is not None
    if due.entity not in riders_of(manifest, parent) or manifest.entities[parent].endpoints.get is None:
        return RecordRead(due)
    fresh = source.read_record(parent, place.parent, carrier.parent, carrier.ancestors)
    if fresh is None:
        return RecordRead(due, place.parent)
    with_it = FreshRecord(fresh.record, {**fresh.children, parent: (fresh.record,)})
    found = next((one for one in fresh.children.get(due.entity, ()) if one.external_id == due.external_id), None)
    own = FreshRecord(found, with_it.children) if found is not None else None
    return RecordRead(due, place.parent, own, carrier=with_it)
