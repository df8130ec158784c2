"""Deliveries: how events arrive, and what happens when they do not."""

import hashlib
import hmac
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.events.webhook_sender import RETRY_SECONDS
from openfaith_sync.simulator.server.server import (
    DeliveryFaults,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from openfaith_sync_tests.simulator.receiver import Receiver

PERSON_CREATED = "people.v2.events.person.created"
QUICK = 0.0002
"""So that the first retry comes after 6 ms."""


Subscribed = Callable[..., Any]
"""Reads a subscription, or what lies below it."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


@pytest.fixture
def subscribe(moving: RunningSimulator, client: httpx.Client) -> Callable[..., Subscribed]:
    """Subscribe, and give a function that reads the subscription and its events."""
    base = f"{moving.base_url}/webhooks/v2/subscriptions"

    def create(url: str, name: str = PERSON_CREATED) -> Subscribed:
        made = client.post(base, json={"data": {"attributes": {"name": name, "url": url}}}).json()["data"]
        return lambda below="": client.get(f"{base}/{made['id']}{below}").json()["data"]

    return create


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def create_people(moving: RunningSimulator, count: int) -> None:
    """Create people at one moment of the simulator's clock."""
    action = {"do": "create", "entity": "person", "attributes": {"first_name": "Ruth"}}
    moving.script({1: [action] * count})


@pytest.fixture
def crowd(moving: RunningSimulator, client: httpx.Client) -> Callable[[int], None]:
    def come(count: int) -> None:
        create_people(moving, count)
        client.get(f"{moving.base_url}/people/v2/campuses")

    return come


def test_a_delivery_has_the_body_and_headers_of_the_source(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    subscription = subscribe(receiver.url)
    person = moving.create("person", {"first_name": "Ruth"})
    moving.wait_delivered()
    [received] = receiver.received
    assert received.path == "/hooks"
    document = json.loads(received.body)
    assert list(document) == ["data"]
    [event] = document["data"]
    listed = subscription("/events")[0]
    assert set(event) == {"id", "type", "attributes", "relationships"}
    assert (event["id"], event["type"]) == (listed["attributes"]["uuid"], "EventDelivery")
    payload = listed["attributes"]["payload"]
    assert event["attributes"] == {"name": PERSON_CREATED, "attempt": 1, "payload": payload}
    assert json.loads(payload)["data"]["id"] == person
    organization = event["relationships"]["organization"]["data"]
    assert organization == {"type": "Organization", "id": json.loads(payload)["meta"]["parent"]["id"]}
    headers = received.headers
    assert headers["content-type"] == "application/json"
    assert headers["x-pco-webhooks-event-id"] == listed["id"]
    assert headers["x-pco-webhooks-event"] == event["id"]
    assert headers["x-pco-webhooks-name"] == PERSON_CREATED
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", headers["x-pco-webhooks-event-time"])
    assert listed["attributes"]["status"] == "delivered"


def test_the_signature_is_of_the_raw_body_with_the_newest_secret(
    moving: RunningSimulator, client: httpx.Client, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    subscription = subscribe(receiver.url)
    secrets = [subscription()["attributes"]["authenticity_secret"]]
    moving.create("person", {"first_name": "Ruth"})
    moving.wait_delivered()
    client.post(f"{moving.base_url}/webhooks/v2/subscriptions/{subscription()['id']}/rotate_secret")
    secrets.append(subscription()["attributes"]["authenticity_secret"])
    moving.create("person", {"first_name": "Ruth"})
    moving.wait_delivered()
    for received, secret in zip(receiver.received, secrets, strict=True):
        signed = hmac.new(secret.encode(), received.body, hashlib.sha256).hexdigest()
        assert received.headers["x-pco-webhooks-authenticity"] == signed


def test_without_trouble_everything_comes_once_and_in_order(
    subscribe: Callable[..., Subscribed], receiver: Receiver, crowd: Callable[[int], None], moving: RunningSimulator
) -> None:
    subscription = subscribe(receiver.url)
    crowd(20)
    moving.wait_delivered()
    assert receiver.uuids == [event["attributes"]["uuid"] for event in subscription("/events?per_page=100")]
    assert len(receiver.received) == 20


def test_what_is_not_taken_comes_again_with_the_next_attempt(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    moving.set_webhook_retry_scale(QUICK)
    subscription = subscribe(receiver.url)
    receiver.statuses.extend([500, 302, 404])
    moving.create("person", {"first_name": "Ruth"})
    moving.wait_delivered()
    assert [one.events[0]["attributes"]["attempt"] for one in receiver.received] == [1, 2, 3, 4]
    assert len(set(receiver.uuids)) == 1
    assert [one["status"] for one in moving.deliveries()] == [500, 302, 404, 204]
    assert subscription("/events")[0]["attributes"]["status"] == "delivered"
    assert subscription()["attributes"]["active"] is True


def test_the_wait_for_the_first_retry_is_half_a_minute_unless_it_is_scaled(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    moving.set_webhook_retry_scale(1)
    subscription, before = subscribe(receiver.url), moving.webhooks()["attempts"]
    receiver.statuses.append(500)
    moving.create("person", {"first_name": "Ruth"})
    until(lambda: moving.webhooks()["attempts"] > before)
    with pytest.raises(UsageError, match="still outstanding"):
        moving.wait_delivered(timeout_seconds=0.1)
    assert len(receiver.received) == 1
    assert subscription("/events")[0]["attributes"]["status"] == "failed"
    assert RETRY_SECONDS[:3] == (30, 60, 120)
    assert len(RETRY_SECONDS) == 16
    assert sum(RETRY_SECONDS) == pytest.approx(5.4 * 86_400, rel=0.02)


def test_a_receiver_that_never_answers_well_loses_its_subscription(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed]
) -> None:
    moving.set_webhook_retry_scale(0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/hooks"
    subscription = subscribe(url)
    moving.create("person", {"first_name": "Ruth"})
    moving.wait_delivered()
    attempts = moving.deliveries()
    assert [one["attempt"] for one in attempts] == list(range(1, 18))
    assert {one["status"] for one in attempts} == {None}
    assert subscription()["attributes"]["active"] is False
    assert moving.webhooks()["subscriptions"] == 0


def test_a_receiver_that_is_gone_loses_its_subscription_at_once(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver, crowd: Callable[[int], None]
) -> None:
    subscription = subscribe(receiver.url)
    receiver.statuses.append(410)
    crowd(3)
    moving.wait_delivered()
    assert len(receiver.received) == 1
    assert subscription()["attributes"]["active"] is False
    assert [event["attributes"]["status"] for event in subscription("/events")] == ["failed", "skipped", "skipped"]
    moving.create("person", {"first_name": "Ruth"})
    assert len(subscription("/events")) == 3


def test_a_receiver_that_does_not_answer_keeps_no_other_one_waiting(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        subscribe(f"http://127.0.0.1:{silent.getsockname()[1]}/hooks")
        subscribe(receiver.url, "people.v2.events.person.updated")
        person = moving.create("person", {"first_name": "Ruth"})
        with silent.accept()[0]:
            before = moving.webhooks()["attempts"]
            moving.change("person", person, {"first_name": "Naomi"})
            until(lambda: moving.webhooks()["attempts"] > before)
            assert receiver.names == ["people.v2.events.person.updated"]
            moving.reset_webhooks()


def test_a_lost_event_is_listed_and_never_comes(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver, crowd: Callable[[int], None]
) -> None:
    moving.set_delivery_faults(DeliveryFaults(lost_share=0.5))
    subscription = subscribe(receiver.url)
    crowd(40)
    moving.wait_delivered()
    events = subscription("/events?per_page=100")
    missed = {event["attributes"]["uuid"] for event in events} - set(receiver.uuids)
    assert 5 < len(missed) < 35
    pending = subscription("/events?per_page=100&where[status]=pending")
    assert {event["attributes"]["uuid"] for event in pending} == missed


def test_some_events_come_twice(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver, crowd: Callable[[int], None]
) -> None:
    moving.set_delivery_faults(DeliveryFaults(duplicate_share=0.5))
    subscribe(receiver.url)
    crowd(40)
    moving.wait_delivered()
    assert len(set(receiver.uuids)) == 40
    assert 45 < len(receiver.uuids) < 75
    bodies = [one.body for one in receiver.received]
    assert len(set(bodies)) == 40


def test_disorder_shuffles_what_happens_within_its_window(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver, crowd: Callable[[int], None]
) -> None:
    moving.set_delivery_faults(DeliveryFaults(disorder_seconds=0.2))
    subscription = subscribe(receiver.url)
    crowd(20)
    moving.wait_delivered()
    in_order = [event["attributes"]["uuid"] for event in subscription("/events?per_page=100")]
    assert receiver.uuids != in_order
    assert sorted(receiver.uuids) == sorted(in_order)


def test_deliveries_are_delayed(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    subscribe(receiver.url)
    moving.create("person", {"first_name": "Ruth"})
    moving.wait_delivered()
    moving.set_delivery_faults(DeliveryFaults(delay_seconds=(0.3, 0.4)))
    moving.create("person", {"first_name": "Naomi"})
    moving.wait_delivered()
    first, second = (one["at_seconds"] for one in moving.deliveries())
    assert second - first > 0.29
    assert len(receiver.received) == 2


def test_several_events_come_in_one_body(
    moving: RunningSimulator, subscribe: Callable[..., Subscribed], receiver: Receiver, crowd: Callable[[int], None]
) -> None:
    moving.set_delivery_faults(DeliveryFaults(batch=4))
    subscription = subscribe(receiver.url)
    crowd(10)
    moving.wait_delivered()
    assert [len(one.events) for one in receiver.received] == [4, 4, 2]
    assert receiver.uuids == [event["attributes"]["uuid"] for event in subscription("/events")]
    assert receiver.received[0].headers["x-pco-webhooks-event"] == receiver.uuids[0]


def test_an_event_can_come_before_the_api_shows_the_record(
    moving: RunningSimulator, client: httpx.Client, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    moving.set_delivery_faults(DeliveryFaults(early_seconds=60))
    subscribe(receiver.url)
    listing = f"{moving.base_url}/people/v2/people?order=-updated_at&per_page=1"
    before = client.get(listing).json()
    person = moving.create("person", {"first_name": "Ruth"})
    path = f"{moving.base_url}/people/v2/people/{person}"
    until(lambda: bool(receiver.received))
    assert moving.webhooks()["hidden"] == 1
    assert receiver.received[0].payloads[0]["data"]["id"] == person
    assert client.get(path).status_code == 404
    assert client.get(listing).json() == before
    assert client.get(f"{listing}&where[id]={person}").json()["data"] == []
    assert person in moving.truth("person")
    moving.show_hidden()
    assert client.get(path).status_code == 200
    assert client.get(f"{listing}&where[id]={person}").json()["data"][0]["id"] == person
    after = client.get(listing).json()
    assert after["meta"]["total_count"] == before["meta"]["total_count"] + 1


def test_a_hidden_record_shows_when_its_time_has_passed(
    moving: RunningSimulator, client: httpx.Client, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    moving.set_delivery_faults(DeliveryFaults(early_seconds=0.1))
    subscribe(receiver.url)
    person = moving.create("person", {"first_name": "Ruth"})
    until(lambda: client.get(f"{moving.base_url}/people/v2/people/{person}").status_code == 200)
    moving.wait_delivered()
    assert moving.webhooks()["hidden"] == 0


def test_a_hidden_child_is_in_no_include_either(
    moving: RunningSimulator, client: httpx.Client, subscribe: Callable[..., Subscribed]
) -> None:
    moving.set_delivery_faults(DeliveryFaults(early_seconds=60))
    person = moving.create("person", {"first_name": "Ruth"})
    subscribe("http://127.0.0.1:9/nobody", "people.v2.events.email.created")
    moving.set_webhook_retry_scale(0)
    path = f"{moving.base_url}/people/v2/people/{person}"
    email = moving.create("email", {"address": "a@example.org"}, {"person": person})
    shown = client.get(f"{path}?include=emails").json()
    assert "included" not in shown
    assert shown["data"]["relationships"]["emails"]["data"] == []
    assert client.get(f"{path}/emails").json()["data"] == []
    moving.show_hidden()
    assert client.get(f"{path}?include=emails").json()["included"][0]["id"] == email
    assert client.get(f"{path}/emails").json()["data"][0]["id"] == email


def test_a_scenario_can_start_with_trouble_and_its_seed_repeats_it(manifest: Manifest, client: httpx.Client) -> None:
    trouble = DeliveryFaults(lost_share=0.2, duplicate_share=0.3, disorder_seconds=0.3, seed=4)
    settings = SimulatorSettings(people=10, delivery_faults=trouble, webhook_retry_scale=QUICK, rate=None)
    histories = []
    for _ in range(2):
        with Receiver() as receiver, running_simulator(settings, manifest) as simulator:
            body = {"data": {"attributes": {"name": PERSON_CREATED, "url": receiver.url}}}
            client.post(f"{simulator.base_url}/webhooks/v2/subscriptions", json=body)
            create_people(simulator, 30)
            client.get(f"{simulator.base_url}/people/v2/campuses")
            simulator.wait_delivered()
            histories.append(receiver.uuids)
    assert histories[0] == histories[1]
    assert len(histories[0]) != len(set(histories[0]))


def test_what_a_subscription_waits_for_ends_with_it(
    moving: RunningSimulator, client: httpx.Client, subscribe: Callable[..., Subscribed], receiver: Receiver
) -> None:
    moving.set_delivery_faults(DeliveryFaults(delay_seconds=(60, 60)))
    subscription = subscribe(receiver.url)
    moving.create("person", {"first_name": "Ruth"})
    assert moving.webhooks()["pending"] == 1
    path = f"{moving.base_url}/webhooks/v2/subscriptions/{subscription()['id']}"
    client.patch(path, json={"data": {"attributes": {"active": False}}})
    assert moving.webhooks()["pending"] == 0
    assert subscription("/events")[0]["attributes"]["status"] == "skipped"


@pytest.mark.parametrize(
    "wrong", [{"lost_share": 2}, {"delay_seconds": [3, 1]}, {"batch": 0}, {"rain": True}, {"early_seconds": -1}]
)
def test_invalid_delivery_faults_are_rejected(
    moving: RunningSimulator, wrong: dict[str, int | list[int] | bool]
) -> None:
    with pytest.raises(UsageError, match="rejected"):
        moving._call("POST", "webhooks", json=wrong)
