"""Makes deliveries as the source sends them, and subscriptions that they are signed for."""

import hashlib
import hmac
import json
from typing import Any

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.webhooks.subscription import Subscription
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions

ORG = OrgId("grace")
PCO = AdapterName("pco")
EMAIL_UPDATED = "people.v2.events.email.updated"
EMAIL_CREATED = "people.v2.events.email.created"
SECRET = "5f" * 32


def subscribe(
    database: Database, name: str = EMAIL_UPDATED, secret: str = SECRET, org: OrgId = ORG, number: str = "1"
) -> None:
    with open_subscriptions(database, org, PCO) as store:
        store.save(Subscription(number, name, "https://x.example/webhooks/pco/grace", is_active=True, secret=secret))


def part(event_id: str, name: str = EMAIL_UPDATED, record: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    """Return one EventDelivery."""
    payload = {
        "data": record or {"type": "Email", "id": "7", "attributes": {"address": "a@example.org"}},
        "included": [],
        "meta": {"event_time": "2026-06-01T12:00:00Z", **meta},
    }
    return {
        "id": event_id,
        "type": "EventDelivery",
        "attributes": {"name": name, "attempt": 1, "payload": json.dumps(payload)},
        "relationships": {"organization": {"data": {"type": "Organization", "id": "456240"}}},
    }


def body(*parts: dict[str, Any]) -> bytes:
    return json.dumps({"data": list(parts)}).encode()


def headers(content: bytes, name: str = EMAIL_UPDATED, secret: str = SECRET) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-PCO-Webhooks-Event-ID": "900000000001",
        "X-PCO-Webhooks-Name": name,
        "X-PCO-Webhooks-Event-Time": "2026-06-01T12:00:01Z",
        "X-PCO-Webhooks-Authenticity": hmac.new(secret.encode(), content, hashlib.sha256).hexdigest(),
    }
