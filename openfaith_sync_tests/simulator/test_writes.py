"""Writes through the API, as pypco and others make them."""

import httpx
import pytest

from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync_tests.simulator.conftest import Send


@pytest.fixture
def send(moving: RunningSimulator, client: httpx.Client) -> Send:
    return lambda method, path, body=None: client.request(method, moving.base_url + path, json=body)


def payload(kind: str, attributes: dict[str, object], **relationships: str) -> dict[str, object]:
    linked = {name: {"data": {"type": "Person", "id": identity}} for name, identity in relationships.items()}
    return {"data": {"type": kind, "attributes": attributes, "relationships": linked}}


def test_a_record_is_made_changed_and_removed(send: Send) -> None:
    made = send("POST", "/people/v2/people", payload("Person", {"first_name": "Ruth", "last_name": "Ng"}))
    assert made.status_code == 201
    path = f"/people/v2/people/{made.json()['data']['id']}"
    changed = send("PATCH", path, payload("Person", {"nickname": "Ruthie"}))
    assert (changed.status_code, changed.json()["data"]["attributes"]["name"]) == (200, "Ruthie Ng")
    removed = send("DELETE", path)
    assert (removed.status_code, removed.content) == (204, b"")
    assert [send(method, path, {}).status_code for method in ("GET", "PATCH", "DELETE")] == [404, 404, 404]


def test_a_child_is_made_below_its_person_or_beside_it(send: Send, moving: RunningSimulator) -> None:
    person = moving.create("person", {"first_name": "Ruth"})
    below = send("POST", f"/people/v2/people/{person}/emails", payload("Email", {"address": "a@example.org"}))
    beside = send("POST", "/people/v2/emails", payload("Email", {"address": "b@example.org"}, person=person))
    for answer in (below, beside):
        assert answer.status_code == 201
        assert answer.json()["data"]["relationships"]["person"]["data"]["id"] == person


@pytest.mark.parametrize(
    ("path", "body", "parameter"),
    [
        ("/people/v2/people", payload("Person", {"last_name": "Ng"}), "first_name"),
        ("/people/v2/people", payload("Person", {"first_name": ""}), "first_name"),
        ("/people/v2/emails", payload("Email", {"address": "a@example.org"}), "person"),
    ],
)
def test_what_may_not_be_blank_is_refused(send: Send, path: str, body: dict[str, object], parameter: str) -> None:
    answer = send("POST", path, body)
    assert answer.status_code == 422
    problem = answer.json()["errors"][0]
    assert (problem["detail"], problem["source"]) == ("can't be blank", {"parameter": parameter})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/people/v2/people", payload("Person", {"first_name": "Ruth", "shoe_size": 44})),
        ("/people/v2/people", payload("Person", {"first_name": "Ruth"}, friend="1")),
        ("/people/v2/emails", payload("Email", {"address": "a@example.org"}, person="1")),
    ],
)
def test_what_cannot_be_assigned_is_refused_and_leaves_nothing(
    send: Send, moving: RunningSimulator, path: str, body: dict[str, object]
) -> None:
    before = moving.counts()
    assert send("POST", path, body).status_code == 422
    assert moving.counts() == before


def test_a_body_without_data_is_refused(send: Send) -> None:
    answer = send("POST", "/people/v2/people", {"attributes": {}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "invalid_resource_payload"
