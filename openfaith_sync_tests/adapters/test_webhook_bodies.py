"""What a delivery's bytes say, and that nothing in them is lost without a word."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from openfaith_sync.adapters.dialects.pco.webhooks import WebhookReader
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.mapping.unstorable_text import storable_json
from openfaith_sync.domain.webhooks.delivery import Delivery
from openfaith_sync.domain.webhooks.inbox import EventAction
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco")
READER = WebhookReader(PCO)
HEADERS = {
    "X-PCO-Webhooks-Name": "people.v2.events.email.updated",
    "X-PCO-Webhooks-Event-Time": "2026-06-01T12:00:05Z",
}
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def part(name: str, record: Any, event_id: Any = "87f49852-0000", **meta: Any) -> dict[str, Any]:
    payload = {"data": record, "included": [], "meta": {"event_time": "2026-06-01T12:00:00Z", **meta}}
    return {
        "id": event_id,
        "type": "EventDelivery",
        "attributes": {"name": name, "attempt": 1, "payload": json.dumps(payload)},
        "relationships": {"organization": {"data": {"type": "Organization", "id": "456240"}}},
    }


def read(*parts: Any) -> Delivery:
    return READER.read_delivery(HEADERS, json.dumps({"data": list(parts)}).encode())


def record(kind: str = "Email", identity: Any = "7", **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": identity, "attributes": {"location": "Home"}, **more}


def test_an_event_names_its_record_and_shows_it() -> None:
    (event,) = read(part("people.v2.events.email.updated", record())).events
    assert (event.event_id, event.entity, event.external_id, event.action) == ("87f49852-0000", "email", "7", "updated")
    assert event.payload == record()
    assert event.event_time == NOON
    assert event.parent_id is None


@pytest.mark.parametrize("entity", ["person", "household", "address", "email", "phone_number"])
@pytest.mark.parametrize("word", ["created", "updated", "destroyed"])
def test_every_name_in_the_manifest_is_understood(entity: str, word: str) -> None:
    (event,) = read(part(f"people.v2.events.{entity}.{word}", record())).events
    assert (event.entity, event.action.value) == (entity, word)


def test_the_record_of_a_destroyed_event_has_no_attributes() -> None:
    gone = {"type": "Person", "id": "9", "relationships": {}, "links": {}}
    payload = {"data": gone, "meta": {"parent": {"id": "1", "type": "Organization"}}}
    name = "people.v2.events.person.destroyed"
    delivered = part(name, None) | {"attributes": {"name": name, "payload": json.dumps(payload)}}
    (event,) = read(delivered).events
    assert (event.action, event.external_id, event.payload) == (EventAction.DESTROYED, "9", gone)
    # It says no time of its own; the delivery does.
    assert event.event_time == datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)


def test_a_merge_is_an_event_of_the_record_that_is_gone() -> None:
    merger = {
        "type": "PersonMerger",
        "id": "31",
        "attributes": {"person_to_keep_id": 100, "person_to_remove_id": 200, "created_at": "2026-06-01T12:00:00Z"},
    }
    (event,) = read(part("people.v2.events.person_merger.created", merger)).events
    assert (event.entity, event.external_id, event.action) == ("person", "200", EventAction.MERGED)
    assert event.payload == merger


def test_a_nested_record_names_its_parent() -> None:
    membership = record("Membership", "5", relationships={"group": {"data": {"type": "Group", "id": "77"}}})
    (event,) = read(part("groups.v2.events.membership.updated", membership)).events
    assert (event.entity, event.external_id, event.parent_id) == ("group_membership", "5", "77")
    orphan = record("Membership", "5", relationships={"group": {"data": None}})
    (event,) = read(part("groups.v2.events.membership.destroyed", orphan)).events
    assert event.parent_id is None


def test_each_part_of_a_body_is_read_for_itself() -> None:
    delivery = read(
        part("people.v2.events.email.updated", record(identity="1"), "a"),
        part("people.v2.events.note.created", record("Note"), "b"),
        part("people.v2.events.email.updated", record(identity=None), "c"),
        part("people.v2.events.email.updated", record(identity="2"), "d"),
        None,
    )
    assert [event.event_id for event in delivery.events] == ["a", "d"]
    assert delivery.ignored == ["people.v2.events.note.created"]
    assert [found.reason for found in delivery.unreadable] == ["the record has no id", "the event has no name"]


NAME = "people.v2.events.email.updated"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b"[" * 5000, "the body is not JSON"),
        (b"[]", "the body contains no list of events"),
        (b'{"data": []}', "the body contains no list of events"),
        (b'{"data": [[]]}', "the event has no name"),
        (b'{"data": [{"id": "1", "attributes": {"name": 5}}]}', "the event has no name"),
        (json.dumps({"data": [part(NAME, record(), None)]}).encode(), "the event has no id"),
        (json.dumps({"data": [part(NAME, record(), "")]}).encode(), "the event has no id"),
        (json.dumps({"data": [part(NAME, record(), "a\x00b")]}).encode(), "the event has no id"),
        (json.dumps({"data": [part(NAME, record(), "x" * 201)]}).encode(), "the event has no id"),
        (json.dumps({"data": [part(NAME, record(identity=True))]}).encode(), "the record has no id"),
        (json.dumps({"data": [part(NAME, [])]}).encode(), "the payload contains no record"),
        (
            json.dumps({"data": [{"id": "1", "attributes": {"name": NAME, "payload": "{"}}]}).encode(),
            "the payload is not JSON",
        ),
        (json.dumps({"data": [{"id": "1", "attributes": {"name": NAME}}]}).encode(), "the payload is not an object"),
        (
            json.dumps({"data": [part("people.v2.events.person_merger.created", record("PersonMerger"))]}).encode(),
            "the surviving record has no id",
        ),
    ],
)
def test_what_cannot_be_read_is_given_back_as_it_came(content: bytes, reason: str) -> None:
    delivery = READER.read_delivery(HEADERS, content)
    (found,) = delivery.unreadable
    assert not delivery.events
    assert found.reason == reason
    again = READER.read_delivery(HEADERS, content).unreadable[0]
    assert again.event_id == found.event_id
    assert len(found.event_id) < 60


def test_a_payload_that_is_no_string_but_an_object_is_read_too() -> None:
    (event,) = read({"id": "1", "attributes": {"name": NAME, "payload": {"data": record(identity=12)}}}).events
    assert event.external_id == "12"


@pytest.mark.parametrize(
    ("found", "damage"),
    [
        (b"Home", b"H\\\\ud83d"),
        (b"Home", b"\xff\xfe"),
        (b'\\"Home\\"', b"NaN"),
        (b'\\"Home\\"', b"1e999"),
        (b'\\"Home\\"', b"[" * 3000 + b"]" * 3000),
        (b"{", b"\xef\xbb\xbf{"),
        (b'"payload": "', b'"payload": "\xef\xbb\xbf'),
        (b'"attempt": 1', b'"attempt": "\\ud83d"'),
    ],
)
def test_bytes_that_a_strict_parser_refuses_cost_no_event(found: bytes, damage: bytes) -> None:
    body = json.dumps({"data": [part(NAME, record()), part(NAME, record(identity=8), "b")]}).encode()
    assert found in body
    delivery = READER.read_delivery(HEADERS, body.replace(found, damage, 1))
    assert [event.external_id for event in delivery.events] == ["7", "8"]
    assert not delivery.unreadable
    assert storable_json(delivery.events[0].payload)


def test_a_part_that_cannot_be_read_is_kept_whatever_its_text_holds() -> None:
    body = json.dumps({"data": [part(NAME, record(identity=None, name="\ud83d")), part(NAME, record())]}).encode()
    delivery = READER.read_delivery(HEADERS, body)
    assert [event.external_id for event in delivery.events] == ["7"]
    assert [found.reason for found in delivery.unreadable] == ["the record has no id"]


@pytest.mark.parametrize(
    "group", ["77", [], {"data": "77"}, {"data": {"id": "77"}}, {"data": {"type": "Tag", "id": "7"}}]
)
def test_a_parent_that_is_not_named_rightly_costs_no_event(group: object) -> None:
    (event,) = read(
        part("groups.v2.events.membership.updated", record("Membership", relationships={"group": group}))
    ).events
    assert (event.external_id, event.parent_id) == ("7", None)


@pytest.mark.parametrize("time", ["", "yesterday", "2026-06-01T12:00:00", "0001-01-01T00:00:00+14:00", 5, None])
def test_a_time_that_is_none_makes_no_event_unreadable(time: str | int | None) -> None:
    delivered = json.dumps({"data": [part(NAME, record(), event_time=time)]}).encode()
    (event,) = READER.read_delivery({}, delivered).events
    assert event.event_time is None


def test_a_manifest_without_webhooks_has_no_reader() -> None:
    silent = PCO.model_copy(update={"adapter_file": PCO.adapter_file.model_copy(update={"webhooks": None})})
    with pytest.raises(DefinitionError, match="no webhooks"):
        WebhookReader(silent)
