"""Filters, and the silence in which the source ignores some."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync_tests.simulator.conftest import PEOPLE


@pytest.fixture
def ids(read: Callable[..., Any]) -> Callable[..., list[str]]:
    def find(query: str, path: str = "/people/v2/people") -> list[str]:
        pages = [read(path, f"{query}&per_page=100&offset={offset}") for offset in (0, 100, 200)]
        found = [record["id"] for page in pages for record in page["data"]]
        assert pages[0]["meta"]["total_count"] == len(found)
        return found

    return find


@pytest.fixture(scope="module")
def people(still: RunningSimulator) -> dict[str, TrueRecord]:
    return still.truth("person")


def test_equality_ignores_case(ids: Callable[..., list[str]], people: dict[str, TrueRecord]) -> None:
    wanted = [i for i, p in people.items() if p.attributes["status"] == "inactive"]
    assert 0.1 < len(wanted) / PEOPLE < 0.3
    assert ids("where[status]=Inactive") == wanted


def test_a_percent_sign_stands_for_any_text(ids: Callable[..., list[str]], people: dict[str, TrueRecord]) -> None:
    wanted = [i for i, p in people.items() if p.attributes["last_name"].lower().startswith("s")]
    assert ids("where[last_name]=S%25") == wanted != []


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("gt", lambda value, bound: value > bound),
        ("gte", lambda value, bound: value >= bound),
        ("lt", lambda value, bound: value < bound),
        ("lte", lambda value, bound: value <= bound),
    ],
)
@pytest.mark.parametrize("order", ["", "updated_at", "-updated_at", "updated_at,last_name", "last_name"])
def test_times_compare_in_any_order(
    ids: Callable[..., list[str]],
    people: dict[str, TrueRecord],
    operator: str,
    holds: Callable[[str, str], bool],
    order: str,
) -> None:
    bound = sorted(p.attributes["updated_at"] for p in people.values())[PEOPLE // 2]
    wanted = {i for i, p in people.items() if holds(p.attributes["updated_at"], bound)}
    found = ids(f"where[updated_at][{operator}]={bound}&order={order}")
    assert len(found) == len(wanted)
    assert set(found) == wanted


def test_a_null_is_neither_before_nor_after(ids: Callable[..., list[str]], people: dict[str, TrueRecord]) -> None:
    known = {i for i, p in people.items() if p.attributes["birthdate"]}
    before, after = ids("where[birthdate][lt]=2000-01-01&order=birthdate"), ids("where[birthdate][gte]=2000-01-01")
    assert set(before) | set(after) == known
    assert ids("where[birthdate][lt]=2000-01-01&order=-birthdate") != []


def test_several_filters_all_hold(ids: Callable[..., list[str]], people: dict[str, TrueRecord]) -> None:
    wanted = [i for i, p in people.items() if p.attributes["child"] and p.attributes["gender"] == "Female"]
    assert ids("where[child]=true&where[gender]=female") == wanted != []


def test_id_and_campus_are_filters(ids: Callable[..., list[str]], people: dict[str, TrueRecord]) -> None:
    first = next(iter(people))
    assert ids(f"where[id]={first}") == [first]
    campus = next(p.relationships["primary_campus"] for p in people.values() if p.relationships["primary_campus"])
    wanted = [i for i, p in people.items() if p.relationships["primary_campus"] == campus]
    assert ids(f"where[primary_campus_id]={campus}") == wanted


@pytest.mark.parametrize("query", ["where[shoe_size]=44", "where[emails][address]=nobody", "filter=nothing"])
def test_an_unknown_filter_lets_everything_through(ids: Callable[..., list[str]], query: str) -> None:
    assert len(ids(query)) == PEOPLE


def test_addresses_do_not_filter_by_time(read: Callable[..., Any]) -> None:
    everything = read("/people/v2/addresses")["meta"]["total_count"]
    assert (
        read("/people/v2/addresses", "where[updated_at][gt]=2030-01-01T00:00:00Z")["meta"]["total_count"] == everything
    )


@pytest.mark.parametrize("query", ["where[grade]=abc", "where[updated_at][gt]=yesterday", "where[child]=perhaps"])
def test_a_value_of_another_kind_lets_nothing_through(ids: Callable[..., list[str]], query: str) -> None:
    assert ids(query) == []


def test_searches_look_at_words_of_names_and_at_addresses(
    ids: Callable[..., list[str]], people: dict[str, TrueRecord], still: RunningSimulator
) -> None:
    last = next(iter(people.values())).attributes["last_name"]
    assert next(iter(people)) in ids(f"where[search_name]={last[:3].lower()}")
    email = next(iter(still.truth("email").values()))
    found = ids(f"where[search_name_or_email]={email.attributes['address']}")
    assert email.relationships["person"] in found
    phone = next(p for p in still.truth("phone_number").values() if p.attributes["number"])
    digits = "".join(sign for sign in phone.attributes["number"] if sign.isdigit())
    assert phone.relationships["person"] in ids(f"where[search_phone_number]={digits[-4:]}")


def test_archived_groups_are_hidden_from_listings_that_do_not_ask_for_them(
    moving: RunningSimulator, client: httpx.Client
) -> None:
    def ids(query: str) -> set[str]:
        answer = client.get(f"{moving.base_url}/groups/v2/groups?per_page=100&{query}").json()
        assert answer["meta"]["total_count"] == len(answer["data"])
        return {group["id"] for group in answer["data"]}

    everybody = set(moving.truth("group"))
    archived = min(everybody)
    moving.change("group", archived, {"archived_at": "2026-06-01T12:00:00Z"})
    assert archived in ids("where[archive_status]=only")
    assert ids("") == ids("where[archive_status]=not_archived") == everybody - ids("where[archive_status]=only")
    assert ids("where[archive_status]=include") == everybody
    # A single read shows it: it is only left out of listings.
    assert client.get(f"{moving.base_url}/groups/v2/groups/{archived}").json()["data"]["attributes"]["archived_at"]
