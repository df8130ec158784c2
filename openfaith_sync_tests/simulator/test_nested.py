"""Entities that exist only below another one, and what their parents say of them."""

from collections import Counter

import httpx
import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.data.apps.population import populate
from openfaith_sync.simulator.data.ground_truth import TrueRecord, parse_truth, truth_lines
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, to_text
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync_tests.simulator.conftest import Ask, Status

HOUSEHOLD_MEMBERSHIPS, GROUP_MEMBERSHIPS = "household_membership", "group_membership"
Truth = dict[str, dict[str, TrueRecord]]
"""Every record, by entity and by id."""


@pytest.fixture(scope="module")
def filled(manifest: Manifest) -> Truth:
    """Return the truth of a church of four thousand, by entity."""
    world = populate(manifest, 4000, seed=1)
    return {name: parse_truth(b"\n".join(truth_lines(world, table))) for name, table in world.tables.items()}


@pytest.fixture
def family(moving: RunningSimulator) -> tuple[str, list[str]]:
    """Return a household of two whom no other test uses, and the two."""
    people = [moving.create("person", {"first_name": name, "last_name": "Ng"}) for name in ("Ruth", "Naomi")]
    return moving.create("household", {"name": "Ng Household"}, {"people": people}), people


@pytest.fixture
def group(moving: RunningSimulator) -> str:
    return moving.create("group", {"name": "Tuesday"})


def memberships(moving: RunningSimulator, entity: str, relationship: str, identity: str) -> dict[str, TrueRecord]:
    return {i: m for i, m in moving.truth(entity).items() if m.relationships[relationship] == identity}


def check_agreement(truth: Truth) -> None:
    """Check that parents say the same as the records below them."""
    people = truth["person"]
    below = truth[HOUSEHOLD_MEMBERSHIPS].values()
    found = Counter((m.relationships["household"], m.relationships["person"]) for m in below)
    listed = Counter((i, person) for i, h in truth["household"].items() for person in h.relationships["people"])
    assert found == listed
    assert all(count == 1 for count in found.values())
    for membership in truth[HOUSEHOLD_MEMBERSHIPS].values():
        assert membership.attributes["person_name"] == people[membership.relationships["person"]].attributes["name"]
    joined = [(m.relationships["group"], m.relationships["person"]) for m in truth[GROUP_MEMBERSHIPS].values()]
    assert len(set(joined)) == len(joined)
    counts = Counter(group for group, _ in joined)
    assert {i: g.attributes["memberships_count"] for i, g in truth["group"].items()} == {
        group: counts[group] for group in truth["group"]
    }
    assert {person for _, person in joined} <= set(people)


def read_all(simulator: RunningSimulator) -> Truth:
    return {name: simulator.truth(name) for name in simulator.counts()}


def test_memberships_agree_with_what_households_and_groups_say(filled: Truth) -> None:
    check_agreement(filled)
    assert len(filled[GROUP_MEMBERSHIPS]) > 500


@pytest.mark.parametrize("people", [0, 1, 2, 7, 41])
def test_they_agree_in_small_churches_too(manifest: Manifest, people: int) -> None:
    world = populate(manifest, people, seed=2)
    check_agreement({name: parse_truth(b"\n".join(truth_lines(world, table))) for name, table in world.tables.items()})


def test_memberships_are_lifelike(filled: Truth) -> None:
    households = [m.attributes for m in filled[HOUSEHOLD_MEMBERSHIPS].values()]
    assert {m["household_role"] for m in households} == {None, "child", "adult", "parent_or_guardian"}
    assert 0.01 < sum(m["pending"] for m in households) / len(households) < 0.06
    groups = [m.attributes for m in filled[GROUP_MEMBERSHIPS].values()]
    roles = Counter(m["role"] for m in groups)
    assert roles["member"] > 3 * roles["leader"] > 0
    assert all(m["joined_at"] < to_text(BASE_SECONDS) for m in groups)


