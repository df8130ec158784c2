"""Parses Planning Center's webhook deliveries into inbox events, without I/O.

A body is ``{"data": [EventDelivery…]}``; the ``payload`` of each is JSON in a string, with the
record as ``data`` and the event's time in ``meta`` (docs/pco.md 4.2). The event of a deleted
record contains no attributes. A delivery is never rejected as a whole: unreadable parts are
returned as such, since the source would resend the same bytes for days and then stop delivering.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from openfaith_sync.adapters.client.lenient_json import parse_json
from openfaith_sync.adapters.dialects.json_api.accounts import stated_accounts
from openfaith_sync.adapters.dialects.json_api.resource_objects import (
    ResourceShape,
    read_resource,
    without_dropped_attributes,
)
from openfaith_sync.adapters.dialects.pages.rows import WITHHELD, parse_identity
from openfaith_sync.adapters.dialects.pco.webhook_keys import require_webhooks
from openfaith_sync.domain.ids import AccountId, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.unstorable_text import storable_json
from openfaith_sync.domain.webhooks.delivery import Delivery, Unreadable
from openfaith_sync.domain.webhooks.event_names import Announcement, announcements
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent


class _NotAnEvent(Exception):
    """A part of a delivery is not a readable event; the message says why."""


class WebhookReader:
    """Parses the deliveries of one adapter's source."""

    def __init__(self, manifest: Manifest) -> None:
        """Read the event names from the manifest.

        Raises:
            DefinitionError: The manifest has no webhooks.
        """
        adapter_file, webhooks = require_webhooks(manifest)
        self.headers = webhooks.headers
        self.announced = announcements(manifest)
        self._entities = manifest.entities
        self._account = adapter_file.account

    def read_delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """Return the events of a delivery, the event names that were ignored, and the unreadable parts."""
        name = headers.get(self.headers.name, "")
        time = _parse_time(headers.get(self.headers.time))
        try:
            parts = _parts(body)
        except _NotAnEvent as error:
            return Delivery(unreadable=(_unreadable(name, str(error), body, is_withheld=self._may_hold_dropped(name)),))
        events, ignored, unreadable = [], [], []
        for part in parts:
            try:
                found = self._read_part(part, time)
            except _NotAnEvent as error:
                is_withheld = self._may_hold_dropped(_name_of(part) or name)
                unreadable.append(_unreadable(name, str(error), storable_json(part), is_withheld=is_withheld))
                continue
            if isinstance(found, InboxEvent):
                events.append(found)
            else:
                ignored.append(found)
        return Delivery(events, ignored, unreadable)

    def read_event(self, event_id: str, name: str, payload: object, time: datetime | None) -> InboxEvent | None:
        """Return the event of a payload; ``None`` if its name is not in the manifest or it cannot be read."""
        part = {"id": event_id, "attributes": {"name": name, "payload": payload}}
        try:
            found = self._read_part(part, time)
        except _NotAnEvent:
            return None
        return found if isinstance(found, InboxEvent) else None

    def _read_part(self, part: object, time: datetime | None) -> InboxEvent | str:
        """Return the event, or its name if that is not in the manifest."""
        attributes, name = part.get("attributes") if isinstance(part, dict) else None, _name_of(part)
        if not isinstance(part, dict) or not isinstance(attributes, dict) or name is None:
            raise _NotAnEvent("the event has no name")
        announcement = self.announced.get(name)
        if announcement is None:
            return name
        event_id = _identity(part.get("id"), "the event")
        payload = _payload(attributes.get("payload"))
        resource = payload.get("data")
        if not isinstance(resource, dict):
            raise _NotAnEvent("the payload contains no record")
        meta, drop = payload.get("meta"), self._entities[announcement.entity].drop
        event = InboxEvent(
            event_id=event_id,
            name=name,
            entity=announcement.entity,
            external_id=self._external_id(announcement, resource),
            action=announcement.action,
            payload=without_dropped_attributes(resource, drop) if drop else resource,
            event_time=(_parse_time(meta.get("event_time")) if isinstance(meta, dict) else None) or time,
            account=self._stated_account(part, payload),
        )
        return replace(event, parent_id=self._parent_id(event, resource))

    def _may_hold_dropped(self, name: str) -> bool:
        """Return whether an event of this name may hold attributes that are never kept; unknown names always may."""
        announcement = self.announced.get(name)
        if announcement is None:
            return any(entity.drop for entity in self._entities.values())
        return bool(self._entities[announcement.entity].drop)

    def _stated_account(self, part: Mapping[str, Any], payload: Mapping[str, Any]) -> AccountId | None:
        declared = self._account
        if declared is None:
            return None
        stated = stated_accounts(declared, declared.in_events, part)
        return next(chain(stated, stated_accounts(declared, declared.in_answers, payload)), None)

    def _external_id(self, announcement: Announcement, resource: Mapping[str, Any]) -> ExternalId:
        merges = self._entities[announcement.entity].merges
        if announcement.action is not EventAction.MERGED or merges is None:
            return _identity(resource.get("id"), "the record")
        attributes = resource.get("attributes")
        merge = attributes if isinstance(attributes, dict) else {}
        _identity(merge.get(merges.keep), "the surviving record")
        return _identity(merge.get(merges.remove), "the removed record")

    def _parent_id(self, event: InboxEvent, resource: Mapping[str, Any]) -> ExternalId | None:
        """Return the parent that the record names; ``None`` if it names none, and our stored row is used instead."""
        part = self._entities[event.entity]
        if part.nested is None:
            return None
        parent = read_resource(resource, ResourceShape(needs_attributes=False)).references.get(part.nested.under)
        targets = part.relationships[part.nested.under].targets
        return parent.external_id if parent is not None and parent.type in targets else None


def _parts(body: bytes) -> list[object]:
    try:
        document = parse_json(body)
    except ValueError:
        raise _NotAnEvent("the body is not JSON") from None
    parts = document.get("data") if isinstance(document, dict) else None
    # The source documents and sends a list; a single object is accepted as a list of one.
    if isinstance(parts, dict):
        return [parts]
    if not isinstance(parts, list) or not parts:
        raise _NotAnEvent("the body contains no list of events")
    return parts


def _payload(found: object) -> Mapping[str, Any]:
    try:
        payload = parse_json(found) if isinstance(found, str) else found
    except ValueError:
        raise _NotAnEvent("the payload is not JSON") from None
    if not isinstance(payload, dict):
        raise _NotAnEvent("the payload is not an object")
    return payload


def _identity(found: object, whose: str) -> ExternalId:
    """Return an id as text: ids in merge events are numbers, all others text."""
    external_id = parse_identity(found)
    if external_id is None:
        raise _NotAnEvent(f"{whose} has no id")
    return external_id


def _parse_time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _name_of(part: object) -> str | None:
    attributes = part.get("attributes") if isinstance(part, dict) else None
    name = attributes.get("name") if isinstance(attributes, dict) else None
    return name if isinstance(name, str) else None


def _unreadable(name: str, reason: str, content: bytes, *, is_withheld: bool) -> Unreadable:
    digest = hashlib.sha256(content).hexdigest()[:32]
    kept = storable_json(WITHHELD).decode() if is_withheld else content.decode(errors="replace")
    return Unreadable(f"unreadable:{digest}", name[:200], reason, kept)
