"""Webhook subscriptions, and the events recorded for each."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

_FIRST_ID, _FIRST_EVENT_ID = 3_500_000, 900_000_000_000
_SECRET_BITS, _UUID_BITS = 256, 128

EventStatus = Literal["pending", "delivered", "failed", "skipped"]


@dataclass(slots=True)
class WebhookEvent:
    """One event, as recorded for one subscription."""

    id: int
    uuid: str
    name: str
    payload: str
    created_at: str
    status: EventStatus = "pending"


@dataclass(slots=True, eq=False)
class WebhookSubscription:
    """One event name at one URL, with its own secret."""

    id: int
    name: str
    url: str
    active: bool
    secret: str
    base_url: str
    """The base URL that the subscriber used: links in payloads lead there."""
    created_at: str
    updated_at: str
    events: dict[int, WebhookEvent] = field(default_factory=dict)


class SubscriptionRegister:
    """All subscriptions; secrets and event uuids are derived from the seed."""

    def __init__(self, seed: int) -> None:
        """Start without subscriptions."""
        self._rng = random.Random(f"{seed}:subscriptions")  # noqa: S311  a simulator's secrets guard nothing
        self._by_id: dict[int, WebhookSubscription] = {}
        self._last_id = _FIRST_ID
        self.last_event_number = 0

    def __iter__(self) -> Iterator[WebhookSubscription]:
        """Iterate in the order of ids."""
        return iter(self._by_id.values())

    def find(self, number: int) -> WebhookSubscription | None:
        """Return the subscription with an id."""
        return self._by_id.get(number)

    def has(self, name: str, url: str, besides: WebhookSubscription | None = None) -> bool:
        """Return whether another subscription has this event name and URL."""
        return any(s.name == name and s.url == url for s in self if s is not besides)

    def wanting(self, name: str) -> list[WebhookSubscription]:
        """Return the active subscriptions to an event name."""
        return [s for s in self._by_id.values() if s.name == name and s.active]

    def add(self, name: str, url: str, base_url: str, now: str, *, active: bool) -> WebhookSubscription:
        """Add a subscription."""
        self._last_id += 1
        subscription = WebhookSubscription(self._last_id, name, url, active, self._new_secret(), base_url, now, now)
        self._by_id[subscription.id] = subscription
        return subscription

    def rotate_secret(self, subscription: WebhookSubscription, now: str) -> None:
        """Sign with a new secret from now on, including retries of older events."""
        subscription.secret, subscription.updated_at = self._new_secret(), now

    def remove(self, subscription: WebhookSubscription) -> None:
        """Remove a subscription and its events."""
        subscription.active = False
        self._by_id.pop(subscription.id, None)

    def record(self, subscription: WebhookSubscription, payload: str, now: str) -> WebhookEvent:
        """Record an event for a subscription."""
        self.last_event_number += 1
        uuid = str(UUID(int=self._rng.getrandbits(_UUID_BITS), version=4))
        event = WebhookEvent(_FIRST_EVENT_ID + self.last_event_number, uuid, subscription.name, payload, now)
        subscription.events[event.id] = event
        return event

    def _new_secret(self) -> str:
        return f"{self._rng.getrandbits(_SECRET_BITS):064x}"