def test_a_household_membership_is_listed_below_its_household_and_its_person(
    moving: RunningSimulator, ask: Ask, family: tuple[str, list[str]]
) -> None:
    household, people = family
    page = ask(f"/people/v2/households/{household}/household_memberships")
    assert page["meta"]["total_count"] == 2
    assert page["meta"]["parent"] == {"id": household, "type": "Household"}
    assert page["meta"]["can_include"] == ["household", "person"]
    record = page["data"][0]
    assert record["type"] == "HouseholdMembership"
    assert record["attributes"] == {"household_role": None, "pending": False, "person_name": "Ruth Ng"}
    assert record["relationships"] == {"person": {"data": {"type": "Person", "id": people[0]}}}
    own = f"/people/v2/households/{household}/household_memberships/{record['id']}"
    assert record["links"] == {"self": moving.base_url + own}
    assert ask(f"/people/v2/people/{people[0]}/household_memberships")["data"] == [record]
    single = ask(own)
    assert (single["data"]["attributes"], single["data"]["relationships"]) == (
        record["attributes"],
        record["relationships"],
    )
    assert single["meta"]["parent"] == {"id": household, "type": "Household"}
    truth = moving.truth(HOUSEHOLD_MEMBERSHIPS)[record["id"]]
    assert truth.relationships == {"household": household, "person": people[0]}
    included = ask(f"/people/v2/households/{household}/household_memberships?include=person")["included"]
    assert [person["id"] for person in included] == people


def test_there_is_no_way_to_it_but_below_its_parent(
    moving: RunningSimulator, status: Status, family: tuple[str, list[str]]
) -> None:
    household, _ = family
    membership = next(iter(memberships(moving, HOUSEHOLD_MEMBERSHIPS, "household", household)))
    other = next(iter(moving.truth("household")))
    for path in (
        "/people/v2/household_memberships",
        f"/people/v2/household_memberships/{membership}",
        "/people/v2/households/{parent}/household_memberships",
        f"/people/v2/households/{other}/household_memberships/{membership}",
        "/groups/v2/memberships",
        "/people/v2/households/1/household_memberships",
    ):
        assert status(path) == 404, path


def test_a_group_membership_names_its_group_and_its_person(
    moving: RunningSimulator, ask: Ask, status: Status, group: str, family: tuple[str, list[str]]
) -> None:
    _, (person, _) = family
    membership = moving.create(GROUP_MEMBERSHIPS, {"role": "leader"}, {"group": group, "person": person})
    page = ask(f"/groups/v2/groups/{group}/memberships")
    assert page["meta"]["parent"] == {"id": group, "type": "Group"}
    [record] = page["data"]
    assert (record["type"], record["id"], record["attributes"]["role"]) == ("Membership", membership, "leader")
    assert set(record["attributes"]) == {"joined_at", "role"}
    assert record["relationships"] == {
        "group": {"data": {"type": "Group", "id": group}},
        "person": {"data": {"type": "Person", "id": person}},
    }
    assert record["links"]["self"].endswith(f"/groups/v2/groups/{group}/memberships/{membership}")
    assert status(f"/groups/v2/groups/{group}/memberships/{membership}") == 200
    assert status(f"/people/v2/people/{person}/memberships") == 404


def test_joining_and_leaving_a_household_makes_and_ends_a_membership(
    moving: RunningSimulator, family: tuple[str, list[str]]
) -> None:
    household, (ruth, naomi) = family
    before = memberships(moving, HOUSEHOLD_MEMBERSHIPS, "household", household)
    stamp = "2020-01-01T00:00:00Z"
    moving.change("household", household, {"updated_at": stamp})
    moving.move("person", naomi, "households", None)
    moving.move("person", naomi, "households", household)
    after = memberships(moving, HOUSEHOLD_MEMBERSHIPS, "household", household)
    assert {m.relationships["person"] for m in after.values()} == {ruth, naomi}
    assert len(set(after) & set(before)) == 1
    moving.change("household", household, {}, {"people": [ruth]})
    left = memberships(moving, HOUSEHOLD_MEMBERSHIPS, "household", household)
    assert [m.relationships["person"] for m in left.values()] == [ruth]
    assert moving.truth("household")[household].attributes["member_count"] == 1
    assert moving.truth("household")[household].attributes["updated_at"] == stamp


