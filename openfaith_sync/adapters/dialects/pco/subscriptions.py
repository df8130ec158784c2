"""Lists, creates, activates and deletes Planning Center's webhook subscriptions, and rotates their secrets."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, TypeGuard, TypeVar
from urllib.parse import quote

import httpx
import orjson

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.response_bodies import parse_json_object
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.json_api.accounts import stated_accounts
from openfaith_sync.adapters.dialects.pco.webhook_keys import require_webhooks
from openfaith_sync.adapters.dialects.pco.webhooks import WebhookReader
from openfaith_sync.domain.errors import MalformedAnswer, NotFoundAtSource
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.domain.webhooks.subscription import Subscription

T = TypeVar("T")

_PAGE = 100
# After more missed events than this, the next reconciliation recovers them with fewer requests.
_MAX_EVENT_PAGES = 50
_NO_CONTENT = 204


class PcoSubscriptions:
    """One connection's subscriptions; implements ``Subscriptions``."""

    def __init__(self, manifest: Manifest, client: HttpClient) -> None:
        """Manage the subscriptions through this client.

        Raises:
            DefinitionError: The manifest has no webhooks.
        """
        adapter_file, self._webhooks = require_webhooks(manifest)
        self._paging = adapter_file.paging
        self._account = adapter_file.account
        self._client = client
        self._reader = WebhookReader(manifest)

    def list_subscriptions(self) -> list[Subscription]:
        """Return all subscriptions that the credentials may see, including those of other applications."""
        return [_read(resource) for resource in self._list(self._webhooks.subscriptions, {})]

    def create_subscription(self, name: str, url: str) -> Subscription:
        """Create an active subscription, and return it with its secret.

        Raises:
            TransientError: It may or may not have been created; list the subscriptions to find out.
        """
        return self._write("POST", "", {"name": name, "url": url, "active": True})

    def activate_subscription(self, subscription_id: str) -> Subscription:
        """Activate a subscription, so that the source delivers its events again."""
        return self._write("PATCH", f"/{quote(subscription_id, safe='')}", {"active": True})

    def rotate_secret(self, subscription_id: str) -> Subscription:
        """Replace the secret that the source signs with, and return the subscription with the new one.

        Raises:
            TransientError: The secret may or may not have changed; list the subscriptions to find out.
        """
        path = f"{self._webhooks.subscriptions}/{quote(subscription_id, safe='')}"
        request = Request(f"{path}/rotate_secret", {}, self._webhooks.version, method="POST")
        found = self._client.read(
            request, lambda response: None if _is_empty(response) else self._parse_single(response)
        )[0]
        if found is None or found.secret is None:
            # Other actions of this API respond with 204, without a body; the new secret is then read separately.
            found = self._client.read(Request(path, {}, self._webhooks.version), self._parse_single)[0]
        return found

    def delete_subscription(self, subscription_id: str) -> None:
        """Delete a subscription; one that no longer exists is not an error."""
        path = f"{self._webhooks.subscriptions}/{quote(subscription_id, safe='')}"
        with suppress(NotFoundAtSource):
            self._client.read(Request(path, {}, self._webhooks.version, method="DELETE"), _is_empty)

    def read_undelivered(self, subscription: Subscription, since: datetime) -> Iterator[InboxEvent]:
        """Yield the events since then that the source could not deliver, newest first."""
        path = f"{self._webhooks.subscriptions}/{quote(subscription.subscription_id, safe='')}/events"
        for resource in self._list(path, {"order": "-created_at"}, pages=_MAX_EVENT_PAGES):
            attributes = resource.get("attributes")
            event_attributes = attributes if isinstance(attributes, dict) else {}
            created_at = _parse_moment(event_attributes.get("created_at"))
            if created_at is not None and created_at < since:
                return
            if event_attributes.get("status") != "delivered":
                event_id = str(event_attributes.get("uuid") or "")
                payload = event_attributes.get("payload")
                event = self._reader.read_event(event_id, subscription.name, payload, created_at)
                if event is not None:
                    yield event

    def _write(
        self, method: Literal["POST", "PATCH"], below: str, attributes: Mapping[str, str | bool]
    ) -> Subscription:
        body = orjson.dumps({"data": {"type": self._webhooks.resource, "attributes": attributes}})
        path = self._webhooks.subscriptions + below
        request = Request(path, {}, self._webhooks.version, method=method, body=body)
        return self._client.read(request, self._parse_single)[0]

    def _list(
        self, path: str, parameters: Mapping[str, str | int], pages: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the resources of a listing, page by page; raise on an empty page that announces a next one."""
        offset = number = 0
        while pages is None or number < pages:
            page_parameters: dict[str, str | int] = {**parameters, self._paging.size_parameter: _PAGE}
            if offset:
                page_parameters[self._paging.offset_parameter] = offset
            request = Request(path, page_parameters, self._webhooks.version)
            (resources, has_next), _ = self._client.read(request, self._parse_listing)
            yield from resources
            if not has_next:
                return
            offset, number = offset + len(resources), number + 1

    def _parse_listing(self, response: httpx.Response) -> tuple[list[Mapping[str, Any]], bool]:
        body = self._parse_object(response)
        found, links = body.get("data"), body.get("links")
        if not isinstance(found, list) or not all(isinstance(resource, dict) for resource in found):
            raise MalformedAnswer("the source's listing contains no list of resources")
        has_next = isinstance(links, dict) and links.get("next") is not None
        if has_next and not found:
            raise MalformedAnswer("the source sent an empty page and announced a next page")
        return found, has_next

    def _parse_object(self, response: httpx.Response) -> Mapping[str, Any]:
        body = parse_json_object(response)
        if self._account is not None:
            self._client.check_account(stated_accounts(self._account, self._account.in_answers, body))
        return body

    def _parse_single(self, response: httpx.Response) -> Subscription:
        return _read(self._parse_object(response).get("data"))


def _is_empty(response: httpx.Response) -> bool:
    return response.status_code == _NO_CONTENT or not response.content


def _read(resource: object) -> Subscription:
    attributes = resource.get("attributes") if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(attributes, dict):
        raise MalformedAnswer("the source sent a malformed subscription")
    identity, name, url = resource.get("id"), attributes.get("name"), attributes.get("url")
    is_active, secret = attributes.get("active"), attributes.get("authenticity_secret")
    if type(identity) is not str or type(name) is not str or type(url) is not str or type(is_active) is not bool:
        raise MalformedAnswer("the source sent a subscription whose id, name, url or active is missing or malformed")
    return Subscription(identity, name, url, is_active, secret if _is_secret(secret) else None)


def _is_secret(value: object) -> TypeGuard[str]:
    """Return whether a value can be used to sign: non-empty text that UTF-8 can encode (no lone surrogates)."""
    if not isinstance(value, str):
        return False
    try:
        return bool(value.encode())
    except UnicodeEncodeError:
        return False


def _parse_moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found and found.tzinfo else None
