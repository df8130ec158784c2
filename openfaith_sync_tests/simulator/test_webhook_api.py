"""Managing subscriptions through the API."""

from collections.abc import Callable

import httpx
import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync_tests.simulator.conftest import Send

PERSON_CREATED = "people.v2.events.person.created"
URL = "https://receiver.example.org/hooks"


@pytest.fixture
def send(moving: RunningSimulator, client: httpx.Client) -> Send:
    def ask(method: str, path: str, body: object = None) -> httpx.Response:
        return client.request(method, f"{moving.base_url}/webhooks/v2{path}", json=body)

    return ask


@pytest.fixture
def subscribe(send: Send) -> Callable[..., httpx.Response]:
    def create(name: str = PERSON_CREATED, url: object = URL, **more: object) -> httpx.Response:
        return send("POST", "/subscriptions", {"data": {"attributes": {"name": name, "url": url, **more}}})

    return create


def test_every_event_that_the_manifest_names_can_be_subscribed_to(send: Send, manifest: Manifest) -> None:
    found = send("GET", "/available_events?per_page=100").json()
    names = [row["attributes"]["name"] for row in found["data"]]
    assert {name for entity in manifest.entities.values() for name in entity.webhooks} <= set(names)
    assert "people.v2.events.person_merger.created" in names
    row = found["data"][names.index("people.v2.events.phone_number.destroyed")]
    assert row["type"] == "AvailableEvent"
    assert row["attributes"] == {
        "action": "destroyed",
        "app": "people",
        "name": "people.v2.events.phone_number.destroyed",
        "resource": "phone_number",
        "type": "events",
        "version": "v2",
    }


@pytest.mark.parametrize("slug", ["subscriptions", "webhook_subscriptions"])
def test_a_subscription_is_made_read_changed_and_removed(send: Send, slug: str) -> None:
    body = {
        "data": {"type": "WebhookSubscription", "attributes": {"name": PERSON_CREATED, "url": URL, "active": False}}
    }
    made = send("POST", f"/{slug}", body)
    assert made.status_code == 201
    record = made.json()["data"]
    assert record["type"] == "WebhookSubscription"
    assert record["links"]["self"].endswith(f"/webhooks/v2/subscriptions/{record['id']}")
    attributes = record["attributes"]
    assert (attributes["name"], attributes["url"], attributes["active"]) == (PERSON_CREATED, URL, False)
    assert len(bytes.fromhex(attributes["authenticity_secret"])) == 32
    assert isinstance(attributes["application_id"], int)
    path = f"/{slug}/{record['id']}"
    assert send("GET", path).json()["data"] == record
    changed = send("PATCH", path, {"data": {"attributes": {"active": True, "url": f"{URL}/2"}}})
    assert (changed.status_code, changed.json()["data"]["attributes"]["active"]) == (200, True)
    assert changed.json()["data"]["attributes"]["url"] == f"{URL}/2"
    removed = send("DELETE", path)
    assert (removed.status_code, removed.content) == (204, b"")
    assert [send(method, path, {}).status_code for method in ("GET", "PATCH", "DELETE")] == [404, 404, 404]


def test_subscriptions_are_listed_in_pages(send: Send, subscribe: Callable[..., httpx.Response]) -> None:
    ids = [subscribe(url=f"{URL}/{place}").json()["data"]["id"] for place in range(5)]
    first = send("GET", "/subscriptions?per_page=3").json()
    assert [row["id"] for row in first["data"]] == ids[:3]
    assert first["meta"]["total_count"] == 5
    assert first["meta"]["can_query_by"] == ["application_id"]
    assert first["meta"]["parent"]["type"] == "Organization"
    assert first["included"] == []
    second = send("GET", first["links"]["next"].partition("/webhooks/v2")[2]).json()
    assert [row["id"] for row in second["data"]] == ids[3:]
    assert "next" not in second["links"]