def test_a_membership_made_changed_and_removed_shows_in_its_household(
    moving: RunningSimulator, client: httpx.Client, ask: Ask, family: tuple[str, list[str]]
) -> None:
    household, (ruth, naomi) = family
    other = moving.create("household", {"name": "Other"})
    third = moving.create("person", {"first_name": "Orpah"})
    linked = {"person": {"data": {"type": "Person", "id": third}}}
    below = f"{moving.base_url}/people/v2/households/{household}/household_memberships"
    body = {"data": {"type": "HouseholdMembership", "attributes": {"pending": True}, "relationships": linked}}
    made = client.post(below, json=body)
    assert made.status_code == 201
    number = made.json()["data"]["id"]

    def people(identity: str) -> list[str]:
        return list(moving.truth("household")[identity].relationships["people"])

    assert people(household) == [ruth, naomi, third]
    assert client.post(below, json=body).status_code == 422
    moving.change(HOUSEHOLD_MEMBERSHIPS, number, {}, {"household": other})
    assert (people(household), people(other)) == ([ruth, naomi], [third])
    path = f"/people/v2/households/{other}/household_memberships/{number}"
    assert ask(path)["data"]["links"]["self"] == moving.base_url + path
    assert client.delete(moving.base_url + path).status_code == 204
    assert people(other) == []
    check_agreement(read_all(moving))


def test_a_new_name_shows_in_memberships(moving: RunningSimulator, ask: Ask, family: tuple[str, list[str]]) -> None:
    household, (ruth, _) = family
    moving.change("person", ruth, {"nickname": "Ruthie"})
    page = ask(f"/people/v2/households/{household}/household_memberships")
    assert page["data"][0]["attributes"]["person_name"] == "Ruthie Ng"


def test_a_group_counts_who_joins_and_leaves(
    moving: RunningSimulator, group: str, family: tuple[str, list[str]]
) -> None:
    _, (ruth, naomi) = family

    def counted() -> int:
        return int(moving.truth("group")[group].attributes["memberships_count"])

    assert counted() == 0
    first, _ = (moving.create(GROUP_MEMBERSHIPS, {}, {"group": group, "person": person}) for person in (ruth, naomi))
    assert counted() == 2
    assert moving.truth(GROUP_MEMBERSHIPS)[first].attributes["role"] == "member"
    with pytest.raises(UsageError, match="already"):
        moving.create(GROUP_MEMBERSHIPS, {}, {"group": group, "person": ruth})
    moving.delete(GROUP_MEMBERSHIPS, first)
    assert counted() == 1
    moving.delete("person", naomi)
    assert counted() == 0
    assert memberships(moving, GROUP_MEMBERSHIPS, "group", group) == {}


def test_a_merge_leaves_nobody_in_a_group_or_household_twice(
    moving: RunningSimulator, group: str, family: tuple[str, list[str]]
) -> None:
    household, (keep, remove) = family
    other = moving.create("group", {"name": "Wednesday"})
    for where, who in ((group, keep), (group, remove), (other, remove)):
        moving.create(GROUP_MEMBERSHIPS, {}, {"group": where, "person": who})
    moving.merge(keep, remove)
    for entity, relationship, parent in (
        (GROUP_MEMBERSHIPS, "group", group),
        (GROUP_MEMBERSHIPS, "group", other),
        (HOUSEHOLD_MEMBERSHIPS, "household", household),
    ):
        found = memberships(moving, entity, relationship, parent)
        assert [m.relationships["person"] for m in found.values()] == [keep]
    check_agreement(read_all(moving))


def test_what_is_below_a_parent_goes_with_it(
    moving: RunningSimulator, group: str, family: tuple[str, list[str]]
) -> None:
    household, (ruth, _) = family
    moving.create(GROUP_MEMBERSHIPS, {}, {"group": group, "person": ruth})
    moving.delete("group", group)
    moving.delete("household", household)
    assert memberships(moving, GROUP_MEMBERSHIPS, "group", group) == {}
    assert memberships(moving, HOUSEHOLD_MEMBERSHIPS, "household", household) == {}
    assert ruth in moving.truth("person")


def test_long_random_times_keep_parents_and_memberships_agreed(moving: RunningSimulator) -> None:
    done = moving.random(400, seed=11)
    assert {"join group", "leave group", "create group", "change group", "create event", "create household"} <= set(
        done
    )
    check_agreement(read_all(moving))
    groups = set(moving.truth("group"))
    assert {event.relationships["group"] for event in moving.truth("event").values()} <= groups
