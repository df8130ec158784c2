"""Which changes are announced, and what the announcements say."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from openfaith_sync.simulator.server.server import RunningSimulator

Event = tuple[str, Any]
"""The name and the payload."""


@pytest.fixture
def heard(moving: RunningSimulator, client: httpx.Client) -> Callable[[], list[Event]]:
    """Subscribe to everything at an address where nobody is; give the events since then by name and payload."""
    base = f"{moving.base_url}/webhooks/v2"
    names = [r["attributes"]["name"] for r in client.get(f"{base}/available_events?per_page=100").json()["data"]]
    for name in names:
        body = {"data": {"attributes": {"name": name, "url": "http://127.0.0.1:9/nobody"}}}
        assert client.post(f"{base}/subscriptions", json=body).status_code == 201

    def events() -> list[Event]:
        found: list[tuple[int, str, Any]] = []
        for subscription in client.get(f"{base}/subscriptions?per_page=100").json()["data"]:
            listed = client.get(f"{base}/subscriptions/{subscription['id']}/events?per_page=100").json()["data"]
            name = subscription["attributes"]["name"].partition(".events.")[2]
            found += [(int(row["id"]), name, json.loads(row["attributes"]["payload"])) for row in listed]
        return [(name, payload) for _, name, payload in sorted(found, key=lambda event: event[0])]

    return events


def names(events: list[Event]) -> list[str]:
    return [name for name, _ in events]


@pytest.fixture
def someone(moving: RunningSimulator) -> str:
    person = moving.create("person", {"first_name": "Ana", "last_name": "Peña"})
    moving.create("email", {"address": "ana@example.org", "primary": True}, {"person": person})
    return person


def test_a_new_record_is_told_as_the_api_shows_it(
    moving: RunningSimulator, client: httpx.Client, heard: Callable[[], list[Event]]
) -> None:
    person = moving.create("person", {"first_name": "Ruth", "last_name": "Ng"})
    [(name, payload)] = heard()
    shown = client.get(f"{moving.base_url}/people/v2/people/{person}").json()
    assert name == "person.created"
    assert payload["data"] == shown["data"]
    assert payload["included"] == []
    event_time = payload["meta"].pop("event_time")
    assert payload["meta"] == shown["meta"]
    assert event_time == shown["data"]["attributes"]["created_at"]


def test_an_address_is_told_in_an_older_version(
    moving: RunningSimulator, someone: str, heard: Callable[[], list[Event]]
) -> None:
    moving.create("address", {"street_line_1": "1 Church Rd", "street_line_2": "Apt 4"}, {"person": someone})
    attributes = heard()[0][1]["data"]["attributes"]
    assert attributes["street"] == "1 Church Rd\nApt 4"
    assert not {"street_line_1", "street_line_2"} & set(attributes)


def test_a_change_of_a_contact_is_not_one_of_its_person(
    moving: RunningSimulator, someone: str, heard: Callable[[], list[Event]]
) -> None:
    email = moving.create("email", {"address": "b@example.org"}, {"person": someone})
    moving.change("email", email, {"location": "Work"})
    moving.delete("email", email)
    assert names(heard()) == ["email.created", "email.updated", "email.destroyed"]


def test_what_the_source_does_not_see_it_does_not_tell(
    moving: RunningSimulator, someone: str, heard: Callable[[], list[Event]]
) -> None:
    moving.change("person", someone, {"medical_notes": "none"}, touch=False)
    for household in list(moving.truth("household"))[:2]:
        moving.move("person", someone, "households", household)
    assert heard() == []
    moving.create("email", {"address": "b@example.org", "primary": True}, {"person": someone})
    assert names(heard()) == ["email.created"]


def test_a_record_that_goes_is_told_without_its_attributes(
    moving: RunningSimulator, someone: str, heard: Callable[[], list[Event]]
) -> None:
    moving.delete("person", someone)
    events = heard()
    assert sorted(names(events)) == ["email.destroyed", "person.destroyed"]
    payload = dict(events)["person.destroyed"]
    assert set(payload) == {"data", "meta"}
    assert set(payload["data"]) == {"type", "id", "relationships", "links"}
    assert (payload["data"]["type"], payload["data"]["id"]) == ("Person", someone)
    assert payload["data"]["links"]["self"].endswith(f"/people/v2/people/{someone}")
    assert set(payload["meta"]) == {"parent"}


def test_a_merge_is_told_beside_the_end_of_the_loser_in_either_order(
    moving: RunningSimulator, heard: Callable[[], list[Event]]
) -> None:
    orders = set()
    for _ in range(2):
        keep, remove, spare = (moving.create("person", {"first_name": "Ana"}) for _ in range(3))
        for pair in ((keep, remove), (keep, spare)):
            before = len(heard())
            moving.merge(*pair)
            events = heard()[before:]
            orders.add(tuple(names(events)))
            merger = dict(events)["person_merger.created"]["data"]
            assert merger["attributes"]["person_to_keep_id"] == int(pair[0])
            assert merger["attributes"]["person_to_remove_id"] == int(pair[1])
            assert merger["relationships"]["person_to_keep"]["data"] == {"type": "Person", "id": pair[0]}
            assert dict(events)["person.destroyed"]["data"]["id"] == pair[1]
    assert orders == {("person_merger.created", "person.destroyed"), ("person.destroyed", "person_merger.created")}


def test_what_moves_with_a_merge_is_told(
    moving: RunningSimulator, someone: str, heard: Callable[[], list[Event]]
) -> None:
    keep = moving.create("person", {"first_name": "Anna"})
    moving.merge(keep, someone)
    events = dict(heard())
    assert events["email.updated"]["data"]["relationships"]["person"]["data"]["id"] == keep
    assert "person.updated" not in events


def test_writes_through_the_api_are_told_too(
    moving: RunningSimulator, client: httpx.Client, heard: Callable[[], list[Event]]
) -> None:
    body = {"data": {"type": "Person", "attributes": {"first_name": "Ruth"}}}
    made = client.post(f"{moving.base_url}/people/v2/people", json=body).json()["data"]["id"]
    client.patch(f"{moving.base_url}/people/v2/people/{made}", json=body)
    client.delete(f"{moving.base_url}/people/v2/people/{made}")
    assert names(heard()) == ["person.created", "person.updated", "person.destroyed"]


def test_a_group_is_told_by_its_own_product(moving: RunningSimulator, heard: Callable[[], list[Event]]) -> None:
    group = moving.create("group", {"name": "Tuesday"})
    moving.change("group", group, {"name": "Wednesday"})
    moving.delete("group", group)
    assert names(heard()) == ["group.created", "group.updated", "group.destroyed"]


def test_joining_a_group_is_told_and_joining_a_household_is_not(
    moving: RunningSimulator, someone: str, heard: Callable[[], list[Event]]
) -> None:
    group = moving.create("group", {"name": "Tuesday"})
    membership = moving.create("group_membership", {}, {"group": group, "person": someone})
    household = moving.create("household", {"name": "Peña Household"}, {"people": [someone]})
    moving.change("household", household, {}, {"people": []})
    moving.change("group_membership", membership, {"role": "leader"})
    moving.delete("person", someone)
    events = heard()
    assert names(events) == [
        "group.created",
        "membership.created",
        "household.created",
        "membership.updated",
        "membership.destroyed",
        "email.destroyed",
        "person.destroyed",
    ]
    gone = dict(events)["membership.destroyed"]
    assert gone["data"]["links"]["self"].endswith(f"/groups/v2/groups/{group}/memberships/{membership}")
    assert gone["data"]["relationships"]["group"]["data"]["id"] == group
    assert gone["meta"] == {"parent": {"id": group, "type": "Group"}}
