"""The control surface: what it lets happen shows in the API at once."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.simulator.conftest import Ask, Status


@pytest.fixture
def someone(moving: RunningSimulator) -> str:
    """Return the id of a person with everything, whom no other test uses."""
    person = moving.create("person", {"first_name": "Ana", "last_name": "Peña"})
    for entity, attributes in (
        ("email", {"address": "ana@example.org", "primary": True}),
        ("address", {"city": "Austin"}),
        ("phone_number", {"number": ""}),
    ):
        moving.create(entity, attributes, {"person": person})
    return person


def updated(moving: RunningSimulator, entity: str, identity: str) -> Any:
    return moving.truth(entity)[identity].attributes["updated_at"]


def test_truth_is_what_a_walk_finds(moving: RunningSimulator, ask: Ask) -> None:
    truth = moving.truth("household")
    seen: dict[str, Any] = {}
    for offset in range(0, len(truth), 100):
        seen |= {r["id"]: r for r in ask(f"/people/v2/households?per_page=100&offset={offset}")["data"]}
    assert list(seen) == list(truth)
    for identity, record in truth.items():
        assert record.attributes == seen[identity]["attributes"]
        people = seen[identity]["relationships"]["people"]["data"]
        assert record.relationships["people"] == [link["id"] for link in people]


def test_a_change_shows_in_every_form_and_place(moving: RunningSimulator, ask: Ask, someone: str) -> None:
    forms = ["", "?include=emails", "?fields[Person]=first_name", "?include=households.people"]
    path = f"/people/v2/people/{someone}"
    before = [ask(path + form)["data"]["attributes"]["first_name"] for form in forms]
    listed = f"/people/v2/people?where[id]={someone}&order=-updated_at&include=emails"
    ask(listed)
    moving.change("person", someone, {"first_name": "Zoë"})
    assert {*before} == {"Ana"}
    assert {ask(path + form)["data"]["attributes"]["first_name"] for form in forms} == {"Zoë"}
    assert ask(listed)["data"][0]["attributes"]["name"] == "Zoë Peña"


def test_a_changed_child_shows_where_it_is_included(moving: RunningSimulator, ask: Ask, someone: str) -> None:
    listed = f"/people/v2/people?where[id]={someone}&order=-updated_at&include=emails"
    email = ask(listed)["included"][0]["id"]
    moving.change("email", email, {"address": "new@example.org"})
    page = ask(listed)
    assert page["data"][0]["id"] == someone
    assert page["included"][0]["attributes"]["address"] == "new@example.org"


def test_stamps_never_go_back_and_are_newer_than_everything(moving: RunningSimulator, someone: str) -> None:
    newest = max(p.attributes["updated_at"] for p in moving.truth("person").values())
    moving.change("person", someone, {"grade": 3})
    first = updated(moving, "person", someone)
    moving.change("person", someone, {"grade": 4})
    assert newest <= first <= updated(moving, "person", someone)


def test_a_stamp_set_by_hand_stays_and_moves_now(moving: RunningSimulator, someone: str) -> None:
    moving.change("person", someone, {"updated_at": "2031-01-01T00:00:00Z"})
    assert updated(moving, "person", someone) == "2031-01-01T00:00:00Z"
    moving.change("person", someone, {"grade": 4})
    assert updated(moving, "person", someone) == "2031-01-01T00:00:00Z"


def test_blind_spots_change_without_a_stamp(moving: RunningSimulator, someone: str) -> None:
    before = updated(moving, "person", someone)
    moving.change("person", someone, {"medical_notes": "none"}, touch=False)
    assert updated(moving, "person", someone) == before
    assert moving.truth("person")[someone].attributes["medical_notes"] == "none"


def test_a_contact_stamps_its_person_too(moving: RunningSimulator, someone: str) -> None:
    email = next(i for i, e in moving.truth("email").items() if e.relationships["person"] == someone)
    moving.change("email", email, {"location": "Work"})
    assert updated(moving, "person", someone) == updated(moving, "email", email)


def test_the_email_that_stops_being_primary_is_not_stamped(moving: RunningSimulator, someone: str) -> None:
    old = next(i for i, e in moving.truth("email").items() if e.relationships["person"] == someone)
    before = updated(moving, "email", old)
    moving.create("email", {"address": "b@example.org", "primary": True}, {"person": someone})
    assert moving.truth("email")[old].attributes["primary"] is False
    assert updated(moving, "email", old) == before


def test_people_take_what_is_theirs_with_them(moving: RunningSimulator, status: Status, someone: str) -> None:
    emails = [i for i, e in moving.truth("email").items() if e.relationships["person"] == someone]
    moving.delete("person", someone)
    assert status(f"/people/v2/people/{someone}") == 404
    assert status(f"/people/v2/emails/{emails[0]}") == 404
    for entity in ("email", "address", "phone_number"):
        assert all(r.relationships["person"] != someone for r in moving.truth(entity).values())


def test_a_household_loses_who_goes_and_counts_again(moving: RunningSimulator) -> None:
    identity, household = next(
        (i, h) for i, h in moving.truth("household").items() if len(h.relationships["people"]) > 1
    )
    contact = household.relationships["primary_contact"]
    moving.delete("person", contact)
    left = moving.truth("household")[identity]
    assert contact not in left.relationships["people"]
    assert left.attributes["member_count"] == len(left.relationships["people"])
    assert (left.relationships["primary_contact"], left.attributes["primary_contact_id"]) == (None, None)
    assert left.attributes["updated_at"] == household.attributes["updated_at"]


def test_a_merge_moves_everything_and_is_told(moving: RunningSimulator, ask: Ask, status: Status, someone: str) -> None:
    other = moving.create("person", {"first_name": "Anna", "last_name": "Peña"})
    moving.create("email", {"address": "anna@example.org"}, {"person": other})
    moving.merge(keep=someone, remove=other)
    assert status(f"/people/v2/people/{other}") == 404
    addresses = {
        e.attributes["address"] for e in moving.truth("email").values() if e.relationships["person"] == someone
    }
    assert addresses == {"ana@example.org", "anna@example.org"}
    merger = ask(f"/people/v2/person_mergers?where[person_to_remove_id]={other}")["data"][0]
    assert merger["attributes"]["person_to_keep_id"] == int(someone)
    assert merger["relationships"]["person_to_remove"]["data"] == {"type": "Person", "id": other}
    created = merger["attributes"]["created_at"]
    assert ask(f"/people/v2/person_mergers?where[created_at][gte]={created}")["data"]


def test_moving_house_stamps_nobody(moving: RunningSimulator, ask: Ask, someone: str) -> None:
    first, second = list(moving.truth("household"))[:2]
    before = (updated(moving, "person", someone), updated(moving, "household", second))
    moving.move("person", someone, "households", first)
    moving.move("person", someone, "households", second)
    households = moving.truth("household")
    assert someone in households[second].relationships["people"]
    assert someone not in households[first].relationships["people"]
    assert (updated(moving, "person", someone), updated(moving, "household", second)) == before
    assert ask(f"/people/v2/people/{someone}?include=households")["included"][0]["id"] == second


def test_an_email_moves_to_another_person(moving: RunningSimulator, ask: Ask, someone: str) -> None:
    other = moving.create("person", {"first_name": "Ben"})
    email = next(i for i, e in moving.truth("email").items() if e.relationships["person"] == someone)
    ask(f"/people/v2/people/{someone}?include=emails")
    moving.move("email", email, "person", other)
    assert ask(f"/people/v2/people/{someone}?include=emails").get("included") is None
    assert ask(f"/people/v2/people/{other}?include=emails")["included"][0]["id"] == email


def test_ids_are_never_given_twice(moving: RunningSimulator) -> None:
    first = moving.create("campus", {"name": "East"})
    moving.delete("campus", first)
    assert int(moving.create("campus", {"name": "East"})) > int(first)


def test_random_mutations_keep_the_church_whole(moving: RunningSimulator, ask: Ask) -> None:
    done = moving.random(200, seed=3)
    assert len(set(done)) >= 6
    people = set(moving.truth("person"))
    for entity in ("email", "address", "phone_number"):
        assert {r.relationships["person"] for r in moving.truth(entity).values()} <= people
    assert {i for h in moving.truth("household").values() for i in h.relationships["people"]} <= people
    for order in ("", "order=updated_at", "order=-updated_at", "order=last_name"):
        offsets = range(0, len(people), 100)
        pages = [ask(f"/people/v2/people?per_page=100&offset={offset}&{order}")["data"] for offset in offsets]
        ids = [record["id"] for record in itertools.chain(*pages)]
        assert len(ids) == len(people)
        assert set(ids) == people


def test_random_mutations_follow_from_their_seed(manifest: Manifest) -> None:
    def histories() -> Iterator[tuple[list[str], list[str]]]:
        for _ in range(2):
            with running_simulator(SimulatorSettings(people=60), manifest) as simulator:
                done = simulator.random(40, seed=9)
                yield done, [p.attributes["name"] for p in simulator.truth("person").values()]

    first, second = histories()
    assert first == second


def test_requests_are_logged_and_the_control_surface_is_not(moving: RunningSimulator, ask: Ask) -> None:
    page = ask("/people/v2/people?per_page=7&where[child]=true")
    moving.counts()
    ask("/people/v2/people?per_page=7&where[child]=true")
    first, second = moving.requests()
    assert (first["sequence"], first["method"], first["path"], first["status"]) == (1, "GET", "/people/v2/people", 200)
    assert first["query"] == {"per_page": "7", "where[child]": "true"}
    assert first["count"] == len(page["data"])
    assert first["digest"] == second["digest"]
    moving.clear_requests()
    assert moving.requests() == []


def test_a_script_moves_the_source_between_two_pages(moving: RunningSimulator, ask: Ask) -> None:
    ids = list(moving.truth("campus"))
    moving.script(
        {
            2: [{"do": "change", "entity": "campus", "id": ids[0], "attributes": {"city": "Reykjavík"}}],
            3: [{"do": "create", "entity": "campus", "attributes": {"name": "West"}}],
        }
    )
    cities = [ask("/people/v2/campuses")["data"][0]["attributes"]["city"] for _ in range(2)]
    assert cities[0] != cities[1] == "Reykjavík"
    assert ask("/people/v2/campuses")["meta"]["total_count"] == len(ids) + 1
    assert ask("/people/v2/campuses")["meta"]["total_count"] == len(ids) + 1


def test_latency_is_added(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.set_latency(1)
    assert client.get(f"{moving.base_url}/people/v2/campuses").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.change("person", "1", {}),
        lambda s: s.create("robot"),
        lambda s: s.create("email", {"address": "a@example.org"}),
        lambda s: s.change("person", next(iter(s.truth("person"))), {"shoe_size": 44}),
        lambda s: s.move("person", next(iter(s.truth("person"))), "emails", "1"),
        lambda s: s.truth("robot"),
        lambda s: s.set_rate("fast"),
        lambda s: s.script({0: []}),
    ],
)
def test_an_impossible_action_is_rejected(
    moving: RunningSimulator, wrong: Callable[[RunningSimulator], object]
) -> None:
    with pytest.raises(UsageError, match="rejected"):
        wrong(moving)


def test_a_value_of_the_wrong_type_can_be_put_in(moving: RunningSimulator, ask: Ask, someone: str) -> None:
    moving.change("person", someone, {"birthdate": 17, "grade": "third", "updated_at": "soon"})
    assert ask(f"/people/v2/people/{someone}")["data"]["attributes"]["birthdate"] == 17
    first = ask("/people/v2/people?order=updated_at&per_page=1")["data"][0]
    assert first["attributes"]["updated_at"] == "soon"
    moving.delete("person", someone)
