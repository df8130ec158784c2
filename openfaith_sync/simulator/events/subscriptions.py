"""Subscriptions: who wants to be told of what, and what there was to tell them."""

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
    """One thing that happened, as one subscription is told of it."""

    id: int
    uuid: str
    name: str
    payload: str
    created_at: str
    status: EventStatus = "pending"


@dataclass(slots=True, eq=False)
class Subscription:
    """One event name at one URL, with a secret of its own."""

    id: int
    name: str
    url: str
    active: bool
    secret: str
    base_url: str
    """By which name the simulator was known to who subscribed: links in payloads lead there."""
    created_at: str
    updated_at: str
    events: dict[int, WebhookEvent] = field(default_factory=dict)


class Subscriptions:
    """All subscriptions; secrets and the events' uuids follow from the seed."""

    def __init__(self, seed: int) -> None:
        """Start without any."""
        self._rng = random.Random(f"{seed}:subscriptions")  # noqa: S311  a simulator's secrets guard nothing
        self._by_id: dict[int, Subscription] = {}
        self._last_id = _FIRST_ID
        self.last_event_number = 0

    def __iter__(self) -> Iterator[Subscription]:
        """Return them in the order of ids."""
        return iter(self._by_id.values())

    def find(self, number: int) -> Subscription | None:
        """Return the one of an id."""
        return self._by_id.get(number)

    def has(self, name: str, url: str, besides: Subscription | None = None) -> bool:
        """Say whether another one has this event name and URL."""
        return any(s.name == name and s.url == url for s in self if s is not besides)

    def wanting(self, name: str) -> list[Subscription]:
        """Return the active ones of an event name."""
        return [s for s in self._by_id.values() if s.name == name and s.active]

    def add(self, name: str, url: str, base_url: str, now: str, *, active: bool) -> Subscription:
        """Hold a new one."""
        self._last_id += 1
        made = Subscription(self._last_id, name, url, active, self._new_secret(), base_url, now, now)
        self._by_id[made.id] = made
        return made

    def rotate_secret(self, subscription: Subscription, now: str) -> None:
        """Sign with another secret from now on, retries of older events too."""
        subscription.secret, subscription.updated_at = self._new_secret(), now

    def remove(self, subscription: Subscription) -> None:
        """Hold it no more, nor its events."""
        subscription.active = False
        self._by_id.pop(subscription.id, None)

    def record(self, subscription: Subscription, payload: str, now: str) -> WebhookEvent:
        """Keep what there is to tell a subscription."""
        self.last_event_number += 1
        uuid = str(UUID(int=self._rng.getrandbits(_UUID_BITS), version=4))
        event = WebhookEvent(_FIRST_EVENT_ID + self.last_event_number, uuid, subscription.name, payload, now)
        subscription.events[event.id] = event
        return event

    def _new_secret(self) -> str:
        return f"{self._rng.getrandbits(_SECRET_BITS):064x}"
