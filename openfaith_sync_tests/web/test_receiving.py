"""What the receiver believes, stores and answers."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection, ConnectionStatus
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.connections.connections import add_connection, set_connection_status
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.webhooks.subscriptions import forget_subscriptions
from openfaith_sync_tests.store.making import fetch, run
from openfaith_sync_tests.web.conftest import Send
from openfaith_sync_tests.web.making import (
    EMAIL_CREATED,
    EMAIL_UPDATED,
    ORG,
    PCO,
    body,
    headers,
    part,
    subscribe,
)
from openfaith_sync_tests.web.receiver import Receiver, running_receiver

EVENTS = "SELECT event_id, name, entity, external_id, action, outcome FROM sync.webhook_events ORDER BY event_id"


def events(database: Database) -> list[tuple[Any, ...]]:
    return fetch(database, EVENTS)


def test_a_signed_delivery_is_stored_and_acknowledged(stored: Database, send: Send) -> None:
    subscribe(stored)
    answer = send(body(part("e-1")))
    assert (answer.status_code, answer.content) == (200, b"")
    assert events(stored) == [("e-1", EMAIL_UPDATED, "email", "7", "updated", None)]
    (found,) = fetch(stored, "SELECT payload, event_time::text, done_at, org_id FROM sync.webhook_events")
    assert found[0]["attributes"] == {"address": "a@example.org"}
    assert found[1:] == ("2026-06-01 12:00:00+00", None, ORG)


def test_several_events_in_one_body_are_stored_and_a_repeated_one_once(stored: Database, send: Send) -> None:
    subscribe(stored)
    content = body(part("e-1"), part("e-2"), part("e-1"))
    assert [send(content).status_code for _ in range(3)] == [200, 200, 200]
    assert send(body(part("e-2"), part("e-3"))).status_code == 200
    assert [event[0] for event in events(stored)] == ["e-1", "e-2", "e-3"]


def test_a_slash_at_the_end_of_the_url_changes_nothing(stored: Database, receiver: Receiver) -> None:
    subscribe(stored)
    content = body(part("e-1"))
    answer = httpx.post(f"{receiver.at(ORG)}/", content=content, headers=headers(content), trust_env=False)
    assert (answer.status_code, answer.content) == (200, b"")
    assert [event[0] for event in events(stored)] == ["e-1"]


def refusals(send: Send, receiver: Receiver) -> Iterator[httpx.Response]:
    content = body(part("e-1"))
    yield send(content, secret="wrong")
    yield send(content, org="nobody")
    yield send(content, adapter="unknown")
    yield send(content, org="Grace%20Church")
    yield send(content, org="x" * 64)
    yield send(content, name="no.such.name", secret="wrong")
    # Right at another org, here for this one.
    yield send(content, org="other-church", secret="56" * 32)
    yield send(b"", secret="wrong")
    yield httpx.post(receiver.at(ORG), content=content, trust_env=False)
    signed = headers(content)
    yield httpx.post(receiver.at(ORG), content=content + b" ", headers=signed, trust_env=False)
    signed["X-PCO-Webhooks-Authenticity"] = "\xe9" * 64
    yield httpx.post(
        receiver.at(ORG),
        content=content,
        headers={name.encode(): value.encode("latin-1") for name, value in signed.items()},
        trust_env=False,
    )


def test_every_refusal_is_the_same_answer_and_stores_nothing(stored: Database, receiver: Receiver, send: Send) -> None:
    subscribe(stored)
    subscribe(stored, secret="ab" * 32, org=OrgId("other-church"))
    answers = list(refusals(send, receiver))
    assert {answer.status_code for answer in answers} == {401}
    shown = {
        (answer.content, tuple((name, value) for name, value in answer.headers.items() if name != "date"))
        for answer in answers
    }
    assert len(shown) == 1, shown
    assert events(stored) == []
    log = (stored.keys.home / "receiver.log").read_text()
    assert "nobody" not in log


def test_what_cannot_be_read_is_kept_and_acknowledged(stored: Database, send: Send) -> None:
    subscribe(stored)
    broken = part("e-2")
    broken["attributes"]["payload"] = "{"
    for content in (b"not json", body(part("e-1"), broken, 5), b"[]"):  # type: ignore[arg-type]  # no part is 5
        assert send(content).status_code == 200
        assert send(content).status_code == 200
    found = events(stored)
    assert found[0] == ("e-1", EMAIL_UPDATED, "email", "7", "updated", None)
    assert [(e[2], e[5]) for e in found[1:]] == [("$unreadable", "malformed")] * 4
    kept = fetch(stored, "SELECT payload->>'content', done_at IS NULL FROM sync.webhook_events WHERE event_id <> 'e-1'")
    assert ("not json", False) in kept


def test_an_event_that_nobody_wants_is_acknowledged_and_named_in_the_log(stored: Database, send: Send) -> None:
    subscribe(stored)
    assert send(body(part("e-1", "people.v2.events.note.created"))).status_code == 200
    assert events(stored) == []
    log = (stored.keys.home / "receiver.log").read_text()
    assert "grace: ignored 1 event(s) named people.v2.events.note.created" in log


def test_a_subscription_made_meanwhile_is_believed_soon(database: Database) -> None:
    content = body(part("e-1"))
    deadline = time.monotonic() + 20
    with running_receiver(database, {"secrets_seconds": 3600}) as receiver, httpx.Client(trust_env=False) as client:

        def status() -> int:
            return client.post(receiver.at(ORG), content=content, headers=headers(content)).status_code

        assert status() == 401
        subscribe(database)
        # What is kept is looked at again when it matches no signature, at most once a second.
        while (found := status()) != 200:
            assert found in (401, 429)
            assert time.monotonic() < deadline


def test_a_secret_that_was_replaced_is_believed_until_its_time_is_over(stored: Database, send: Send) -> None:
    subscribe(stored, secret="old")
    subscribe(stored, EMAIL_CREATED, secret="another", number="2")

    def status(secret: str, name: str = EMAIL_UPDATED) -> int:
        return send(body(part("e-1")), name=name, secret=secret).status_code

    assert status("old") == 200
    subscribe(stored, secret="new")
    assert [status(secret) for secret in ("old", "new", "another")] == [200, 200, 401]
    # Kept again with the secret that is in force, it takes nothing from the one before.
    subscribe(stored, secret="new")
    assert status("old") == 200
    # A name that the manifest does not have may be any of the org's.
    assert [status(secret, "renamed") for secret in ("old", "new", "another", "x")] == [200, 200, 200, 401]
    run(stored, "UPDATE sync.webhook_subscriptions SET previous_until = now() - interval '1 s'")
    assert [status(secret) for secret in ("old", "new")] == [401, 200]
    forget_subscriptions(stored, ORG, PCO)
    assert status("new") == 401


def test_an_org_that_was_removed_is_received_for_no_more_though_its_secrets_are_still_known(database: Database) -> None:
    subscribe(database)
    with running_receiver(database, {"secrets_seconds": 3600}) as receiver, httpx.Client(trust_env=False) as client:

        def status(event_id: str) -> int:
            content = body(part(event_id))
            return client.post(receiver.at(ORG), content=content, headers=headers(content)).status_code

        assert status("e-1") == 200
        forget_subscriptions(database, ORG, PCO)
        run(database, "DELETE FROM sync.webhook_events")
        assert status("e-2") == 401
    assert events(database) == []


def test_a_paused_orgs_events_are_kept_for_when_it_goes_on(stored: Database, send: Send) -> None:
    add_connection(stored, Connection(ORG, PCO, "https://x.example", BasicCredentials("a", "b")))
    subscribe(stored)
    set_connection_status(stored, ORG, PCO, ConnectionStatus.PAUSED)
    assert send(body(part("e-1"))).status_code == 200
    assert len(events(stored)) == 1


def test_a_key_that_is_missing_is_no_refusal(database: Database) -> None:
    subscribe(database)
    other = SecretKeys(database.keys.home, (Fernet.generate_key().decode(),))
    with running_receiver(replace(database, keys=other)) as receiver:
        content = body(part("e-1"))
        answer = httpx.post(receiver.at(ORG), content=content, headers=headers(content), trust_env=False)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/webhooks", "/webhooks/pco", "/webhooks/pco/grace/more", "/metrics/pco"]
)
def test_there_is_no_other_endpoint(receiver: Receiver, path: str) -> None:
    answer = httpx.get(receiver.url + path, trust_env=False)
    assert (answer.status_code, answer.content) == (404, b"")


def test_answers_carry_what_browsers_and_caches_must_know_and_no_server(receiver: Receiver) -> None:
    answers = [
        httpx.get(f"{receiver.url}/health", trust_env=False),
        httpx.get(receiver.at(ORG), trust_env=False),
        httpx.post(receiver.at(ORG), trust_env=False),
        httpx.get(f"{receiver.url}/nothing", trust_env=False),
    ]
    assert [answer.status_code for answer in answers] == [200, 405, 401, 404]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_health_says_whether_the_database_answers_and_nothing_more(receiver: Receiver) -> None:
    assert json.loads(httpx.get(f"{receiver.url}/health", trust_env=False).content) == {"database": "reachable"}


def test_a_church_whose_name_is_known_cannot_be_told_by_time(database: Database) -> None:
    """Counts the signatures made, which is what takes the time."""
    from openfaith_sync.web.signatures import candidates  # noqa: PLC0415

    known = {EMAIL_UPDATED: (b"a", b"b"), EMAIL_CREATED: (b"c",)}
    announced = {EMAIL_UPDATED, EMAIL_CREATED, "x"}
    for name in (*announced, "unheard", ""):
        secrets, cost = candidates(known, announced, name)
        nobodys, nobodys_cost = candidates({}, announced, name)
        assert max(len(secrets), cost) == max(len(nobodys), nobodys_cost) == cost
