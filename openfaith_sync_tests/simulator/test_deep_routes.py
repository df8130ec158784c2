"""Records that lie several levels deep, singletons, listings in parts, and what a church refuses by product."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.settings import ProductRefusal
from openfaith_sync_tests.simulator.deep_manifest import read_deep_manifest


@pytest.fixture(scope="module")
def deep_manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_deep_manifest(tmp_path_factory.mktemp("deep"))


@pytest.fixture(scope="module")
def deep(deep_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=200, rate=None), deep_manifest) as simulator:
        yield simulator


@pytest.fixture
def answer(deep: RunningSimulator, client: httpx.Client) -> Callable[[str], httpx.Response]:
    return lambda path: client.get(deep.base_url + path)


@pytest.fixture
def ask(answer: Callable[[str], httpx.Response]) -> Callable[[str], Any]:
    return lambda path: answer(path).json()


@pytest.fixture
def plan(deep: RunningSimulator) -> tuple[str, str, str]:
    """Return a service type, a plan of it, and another service type."""
    types = [deep.create("service_type", {"name": name}) for name in ("Sunday", "Youth")]
    return types[0], deep.create("plan", {"title": "Advent"}, {"service_type": types[0]}), types[1]


def test_a_listing_two_levels_deep_holds_what_is_below_that_parent(
    deep: RunningSimulator, ask: Callable[[str], Any], plan: tuple[str, str, str]
) -> None:
    service_type, advent, _ = plan
    someone = next(iter(deep.truth("person")))
    member = deep.create("plan_person", {"status": "C"}, {"plan": advent, "person": someone})
    path = f"/services/v2/service_types/{service_type}/plans/{advent}/team_members"
    page = ask(path)
    assert [record["id"] for record in page["data"]] == [member]
    assert page["meta"]["parent"] == {"type": "Plan", "id": advent}
    assert page["data"][0]["links"]["self"] == f"{deep.base_url}{path}/{member}"
    assert ask(f"{path}/{member}")["data"]["id"] == member
    assert deep.truth("plan")[advent].attributes["plan_people_count"] == 1


def test_a_path_whose_ancestors_do_not_belong_together_is_not_found(
    deep: RunningSimulator, answer: Callable[[str], httpx.Response], plan: tuple[str, str, str]
) -> None:
    service_type, advent, other = plan
    someone = next(iter(deep.truth("person")))
    member = deep.create("plan_person", {"status": "C"}, {"plan": advent, "person": someone})
    for wrong in (
        f"{other}/plans/{advent}",
        f"{other}/plans/{advent}/team_members",
        f"{other}/plans/{advent}/team_members/{member}",
        f"{service_type}/plans/999/team_members",
        f"{service_type}/plans/{advent}/team_members/999",
    ):
        found = answer(f"/services/v2/service_types/{wrong}")
        assert (found.status_code, found.json()["errors"][0]["status"]) == (404, "404"), wrong


def test_a_parent_names_the_records_that_ride_with_it(
    deep: RunningSimulator, ask: Callable[[str], Any], plan: tuple[str, str, str]
) -> None:
    service_type, advent, _ = plan
    times = [deep.create("plan_time", {"name": name}, {"plan": advent}) for name in ("9:00", "11:00")]
    page = ask(f"/services/v2/service_types/{service_type}/plans?include=plan_times")
    (record,) = page["data"]
    assert [one["id"] for one in record["relationships"]["plan_times"]["data"]] == times
    assert [one["id"] for one in page["included"]] == times
    assert deep.truth("plan")[advent].relationships["plan_times"] == times
    deep.delete("plan_time", times[0])
    page = ask(f"/services/v2/service_types/{service_type}/plans?include=plan_times")
    assert [one["id"] for one in page["data"][0]["relationships"]["plan_times"]["data"]] == times[1:]
    deep.delete("service_type", service_type)
    assert times[1] not in deep.truth("plan_time")


def test_a_singleton_below_a_parent_is_an_object_or_not_found(
    deep: RunningSimulator, answer: Callable[[str], httpx.Response]
) -> None:
    gift = deep.create("donation", {"amount_cents": 5000})
    path = f"/giving/v2/donations/{gift}/refund"
    assert answer(path).status_code == 404
    refund = deep.create("refund", {"amount_cents": -5000}, {"donation": gift})
    part = deep.create("designation_refund", {"amount_cents": -5000}, {"refund": refund})
    assert answer(path).json()["data"]["id"] == refund
    assert [one["id"] for one in answer(f"{path}/designation_refunds").json()["data"]] == [part]
    assert answer(f"{path}/designation_refunds/{part}").json()["data"]["id"] == part


def test_an_include_of_two_levels_is_concatenated_on_the_primary_record(
    deep: RunningSimulator, ask: Callable[[str], Any]
) -> None:
    plain, refunded = (deep.create("donation", {"amount_cents": 5000}) for _ in range(2))
    refund = deep.create("refund", {"amount_cents": -5000}, {"donation": refunded})
    parts = [deep.create("designation_refund", {"amount_cents": -2500}, {"refund": refund}) for _ in range(2)]
    include = "include=refund.designation_refunds"
    whole = ask(f"/giving/v2/donations/{refunded}?{include}")
    shown = whole["data"]["relationships"]
    assert shown["refund"]["data"] == {"type": "Refund", "id": refund}
    assert [one["id"] for one in shown["designation_refunds"]["data"]] == parts
    assert shown["designation_refunds"]["links"] == {"related": None}
    included = {(one["type"], one["id"]): one for one in whole["included"]}
    assert set(included) == {("Refund", refund), *(("DesignationRefund", part) for part in parts)}
    own = included["Refund", refund]["relationships"]["designation_refunds"]["data"]
    assert [one["id"] for one in own] == parts
    empty = ask(f"/giving/v2/donations/{plain}?{include}")["data"]["relationships"]
    assert empty["refund"]["data"] is None
    assert "designation_refunds" not in empty
    listing = f"/giving/v2/donations?per_page=100&order=-updated_at&{include}"
    assert refunded in {one["id"] for one in ask(listing)["data"]}
    more = deep.create("designation_refund", {"amount_cents": -1}, {"refund": refund})
    page = ask(listing)
    found = {one["id"]: one["relationships"] for one in page["data"]}[refunded]
    assert [one["id"] for one in found["designation_refunds"]["data"]] == [*parts, more]


def test_the_church_itself_is_an_object_at_the_root_of_its_product(ask: Callable[[str], Any]) -> None:
    for path in ("/giving/v2", "/giving/v2/"):
        record = ask(path)["data"]
        assert record["type"] == "Organization"
        assert set(record["attributes"]) == {"name", "time_zone"}


@pytest.mark.parametrize(
    ("entity", "hiding", "asked"),
    [
        ("song", {"hidden": True}, ["", "where[hidden]=true"]),
        ("media", {"archived_at": "2020-01-01T00:00:00Z"}, ["filter=archived", "filter=not_archived"]),
    ],
)
def test_a_listing_hides_what_only_a_selection_shows(
    deep: RunningSimulator, ask: Callable[[str], Any], entity: str, hiding: dict[str, Any], asked: list[str]
) -> None:
    shown = deep.create(entity, {"title": "New"})
    deep.create(entity, {"title": "Old", **hiding})
    path = {"song": "/services/v2/songs", "media": "/services/v2/media"}[entity]

    def ids(query: str) -> set[str]:
        return {record["id"] for record in ask(f"{path}?per_page=100&{query}")["data"]}

    truth = deep.truth(entity)
    (name,) = hiding
    visible = {i for i, one in truth.items() if not one.attributes[name]}
    assert shown in visible
    assert ids("") == visible != set(truth)
    assert set().union(*map(ids, asked)) == set(truth)


def test_plans_are_selected_by_the_clock(
    deep: RunningSimulator, ask: Callable[[str], Any], plan: tuple[str, str, str]
) -> None:
    service_type, advent, _ = plan
    deep.change("plan", advent, {"sort_date": "2999-01-01T00:00:00Z"})
    past = deep.create("plan", {"sort_date": "2001-01-01T00:00:00Z"}, {"service_type": service_type})
    path = f"/services/v2/service_types/{service_type}/plans"
    assert [record["id"] for record in ask(f"{path}?filter=future")["data"]] == [advent]
    assert [record["id"] for record in ask(f"{path}?filter=past")["data"]] == [past]
    assert len(ask(f"{path}?filter=unheard_of")["data"]) == 2


def test_a_product_out_of_reach_is_refused_whole(
    deep: RunningSimulator, answer: Callable[[str], httpx.Response]
) -> None:
    refusals: dict[ProductRefusal, int] = {"TRASH_PANDA": 401, "PELICAN": 401, "403": 403, "402": 402}
    for refusal, status in refusals.items():
        deep.refuse_products({"giving": refusal})
        found = answer("/giving/v2/donations")
        assert found.status_code == status
        assert refusal.isdecimal() or refusal in found.json()["errors"][0]["detail"]
        assert answer("/people/v2/people").status_code == answer("/current/v2/me").status_code == 200
    deep.refuse_products({})
    assert answer("/giving/v2/donations").status_code == 200
    with pytest.raises(UsageError, match="no product"):
        deep.refuse_products({"gardening": "403"})