def test_each_subscription_has_a_secret_and_can_have_another(
    send: Send, subscribe: Callable[..., httpx.Response]
) -> None:
    one, two = (subscribe(url=f"{URL}/{place}").json()["data"] for place in range(2))
    assert one["attributes"]["authenticity_secret"] != two["attributes"]["authenticity_secret"]
    rotated = send("POST", f"/subscriptions/{one['id']}/rotate_secret").json()["data"]
    assert rotated["attributes"]["authenticity_secret"] != one["attributes"]["authenticity_secret"]
    assert send("GET", f"/subscriptions/{one['id']}").json()["data"] == rotated


@pytest.mark.parametrize(
    ("attributes", "parameter"),
    [
        ({"name": "people.v2.events.robot.created"}, "name"),
        ({"name": ""}, "name"),
        ({"url": ""}, "url"),
        ({"url": "receiver"}, "url"),
        ({"url": "http://[receiver"}, "url"),
        ({"url": "http://receiver:99999/hooks"}, "url"),
        ({"url": 7}, "url"),
        ({"active": "maybe"}, "active"),
        ({"authenticity_secret": "mine"}, "authenticity_secret"),
    ],
)
def test_a_wrong_subscription_is_refused(
    subscribe: Callable[..., httpx.Response], send: Send, attributes: dict[str, str | int], parameter: str
) -> None:
    answer = subscribe(**attributes)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["source"] == {"parameter": parameter}
    assert send("GET", "/subscriptions").json()["data"] == []


def test_the_same_name_and_url_are_subscribed_once(subscribe: Callable[..., httpx.Response], send: Send) -> None:
    first = subscribe().json()["data"]
    assert subscribe().status_code == 422
    other = subscribe(url=f"{URL}/other").json()["data"]
    clash = send("PATCH", f"/subscriptions/{other['id']}", {"data": {"attributes": {"url": URL}}})
    assert clash.status_code == 422
    itself = send("PATCH", f"/subscriptions/{first['id']}", {"data": {"attributes": {"url": URL}}})
    assert itself.status_code == 200


def test_a_body_without_data_and_an_unknown_path_are_errors(
    send: Send, subscribe: Callable[..., httpx.Response]
) -> None:
    assert send("POST", "/subscriptions", {"name": PERSON_CREATED}).status_code == 400
    number = subscribe().json()["data"]["id"]
    assert send("PATCH", f"/subscriptions/{number}", {}).status_code == 400
    for path in ("/robots", "/subscriptions/1", f"/subscriptions/{number}/robots", f"/subscriptions/{number}/events/1"):
        assert send("GET", path).status_code == 404


def test_requests_for_webhooks_are_counted_guarded_and_versioned(
    moving: RunningSimulator, client: httpx.Client, send: Send
) -> None:
    assert client.get(f"{moving.base_url}/webhooks/v2/subscriptions", auth=("demo", "wrong")).status_code == 401
    moving.set_rate("2/60")
    answers = [send("GET", "/subscriptions") for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[0].headers["x-pco-api-processed-as-version"] == "2022-10-20"


def test_what_there_was_to_tell_can_be_looked_up(
    moving: RunningSimulator, send: Send, subscribe: Callable[..., httpx.Response]
) -> None:
    path = f"/subscriptions/{subscribe(url='http://127.0.0.1:9/nobody').json()['data']['id']}/events"
    people = [moving.create("person", {"first_name": f"Ruth {place}"}) for place in range(3)]
    found = send("GET", path).json()
    assert found["meta"]["total_count"] == 3
    assert found["meta"]["can_query_by"] == ["status", "uuid"]
    assert [row["type"] for row in found["data"]] == ["Event"] * 3
    assert [row["id"] for row in send("GET", f"{path}?order=-created_at").json()["data"]] == [
        row["id"] for row in found["data"][::-1]
    ]
    event = found["data"][1]
    assert f'"id":"{people[1]}"' in event["attributes"]["payload"]
    assert send("GET", f"{path}?where[uuid]={event['attributes']['uuid']}").json()["data"][0]["id"] == event["id"]
    assert send("GET", f"{path}?where[status]=delivered").json()["data"] == []
    assert send("GET", f"{path}/{event['id']}").json()["data"]["id"] == event["id"]
