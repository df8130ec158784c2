"""The API below ``/webhooks/v2``: subscriptions, what can be subscribed to, and what there was to tell."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson

from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.api.responses import Answer, error, invalid, page_not_found
from openfaith_sync.simulator.data.unmodelled_resources import ORGANIZATION
from openfaith_sync.simulator.events.event_payloads import describe
from openfaith_sync.simulator.events.event_publisher import Newsroom
from openfaith_sync.simulator.events.subscriptions import Subscription, WebhookEvent

ROOT = "/webhooks/v2"
_SLUGS = ("subscriptions", "webhook_subscriptions")
_RESOURCE = "WebhookSubscription"
_APPLICATION = 5001
_ASSIGNABLE = {"POST": {"name", "url", "active"}, "PATCH": {"url", "active"}}

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request, taken apart."""

    method: str
    path: str
    query: Query
    body: bytes
    base_url: str

    @property
    def url(self) -> str:
        """Where it was sent to, without parameters."""
        return self.base_url + self.path


class WebhookApi:
    """Answers those who manage subscriptions, and those who look up what they missed."""

    def __init__(self, newsroom: Newsroom, organization: str) -> None:
        """Manage the subscriptions of a newsroom."""
        self._newsroom, self._subscriptions = newsroom, newsroom.subscriptions
        self._parent = {"parent": {"id": organization, "type": ORGANIZATION}}

    def answer(self, request: WebhookRequest) -> Answer:
        """Answer one request."""
        parts = request.path.removeprefix(ROOT).strip("/").split("/")
        match request.method, parts:
            case "GET", ["available_events"]:
                rows = [_available(request, place, name) for place, name in enumerate(self._newsroom.names.known, 1)]
                return self._page(request, rows, {}, lambda row: row)
            case "GET", [slug] if slug in _SLUGS:
                wanted = [w.value for w in request.query.wheres if w.name == "application_id"]
                found = [s for s in self._subscriptions if all(value == str(_APPLICATION) for value in wanted)]
                return self._page(request, found, {"can_query_by": ["application_id"]}, lambda s: _shown(request, s))
            case "POST", [slug] if slug in _SLUGS:
                return self._create(request)
            case method, [slug, number, *rest] if slug in _SLUGS and number.isdecimal():
                subscription = self._subscriptions.find(int(number))
                return error(404) if subscription is None else self._below(method, rest, request, subscription)
            case "GET" | "POST" | "PATCH" | "DELETE", _:
                return error(404)
            case _:
                return page_not_found()

    def _below(self, method: str, rest: list[str], request: WebhookRequest, subscription: Subscription) -> Answer:
        match method, rest:
            case "GET", []:
                return self._single(_shown(request, subscription))
            case "PATCH", []:
                return self._change(request, subscription)
            case "DELETE", []:
                self._newsroom.end(subscription)
                return Answer(204)
            case "POST", ["rotate_secret"]:
                self._subscriptions.rotate_secret(subscription, self._newsroom.now())
                return self._single(_shown(request, subscription))
            case "GET", ["events", *number]:
                return self._events(request, subscription, number)
            case _:
                return error(404)

    def _events(self, request: WebhookRequest, subscription: Subscription, number: list[str]) -> Answer:
        match number:
            case []:
                abilities = {"can_order_by": ["created_at"], "can_query_by": ["status", "uuid"]}
                events = _wanted_events(request.query, subscription)
                return self._page(request, events, abilities, lambda e: _shown_event(request, subscription, e))
            case [event] if event.isdecimal() and int(event) in subscription.events:
                return self._single(_shown_event(request, subscription, subscription.events[int(event)]))
            case _:
                return error(404)

    def _create(self, request: WebhookRequest) -> Answer:
        given = _attributes(request.body)
        if given is None:
            return error(400, "The payload given does not contain a 'data' key.", code="invalid_resource_payload")
        name, url = given.get("name"), given.get("url")
        refused = self._refuse(request.method, given, {"name": name, "url": url}, None)
        if refused is not None:
            return refused
        is_active = given.get("active", True)
        now = self._newsroom.now()
        made = self._subscriptions.add(str(name), str(url), request.base_url, now, active=is_active)
        return Answer(201, self._single(_shown(request, made)).body, count=1)

    def _change(self, request: WebhookRequest, subscription: Subscription) -> Answer:
        given = _attributes(request.body)
        if given is None:
            return error(400, "The payload given does not contain a 'data' key.", code="invalid_resource_payload")
        url = given.get("url", subscription.url)
        refused = self._refuse(request.method, given, {"name": subscription.name, "url": url}, subscription)
        if refused is not None:
            return refused
        subscription.url, subscription.active = url, given.get("active", subscription.active)
        subscription.updated_at = self._newsroom.now()
        if not subscription.active:
            self._newsroom.postman.drop(subscription)
        return self._single(_shown(request, subscription))

    def _refuse(self, method: str, given: Json, whole: Json, itself: Subscription | None) -> Answer | None:
        problem = next(self._problems(method, given, whole, itself), None)
        return None if problem is None else invalid(*problem, _RESOURCE)

    def _problems(
        self, method: str, given: Json, whole: Json, itself: Subscription | None
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a subscription, and with which of its attributes."""
        yield from (("cannot be assigned", attribute) for attribute in given if attribute not in _ASSIGNABLE[method])
        yield from (("can't be blank", attribute) for attribute, value in whole.items() if not value)
        name, url = whole["name"], whole["url"]
        if name not in self._newsroom.names.known:
            yield "is not included in the list", "name"
        if not _is_url(url):
            yield "is invalid", "url"
        if not isinstance(given.get("active", True), bool):
            yield "is not included in the list", "active"
        if self._subscriptions.has(name, url, besides=itself):
            yield "has already been taken", "name"

    def _page(self, request: WebhookRequest, rows: Sequence[T], abilities: Json, show: Callable[[T], Json]) -> Answer:
        query, total = request.query, len(rows)
        shown = [show(row) for row in rows[query.offset : query.offset + query.per_page]]
        links, meta = query.frame(request.url, total, len(shown))
        document = {"links": links, "data": shown, "included": [], "meta": meta | abilities | self._parent}
        return Answer(200, orjson.dumps(document), count=len(shown))

    def _single(self, record: Json) -> Answer:
        return Answer(200, orjson.dumps({"data": record, "included": [], "meta": self._parent}), count=1)


def _is_url(url: object) -> bool:
    try:
        parts = urlsplit(str(url))
        # Asking for the port is what finds a senseless one.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _wanted_events(query: Query, subscription: Subscription) -> list[WebhookEvent]:
    events = list(subscription.events.values())
    for where in query.wheres:
        if where.name in ("uuid", "status"):
            events = [event for event in events if getattr(event, where.name) == where.value]
    # They came into being in the order of ids.
    return events[::-1] if query.order[:1] == ("-created_at",) else events


def _available(request: WebhookRequest, place: int, name: str) -> Json:
    links = {"self": f"{request.base_url}{ROOT}/available_events/{place}"}
    return {"type": "AvailableEvent", "id": str(place), "attributes": describe(name), "links": links}


def _shown(request: WebhookRequest, subscription: Subscription) -> Json:
    attributes = {
        "active": subscription.active,
        "application_id": _APPLICATION,
        "authenticity_secret": subscription.secret,
        "created_at": subscription.created_at,
        "name": subscription.name,
        "updated_at": subscription.updated_at,
        "url": subscription.url,
    }
    links = {"self": f"{request.base_url}{ROOT}/subscriptions/{subscription.id}"}
    return {"type": _RESOURCE, "id": str(subscription.id), "attributes": attributes, "links": links}


def _shown_event(request: WebhookRequest, subscription: Subscription, event: WebhookEvent) -> Json:
    attributes = {
        "created_at": event.created_at,
        "payload": event.payload,
        "status": event.status,
        "updated_at": event.created_at,
        "uuid": event.uuid,
    }
    related = {"subscription": {"data": {"type": _RESOURCE, "id": str(subscription.id)}}}
    links = {"self": f"{request.base_url}{ROOT}/subscriptions/{subscription.id}/events/{event.id}"}
    return {
        "type": "Event",
        "id": str(event.id),
        "attributes": attributes,
        "relationships": related,
        "links": links,
    }


def _attributes(body: bytes) -> Json | None:
    try:
        return dict(orjson.loads(body)["data"].get("attributes") or {})
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return None
