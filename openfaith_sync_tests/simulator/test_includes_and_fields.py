"""What ``include`` and ``fields`` bring and leave out."""

from collections.abc import Callable
from typing import Any

import pytest

from openfaith_sync.simulator.server.server import RunningSimulator


def linked(record: dict[str, Any], name: str) -> Any:
    return record["relationships"][name]["data"]


def test_a_relationship_shows_only_when_included_unless_it_always_does(read: Callable[..., Any]) -> None:
    assert set(read("/people/v2/people")["data"][0]["relationships"]) == {"primary_campus"}
    record = read("/people/v2/people", "include=emails,addresses")["data"][0]
    assert set(record["relationships"]) == {"primary_campus", "emails", "addresses"}
    assert record["relationships"]["emails"]["links"]["related"].endswith(f"/people/{record['id']}/emails")


@pytest.mark.parametrize(
    ("include", "entity"), [("addresses", "address"), ("emails", "email"), ("phone_numbers", "phone_number")]
)
def test_children_ride_along_completely_and_once(
    read: Callable[..., Any], still: RunningSimulator, include: str, entity: str
) -> None:
    pages = [read("/people/v2/people", f"include={include}&per_page=100&offset={o}") for o in (0, 100, 200)]
    included = [record for page in pages for record in page["included"]]
    assert sorted(r["id"] for r in included) == sorted(still.truth(entity))
    named = [link["id"] for page in pages for record in page["data"] for link in linked(record, include)]
    assert sorted(named) == sorted(r["id"] for r in included)
    alone = read(f"/people/v2/{include}", "per_page=1")["data"][0]
    assert alone in included


def test_what_several_records_share_is_included_once(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "include=primary_campus,households&per_page=100")
    keys = [(r["type"], r["id"]) for r in page["included"]]
    assert len(keys) == len(set(keys))
    assert {r["type"] for r in page["included"]} == {"PrimaryCampus", "Household"}


def test_households_include_their_people(read: Callable[..., Any]) -> None:
    page = read("/people/v2/households", "include=people&per_page=5")
    members = {link["id"] for record in page["data"] for link in linked(record, "people")}
    assert {r["id"] for r in page["included"]} == members
    assert {r["type"] for r in page["included"]} == {"Person"}


def test_events_include_their_groups(read: Callable[..., Any]) -> None:
    page = read("/groups/v2/events", "include=group&per_page=20")
    assert {r["id"] for r in page["included"]} == {linked(record, "group")["id"] for record in page["data"]}


def test_groups_include_what_no_entity_stands_for(read: Callable[..., Any]) -> None:
    page = read("/groups/v2/groups", "include=group_type,location&per_page=100")
    wanted = {
        (link["type"], link["id"]) for r in page["data"] for n in ("group_type", "location") if (link := linked(r, n))
    }
    assert {(r["type"], r["id"]) for r in page["included"]} == wanted


def test_includes_go_two_steps(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "include=households.people&per_page=3")
    assert {r["type"] for r in page["included"]} == {"Household", "Person"}
    keys = [(r["type"], r["id"]) for r in page["included"]]
    assert len(keys) == len(set(keys))


def test_an_unknown_include_is_ignored(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "include=shoes&per_page=1")
    assert set(page["data"][0]["relationships"]) == {"primary_campus"}


def test_an_include_that_nothing_is_known_of_is_empty(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "include=field_data,school&per_page=1")
    assert (linked(page["data"][0], "field_data"), linked(page["data"][0], "school")) == ([], None)


def test_fields_limit_attributes_and_relationships_but_not_links(read: Callable[..., Any]) -> None:
    record = read("/people/v2/people", "fields[Person]=first_name,shoe_size&include=emails&per_page=1")["data"][0]
    assert set(record["attributes"]) == {"first_name"}
    assert record["relationships"] == {}
    assert "self" in record["links"]


def test_fields_limit_included_types_too(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "fields[Email]=address&include=emails&per_page=20")
    assert {tuple(r["attributes"]) for r in page["included"]} == {("address",)}
    assert len(page["data"][0]["attributes"]) > 20


def test_some_attributes_come_only_when_asked_for(read: Callable[..., Any]) -> None:
    assert "mfa_configured" not in read("/people/v2/people", "per_page=1")["data"][0]["attributes"]
    asked = read("/people/v2/people", "per_page=1&fields[Person]=mfa_configured")["data"][0]["attributes"]
    assert set(asked) == {"mfa_configured"}
