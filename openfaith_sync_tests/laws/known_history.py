"""A source whose every state is known: what happened, what it shows by now, and what it announces."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from openfaith_sync.adapters.dialects.json_api.resource_objects import read_resource
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Order, Page
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent

PERSON, EMAIL = EntityName("person"), EntityName("email")
GROUP, MEMBERSHIP = EntityName("group"), EntityName("group_membership")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

Body = Mapping[str, Any]
Records = Mapping[tuple[EntityName, str], Body]


def at(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)


def wire(second: int) -> str:
    return at(second).strftime("%Y-%m-%dT%H:%M:%SZ")


def person(number: str, version: int, name: str = "Anna") -> Body:
    attributes = {"name": f"{name} {version}", "created_at": wire(0), "updated_at": wire(version)}
    return {"type": "Person", "id": number, "attributes": attributes}


def email(number: str, owner: str, version: int) -> Body:
    attributes = {"address": f"{number}@{version}.org", "created_at": wire(0), "updated_at": wire(version)}
    related = {"person": {"data": {"type": "Person", "id": owner}}}
    return {"type": "Email", "id": number, "attributes": attributes, "relationships": related}


def membership(number: str, group: str, owner: str, role: str = "member") -> Body:
    related = {
        "group": {"data": {"type": "Group", "id": group}},
        "person": {"data": {"type": "Person", "id": owner}},
    }
    return {"type": "Membership", "id": number, "attributes": {"role": role}, "relationships": related}


def merger(kept: str, removed: str, second: int) -> Body:
    attributes = {"created_at": wire(second), "person_to_keep_id": int(kept), "person_to_remove_id": int(removed)}
    return {"type": "PersonMerger", "id": f"{second}{kept}{removed}", "attributes": attributes}


@dataclass(frozen=True)
class State:
    """What there is at the source at one moment."""

    records: Records = field(default_factory=dict)
    mergers: tuple[Body, ...] = ()

    def with_record(self, entity: EntityName, body: Body) -> "State":
        return replace(self, records={**self.records, (entity, body["id"]): body})

    def without(self, entity: EntityName, number: str) -> "State":
        return replace(self, records={key: body for key, body in self.records.items() if key != (entity, number)})

    def merged(self, kept: str, removed: str, second: int) -> "State":
        """Merge one person into another, who gets the e-mails."""
        moved = {
            key: {**body, "relationships": {"person": {"data": {"type": "Person", "id": kept}}}}
            if key[0] == EMAIL and body["relationships"]["person"]["data"]["id"] == removed
            else body
            for key, body in self.records.items()
        }
        state = replace(self, records=moved, mergers=(*self.mergers, merger(kept, removed, second)))
        return state.without(PERSON, removed)


def announced(step: int, action: EventAction, body: Body, entity: EntityName = PERSON, **more: Any) -> InboxEvent:
    """Return the event about a record, as the source sends it at this step."""
    shown = {key: value for key, value in body.items() if key != "attributes"}
    payload = shown if action is EventAction.DESTROYED else body
    identity = str(body["attributes"]["person_to_remove_id"]) if action is EventAction.MERGED else body["id"]
    return InboxEvent(
        event_id=f"{step}-{action}-{entity}-{identity}",
        name=f"{entity}.{action}",
        entity=entity,
        external_id=ExternalId(identity),
        action=action,
        payload=payload,
        event_time=at(step),
        **more,
    )


def _leads_to(raw: RawRecord, name: str) -> ExternalId | None:
    reference = raw.references[name]
    return reference and reference.external_id


@dataclass
class KnownHistory:
    """Serves the state that it has reached; ``before_read`` may refuse."""

    manifest: Manifest
    states: tuple[State, ...]
    reached: int = 0
    before_read: Callable[[EntityName, str], SyncError | None] = lambda _entity, _id: None
    read: list[tuple[EntityName, str, str | None]] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.states[min(self.reached, len(self.states) - 1)]

    def read_page(self, query: ListingQuery) -> Page:
        bodies = [body for (entity, _), body in self.state.records.items() if entity == query.entity]
        page = self._page(bodies, query, self.manifest.entities[query.entity].delta.attribute or "")
        shown = {record.external_id for record in page.records}
        return replace(page, children={child: self._children(child, shown) for child in query.children})

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        self.read.append((entity, external_id, parent))
        if (refusal := self.before_read(entity, external_id)) is not None:
            raise refusal
        body = self.state.records.get((entity, external_id))
        if body is None:
            return None
        raw = read_resource(body)
        if parent is not None and _leads_to(raw, "group") != parent:
            return None
        sideload = self.manifest.entities[entity].sideload.values()
        return FreshRecord(raw, {EntityName(child): self._children(child, {external_id}) for child in sideload})

    def read_merges(self, query: ListingQuery) -> Page:
        if (refusal := self.before_read(EntityName("person_merger"), "")) is not None:
            raise refusal
        return self._page(list(self.state.mergers), query, "created_at")

    def parse_payload(self, entity: EntityName, payload: Body, parent: ExternalId | None = None) -> RawRecord:
        raw = read_resource(dict(payload))
        return raw._replace(references={**raw.references, "group": Reference(parent, "Group")}) if parent else raw

    def parse_stored(self, entity: EntityName, body: Body, parent: ExternalId | None = None) -> RawRecord:
        return self.parse_payload(entity, body, parent)

    def _children(self, child: str, owners: set[ExternalId]) -> tuple[RawRecord, ...]:
        raws = [read_resource(body) for (entity, _), body in self.state.records.items() if entity == child]
        return tuple(raw for raw in raws if _leads_to(raw, "person") in owners)

    def _page(self, bodies: list[Body], query: ListingQuery, attribute: str) -> Page:
        def version(body: Body) -> str:
            return str(body["attributes"].get(attribute, ""))

        if query.version_from is not None:
            bodies = [body for body in bodies if version(body) >= query.version_from.strftime("%Y-%m-%dT%H:%M:%SZ")]
        bodies.sort(key=lambda body: int(body["id"]))
        if query.order is not Order.ID:
            bodies.sort(key=version, reverse=query.order is Order.VERSION_DESCENDING)
        size = query.size or self.manifest.adapter_file.paging.size
        found = bodies[query.offset : query.offset + size]
        records = tuple(map(read_resource, found))
        return Page(records, len(bodies), has_next=query.offset + size < len(bodies))
