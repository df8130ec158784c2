"""Announcements: which entity an event of the source is about, by its name."""

from collections.abc import Collection
from dataclasses import dataclass

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.inbox import EventAction

_BY_LAST_WORD = {action.value: action for action in (EventAction.CREATED, EventAction.UPDATED, EventAction.DESTROYED)}


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the name of an event says, before its body is read."""

    entity: EntityName
    action: EventAction


def announcements(manifest: Manifest, unselected: Collection[EntityName] = ()) -> dict[str, Announcement]:
    """Return every event name that the manifest wants to hear, except of unselected entities, with its meaning.

    The last word says what happened. One that we have no word for (``refreshed``) still says
    that there is something to read.
    """
    found: dict[str, Announcement] = {}
    for entity in (one for one in manifest.entities.values() if one.name not in unselected):
        for name in entity.webhooks:
            action = _BY_LAST_WORD.get(name.rpartition(".")[2], EventAction.UPDATED)
            found[name] = Announcement(entity.name, action)
        if entity.merges and entity.merges.webhook:
            found[entity.merges.webhook] = Announcement(entity.name, EventAction.MERGED)
    return found
