"""pypco 1.2.0, an independent client written for the real source."""

import warnings
from collections.abc import Iterator

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest

with warnings.catch_warnings():
    # requests complains about the versions of libraries beside it.
    warnings.filterwarnings("ignore", message="urllib3 .* doesn't match a supported version")
    import pypco

from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator


@pytest.fixture(scope="module")
def still(manifest: Manifest) -> Iterator[RunningSimulator]:
    """A church at a version that sends every key, which is all that this client can read."""
    with running_simulator(SimulatorSettings(people=230, rate=None, left_out=()), manifest) as simulator:
        yield simulator


@pytest.fixture
def pco(still: RunningSimulator) -> pypco.PCO:
    return pypco.PCO("demo", "demo", api_base=still.base_url, timeout=5, timeout_retries=1)


@pytest.mark.parametrize("per_page", [7, 25, 100])
@pytest.mark.parametrize("order", [None, "updated_at", "-updated_at", "last_name,-created_at"])
def test_iterate_finds_every_person_once(
    pco: pypco.PCO, still: RunningSimulator, per_page: int, order: str | None
) -> None:
    asked = {"order": order} if order else {}
    found = [record["data"]["id"] for record in pco.iterate("/people/v2/people", per_page=per_page, **asked)]
    assert sorted(found) == sorted(still.truth("person"))


@pytest.mark.parametrize("path", ["people/v2/households", "people/v2/emails", "groups/v2/groups", "groups/v2/events"])
def test_iterate_finds_every_record_of_an_entity_once(pco: pypco.PCO, still: RunningSimulator, path: str) -> None:
    entity = path.rsplit("/", 1)[1].removesuffix("s")
    assert [record["data"]["id"] for record in pco.iterate(f"/{path}", per_page=50)] == list(still.truth(entity))


def test_iterate_hands_out_includes_with_their_record(pco: pypco.PCO, still: RunningSimulator) -> None:
    truth = still.truth("email")
    found: dict[str, str] = {}
    for record in pco.iterate("/people/v2/people", include="emails,primary_campus,households", per_page=100):
        emails = [one for one in record["included"] if one["type"] == "Email"]
        found |= {email["id"]: record["data"]["id"] for email in emails}
    assert found == {identity: email.relationships["person"] for identity, email in truth.items()}


def test_iterate_with_a_filter(pco: pypco.PCO, still: RunningSimulator) -> None:
    asked = {"where[status]": "inactive", "where[updated_at][gt]": "2016-01-01T00:00:00Z"}
    found = [record["data"]["id"] for record in pco.iterate("/people/v2/people", include="emails", **asked)]
    truth = {i: p.attributes for i, p in still.truth("person").items()}
    wanted = [i for i, a in truth.items() if a["status"] == "inactive" and a["updated_at"] > "2016-01-01T00:00:00Z"]
    assert found == wanted != []


def test_get_and_a_missing_record(pco: pypco.PCO, still: RunningSimulator) -> None:
    first = next(iter(still.truth("person")))
    assert pco.get(f"/people/v2/people/{first}", include="emails")["data"]["id"] == first
    with pytest.raises(pypco.PCORequestException) as caught:
        pco.get("/people/v2/people/1")
    assert caught.value.status_code == 404


def test_writes(moving: RunningSimulator) -> None:
    pco = pypco.PCO("demo", "demo", api_base=moving.base_url)
    made = pco.post("/people/v2/people", payload=pco.template("Person", {"first_name": "Pat", "last_name": "Doe"}))
    path = f"/people/v2/people/{made['data']['id']}"
    changed = pco.patch(path, payload=pco.template("Person", {"nickname": "Patty"}))
    assert changed["data"]["attributes"]["nickname"] == "Patty"
    assert pco.delete(path).status_code == 204


def test_a_client_that_waits_gets_through_the_limit(moving: RunningSimulator) -> None:
    pco = pypco.PCO("demo", "demo", api_base=moving.base_url)
    moving.set_rate("2/1")
    assert [pco.get("/people/v2/campuses")["meta"]["count"] > 0 for _ in range(3)] == [True] * 3
    assert 429 in [request["status"] for request in moving.requests()]
