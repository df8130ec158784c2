"""How subscriptions are asked for, and that nothing which counts is asked twice without looking."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.pco.subscriptions import PcoSubscriptions
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import AccessDenied, MalformedAnswer, TransientError
from openfaith_sync.domain.records.record import JsonObject
from openfaith_sync.domain.webhooks.subscription import Subscription
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.adapters.credentials import anybody
from openfaith_sync_tests.ten_entities import MANIFESTS

PCO = read_manifest(MANIFESTS, "pco")
PATH = "/webhooks/v2/subscriptions"
NAME = "people.v2.events.email.updated"
RECORDED = Path(os.environ.get("OPENFAITH_RECORDINGS", "nowhere"), "mortarstone/webhooks_v2_subscriptions_200.json")


def resource(number: int, secret: str | None = "s", **attributes: Any) -> dict[str, Any]:
    told = {"name": NAME, "url": "https://x.example/h", "active": True, "authenticity_secret": secret, **attributes}
    return {"type": "WebhookSubscription", "id": str(number), "attributes": told}


def listing(resources: list[Any], *, has_next: bool = False) -> httpx.Response:
    links = {"self": "x", **({"next": "y"} if has_next else {})}
    return answer(200, {"links": links, "data": resources, "meta": {"total_count": len(resources)}})


def answer(status: int, document: Any = None) -> httpx.Response:
    if document is None:
        return httpx.Response(status)
    headers = {"content-type": "application/vnd.api+json; charset=utf-8"}
    return httpx.Response(status, content=json.dumps(document).encode(), headers=headers)


REFUSED = httpx.Response(429, headers={"retry-after": "0"})


Ask = Callable[[PcoSubscriptions], object]


def source(*answers: httpx.Response | Exception) -> tuple[PcoSubscriptions, list[httpx.Request]]:
    """Return a source that answers in turn; an error is raised instead, and one answer too few is a failure."""
    asked: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = answers[len(asked) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    transport = httpx.MockTransport(reply)
    client = HttpClient(
        "https://pco.example", anybody(), PCO.adapter_file, transport=transport, pause=lambda _: None, **guarded(PCO)
    )
    return PcoSubscriptions(PCO, client), asked


def test_all_pages_are_listed() -> None:
    found, asked = source(listing([resource(1), resource(2)], has_next=True), listing([resource(3, None)]))
    assert [(s.subscription_id, s.secret) for s in found.list_subscriptions()] == [("1", "s"), ("2", "s"), ("3", None)]
    assert [request.url.params.get("offset") for request in asked] == [None, "2"]
    assert all(request.headers["x-pco-api-version"] == "2022-10-20" for request in asked)


@pytest.mark.parametrize(
    "document",
    [
        {"data": [], "links": {"next": "y"}},
        {"data": {}, "links": {}},
        {"data": [5], "links": {}},
        {"data": [{"id": "1", "attributes": {"name": NAME, "url": "u"}}], "links": {}},
        {"data": [resource(1) | {"id": 1}], "links": {}},
    ],
)
def test_a_listing_that_is_none_is_a_named_error(document: JsonObject) -> None:
    found, _ = source(*[answer(200, document)] * 6)
    with pytest.raises(MalformedAnswer):
        found.list_subscriptions()


def test_a_subscription_is_made_with_its_name_url_and_type() -> None:
    found, asked = source(answer(201, {"data": resource(5, "secret")}))
    made = found.create_subscription(NAME, "https://x.example/h")
    assert made == Subscription("5", NAME, "https://x.example/h", is_active=True, secret="secret")
    assert (asked[0].method, asked[0].url.path) == ("POST", PATH)
    sent = json.loads(asked[0].content)["data"]
    assert sent == {
        "type": "WebhookSubscription",
        "attributes": {"name": NAME, "url": "https://x.example/h", "active": True},
    }
    assert asked[0].headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "failure", [answer(500), answer(503), httpx.ReadTimeout("x"), httpx.RemoteProtocolError("x"), answer(201, {})]
)
@pytest.mark.parametrize(
    "ask", [lambda s: s.create_subscription(NAME, "u"), lambda s: s.rotate_secret("5")], ids=["create", "rotate"]
)
def test_a_post_of_which_nobody_knows_whether_it_was_done_is_not_repeated(
    failure: httpx.Response | httpx.ReadTimeout | httpx.RemoteProtocolError, ask: Ask
) -> None:
    found, asked = source(failure)
    with pytest.raises(TransientError):
        ask(found)
    assert len(asked) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), REFUSED])
def test_a_post_that_surely_was_not_done_is_repeated(
    failure: httpx.ConnectError | httpx.ConnectTimeout | httpx.Response,
) -> None:
    found, asked = source(failure, failure, answer(201, {"data": resource(5)}))
    found.create_subscription(NAME, "u")
    assert len(asked) == 3


def test_what_may_be_repeated_is() -> None:
    change: list[Callable[[PcoSubscriptions], object]] = [
        lambda s: s.activate_subscription("5"),
        lambda s: s.list_subscriptions(),
        lambda s: s.delete_subscription("5"),
    ]
    rights = [answer(200, {"data": resource(5)}), listing([resource(5)]), answer(204)]
    for ask, right in zip(change, rights, strict=True):
        found, asked = source(answer(502), httpx.ReadTimeout("x"), right)
        ask(found)
        assert len(asked) == 3


def test_a_subscription_is_switched_on() -> None:
    found, asked = source(answer(200, {"data": resource(5)}))
    assert found.activate_subscription("5").is_active
    assert (asked[0].method, asked[0].url.path) == ("PATCH", f"{PATH}/5")
    assert json.loads(asked[0].content)["data"]["attributes"] == {"active": True}


@pytest.mark.parametrize("secret", ["", "\ud800", 5, None])
def test_what_cannot_sign_is_no_secret(secret: object) -> None:
    found, _ = source(
        listing([resource(1) | {"attributes": resource(1)["attributes"] | {"authenticity_secret": secret}}])
    )
    (listed,) = found.list_subscriptions()
    assert listed.secret is None


def test_a_new_secret_is_read_where_the_action_does_not_show_it() -> None:
    found, asked = source(answer(204), answer(200, {"data": resource(5, "new")}))
    assert found.rotate_secret("5").secret == "new"
    assert [(r.method, r.url.path) for r in asked] == [("POST", f"{PATH}/5/rotate_secret"), ("GET", f"{PATH}/5")]
    shown, asked = source(answer(200, {"data": resource(5, "new")}))
    assert shown.rotate_secret("5").secret == "new"
    assert len(asked) == 1


def test_one_that_is_gone_is_as_good_as_deleted() -> None:
    found, asked = source(answer(404, {"errors": [{"status": "404", "title": "Not Found"}]}))
    found.delete_subscription("5/../6")
    assert (asked[0].method, asked[0].url.raw_path.decode()) == ("DELETE", f"{PATH}/5%2F..%2F6")


def test_who_may_not_is_told_so() -> None:
    found, _ = source(answer(403))
    with pytest.raises(AccessDenied, match="POST /webhooks/v2/subscriptions"):
        found.create_subscription(NAME, "u")


def event(uuid: str, created_at: str, status: str, payload: str | None = None) -> dict[str, Any]:
    shown = payload or json.dumps({"data": {"type": "Email", "id": uuid}, "meta": {"event_time": created_at}})
    told = {"uuid": uuid, "created_at": created_at, "status": status, "payload": shown}
    return {"type": "Event", "id": "1", "attributes": told}


def test_what_was_not_delivered_is_read_back_to_a_time() -> None:
    first = listing(
        [
            event("a", "2026-06-01T12:00:00Z", "failed"),
            event("b", "2026-06-01T11:00:00Z", "delivered"),
            event("c", "2026-06-01T10:30:00Z", "skipped", "{"),
        ],
        has_next=True,
    )
    second = listing(
        [event("d", "2026-06-01T10:00:00Z", "pending"), event("e", "2026-06-01T08:00:00Z", "failed")], has_next=True
    )
    found, asked = source(first, second)
    kept = Subscription("5", NAME, "u", is_active=True)
    events = list(found.read_undelivered(kept, datetime(2026, 6, 1, 9, tzinfo=UTC)))
    assert [(e.event_id, e.name, e.external_id) for e in events] == [("a", NAME, "a"), ("d", NAME, "d")]
    assert asked[0].url.params["order"] == "-created_at"
    assert asked[0].url.path == f"{PATH}/5/events"


@pytest.mark.skipif(not RECORDED.exists(), reason="OPENFAITH_RECORDINGS names no folder of recorded answers")
def test_the_recorded_listing_is_read() -> None:
    body = json.loads(RECORDED.read_text())["response"]["body"]
    document = json.loads(body) if isinstance(body, str) else body
    found, _ = source(answer(200, document))
    listed = found.list_subscriptions()
    assert len(listed) == len({s.subscription_id for s in listed}) == 25
    assert all(s.secret and s.is_active for s in listed)
