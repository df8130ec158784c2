"""Read what an event's payload shows, where the record itself does not show enough."""

from contextlib import suppress

from openfaith_sync.domain.errors import MalformedAnswer
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import version_keys
from openfaith_sync.domain.records.merges import Merge, parse_merge
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.domain.webhooks.inbox import DueRecord, EventAction, InboxEvent, RecordStatus
from openfaith_sync.engine.ports.source import Source

_SHOWS_THE_RECORD = frozenset({EventAction.CREATED, EventAction.UPDATED, EventAction.DESTROYED})


def read_payload(source: Source, entity: Entity, due: DueRecord, parent: ExternalId | None) -> RawRecord | None:
    """Return the record as its newest event shows it; ``None`` if it shows nothing or is older than an earlier one."""
    event = due.events[-1]
    is_old = bool(event.event_time and due.applied_to and event.event_time < due.applied_to)
    shown = None if is_old else _parse(source, entity, event, parent)
    return shown if shown is not None and shown.attributes else None


def read_parent(source: Source, entity: Entity, due: DueRecord) -> ExternalId | None:
    """Return the parent that the events of a nested record name."""
    if entity.nested is None or due.parent_id is not None:
        return due.parent_id
    for event in reversed(due.events):
        shown = _parse(source, entity, event, None)
        parent = shown.references.get(entity.nested.under) if shown is not None else None
        if parent is not None and parent.type == entity.relationships[entity.nested.under].resource:
            return parent.external_id
    return None


def is_behind(source: Source, entity: Entity, due: DueRecord, record: RawRecord) -> bool:
    """Return whether an event shows a newer version of the record than the source does now."""
    attribute = entity.delta.attribute
    if attribute is None:
        return False
    shown = [found for event in due.events if (found := _parse(source, entity, event, None)) is not None]
    return max(version_keys(shown, attribute), default="") > version_keys([record], attribute)[0]


def tells_of_merge(due: DueRecord) -> bool:
    """Return whether an event announces a merge of the record that is not applied yet."""
    return due.status is not RecordStatus.MERGED and any(event.action is EventAction.MERGED for event in due.events)


def read_merges(source: Source, entity: Entity, due: DueRecord) -> list[Merge]:
    """Return the merges that the events of a record show."""
    found = []
    for event in due.events:
        if event.action is EventAction.MERGED and event.payload is not None and entity.merges is not None:
            with suppress(MalformedAnswer):
                found.append(parse_merge(entity.merges, source.parse_payload(entity.name, event.payload)))
    return [merge for merge in found if merge is not None and merge.removed == due.external_id]


def _parse(source: Source, entity: Entity, event: InboxEvent, parent: ExternalId | None) -> RawRecord | None:
    if event.payload is None or event.action not in _SHOWS_THE_RECORD:
        return None
    try:
        shown = source.parse_payload(entity.name, event.payload, parent)
    except MalformedAnswer:
        return None
    return shown if shown.external_id == event.external_id else None
