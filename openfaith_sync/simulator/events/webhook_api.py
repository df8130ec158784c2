"""The API below ``/webhooks/v2``: subscriptions, the available events, and past events."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson

from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.api.responses import SimulatedResponse, error, invalid, page_not_found
from openfaith_sync.simulator.data.unmodelled_resources import ORGANIZATION
from openfaith_sync.simulator.events.event_payloads import describe
from openfaith_sync.simulator.events.event_publisher import EventPublisher
from openfaith_sync.simulator.events.subscriptions import WebhookEvent, WebhookSubscription

ROOT = "/webhooks/v2"
_SLUGS = ("subscriptions", "webhook_subscriptions")
_RESOURCE = "WebhookSubscription"
_APPLICATION = 5001
_ASSIGNABLE = {"POST": {"name", "url", "active"}, "PATCH": {"url", "active"}}

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A parsed request."""

    method: str
    path: str
    query: Query
    body: bytes
    base_url: str

    @property
    def url(self) -> str:
        """Return the URL it was sent to, without parameters."""
        return self.base_url + self.path


class WebhookApi:
    """Serves the requests that manage subscriptions and look up missed events."""

    def __init__(self, publisher: EventPublisher, organization: str) -> None:
        """Manage the subscriptions of an event publisher."""
        self._publisher, self._subscriptions = publisher, publisher.subscriptions
        self._parent = {"parent": {"id": organization, "type": ORGANIZATION}}

    def handle(self, request: WebhookRequest) -> SimulatedResponse:
        """Handle one request."""
        parts = request.path.removeprefix(ROOT).strip("/").split("/")
        match request.method, parts:
            case "GET", ["available_events"]:
                rows = [_available(request, place, name) for place, name in enumerate(self._publisher.names.known, 1)]
                return self._page(request, rows, {}, lambda row: row)
            case "GET", [slug] if slug in _SLUGS:
                wanted = [w.value for w in request.query.wheres if w.name == "application_id"]
                subscriptions = [s for s in self._subscriptions if all(value == str(_APPLICATION) for value in wanted)]
                return self._page(
                    request, subscriptions, {"can_query_by": ["application_id"]}, lambda s: _shown(request, s)
                )
            case "POST", [slug] if slug in _SLUGS:
                return self._create(request)
            case method, [slug, number, *rest] if slug in _SLUGS and number.isdecimal():
                subscription = self._subscriptions.find(int(number))
                return error(404) if subscription is None else self._below(method, rest, request, subscription)
            case "GET" | "POST" | "PATCH" | "DELETE", _:
                return error(404)
            case _:
                return page_not_found()

    def _below(
        self, method: str, rest: list[str], request: WebhookRequest, subscription: WebhookSubscription
    ) -> SimulatedResponse:
        match method, rest:
            case "GET", []:
                return self._single(_shown(request, subscription))
            case "PATCH", []:
                return self._change(request, subscription)
            case "DELETE", []:
                self._publisher.end(subscription)
                return SimulatedResponse(204)
            case "POST", ["rotate_secret"]:
                self._subscriptions.rotate_secret(subscription, self._publisher.now())
                return self._single(_shown(request, subscription))
            case "GET", ["events", *number]:
                return self._events(request, subscription, number)
            case _:
                return error(404)

    def _events(
        self, request: WebhookRequest, subscription: WebhookSubscription, number: list[str]
    ) -> SimulatedResponse:
        match number:
            case []:
                abilities = {"can_order_by": ["created_at"], "can_query_by": ["status", "uuid"]}
                events = _wanted_events(request.query, subscription)
                return self._page(request, events, abilities, lambda e: _shown_event(request, subscription, e))
            case [event] if event.isdecimal() and int(event) in subscription.events:
                return self._single(_shown_event(request, subscription, subscription.events[int(event)]))
            case _:
                return error(404)

    def _create(self, request: WebhookRequest) -> SimulatedResponse:
        attributes = _attributes(request.body)
        if attributes is None:
            return error(400, "The payload given does not contain a 'data' key.", code="invalid_resource_payload")
        name, url = attributes.get("name"), attributes.get("url")
        refused = self._refuse(request.method, attributes, {"name": name, "url": url}, None)
        if refused is not None:
            return refused
        is_active = attributes.get("active", True)
        now = self._publisher.now()
        subscription = self._subscriptions.add(str(name), str(url), request.base_url, now, active=is_active)
        return SimulatedResponse(201, self._single(_shown(request, subscription)).body, count=1)

    def _change(self, request: WebhookRequest, subscription: WebhookSubscription) -> SimulatedResponse:
        attributes = _attributes(request.body)
        if attributes is None:
            return error(400, "The payload given does not contain a 'data' key.", code="invalid_resource_payload")
        url = attributes.get("url", subscription.url)
        refused = self._refuse(request.method, attributes, {"name": subscription.name, "url": url}, subscription)
        if refused is not None:
            return refused
        subscription.url, subscription.active = url, attributes.get("active", subscription.active)
        subscription.updated_at = self._publisher.now()
        if not subscription.active:
            self._publisher.sender.drop(subscription)
        return self._single(_shown(request, subscription))

    def _refuse(
        self, method: str, attributes: Json, whole: Json, itself: WebhookSubscription | None
    ) -> SimulatedResponse | None:
        problem = next(self._problems(method, attributes, whole, itself), None)
        return None if problem is None else invalid(*problem, _RESOURCE)

    def _problems(
        self, method: str, attributes: Json, whole: Json, itself: WebhookSubscription | None
    ) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a subscription, each problem with its attribute."""
        yield from (
            ("cannot be assigned", attribute) for attribute in attributes if attribute not in _ASSIGNABLE[method]
        )
        yield from (("can't be blank", attribute) for attribute, value in whole.items() if not value)
        name, url = whole["name"], whole["url"]
        if name not in self._publisher.names.known:
            yield "is not included in the list", "name"
        if not _is_url(url):
            yield "is invalid", "url"
        if not isinstance(attributes.get("active", True), bool):
            yield "is not included in the list", "active"
        if self._subscriptions.has(name, url, besides=itself):
            yield "has already been taken", "name"

    def _page(
        self, request: WebhookRequest, rows: Sequence[T], abilities: Json, show: Callable[[T], Json]
    ) -> SimulatedResponse:
        query, total = request.query, len(rows)
        resources = [show(row) for row in rows[query.offset : query.offset + query.per_page]]
        links, meta = query.frame(request.url, total, len(resources))
        document = {"links": links, "data": resources, "included": [], "meta": meta | abilities | self._parent}
        return SimulatedResponse(200, orjson.dumps(document), count=len(resources))

    def _single(self, record: Json) -> SimulatedResponse:
        return SimulatedResponse(200, orjson.dumps({"data": record, "included": [], "meta": self._parent}), count=1)


def _is_url(url: object) -> bool:
    try:
        parts = urlsplit(str(url))
        # Reading the port validates it.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _wanted_events(query: Query, subscription: WebhookSubscription) -> list[WebhookEvent]:
    events = list(subscription.events.values())
    for where in query.wheres:
        if where.name in ("uuid", "status"):
            events = [event for event in events if getattr(event, where.name) == where.value]
    # Events are created in the order of their ids.
    return events[::-1] if query.order[:1] == ("-created_at",) else events


def _available(request: WebhookRequest, place: int, name: str) -> Json:
    links = {"self": f"{request.base_url}{ROOT}/available_events/{place}"}
    return {"type": "AvailableEvent", "id": str(place), "attributes": describe(name), "links": links}


def _shown(request: WebhookRequest, subscription: WebhookSubscription) -> Json:
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


def _shown_event(request: WebhookRequest, subscription: WebhookSubscription, event: WebhookEvent) -> Json:
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
