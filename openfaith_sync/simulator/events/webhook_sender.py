"""Deliver signed events, and retry as often as the source does."""

import asyncio
import hashlib
import hmac
import time
from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import httpx
import orjson

from openfaith_sync.simulator.data.unmodelled_resources import ORGANIZATION
from openfaith_sync.simulator.events.subscriptions import EventStatus, WebhookEvent, WebhookSubscription

_MINUTES = 60
_HOURS = 60 * _MINUTES
RETRY_SECONDS = (
    *(30, *(minutes * _MINUTES for minutes in (1, 2, 4, 8, 16, 32, 64))),
    *(hours * _HOURS for hours in (2.1, 4.2, 8.5, 17)),
    *(24 * _HOURS,) * 4,
)
"""The wait after each failed attempt; after the last one, deliveries stop."""

_TIMEOUT_SECONDS = 10
_GONE = 410
_MOST_LOGGED = 200_000


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """Events that are sent to their subscription together."""

    subscription: WebhookSubscription
    events: tuple[WebhookEvent, ...]
    attempt: int = 1
    is_repeated: bool = False
    """Whether this is a deliberate duplicate, which is not retried when it fails."""


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """One attempt and its result."""

    delivery: WebhookDelivery
    url: str
    status: int | None
    """The receiver's status; nothing if it did not respond."""
    at_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the attempt as the control surface shows it."""
        delivery = self.delivery
        return {
            "subscription": str(delivery.subscription.id),
            "name": delivery.subscription.name,
            "uuids": [event.uuid for event in delivery.events],
            "attempt": delivery.attempt,
            "is_repeated": delivery.is_repeated,
            "url": self.url,
            "status": self.status,
            "at_seconds": self.at_seconds,
        }


class WebhookSender:
    """Sends each URL's deliveries one at a time, so that the same events arrive in the same order.

    A URL that does not respond delays no other one.
    """

    def __init__(self, organization: str, retry_scale: float) -> None:
        """Deliver in the name of an organization; the source's waits are multiplied by the scale."""
        self._organization = organization
        self.retry_scale = retry_scale
        self.batch = 1
        self.log: deque[LoggedDelivery] = deque(maxlen=_MOST_LOGGED)
        self.attempts = 0
        """The number of delivery attempts so far."""
        self._queues: dict[str, list[tuple[float, int, WebhookDelivery]]] = {}
        self._wakeups: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._in_flight = 0
        self._moment: float | None = None
        self._last_number = 0
        self._client: httpx.AsyncClient | None = None

    @property
    def pending(self) -> int:
        """Return the number of deliveries that are waiting or being sent."""
        return sum(map(len, self._queues.values())) + self._in_flight

    def send(self, delivery: WebhookDelivery, after_seconds: float) -> None:
        """Deliver after this delay."""
        url = delivery.subscription.url
        self._last_number += 1
        loop = asyncio.get_running_loop()
        if self._moment is None:
            # All events of one request share one moment: how long the request took must not change the
            # order.
            self._moment = time.monotonic()
            loop.call_soon(self._clear_moment)
        heappush(self._queues.setdefault(url, []), (self._moment + after_seconds, self._last_number, delivery))
        self._wakeups.setdefault(url, asyncio.Event()).set()
        if url not in self._tasks:
            self._tasks[url] = loop.create_task(self._send_queue(url))

    def drop(self, subscription: WebhookSubscription) -> None:
        """Skip the waiting deliveries of a subscription."""
        for url, waiting in self._queues.items():
            for _, _, delivery in waiting:
                if delivery.subscription is subscription:
                    _mark(delivery, "skipped")
            waiting[:] = [entry for entry in waiting if entry[2].subscription is not subscription]
            heapify(waiting)
            self._wakeups[url].set()

    def _clear_moment(self) -> None:
        self._moment = None

    async def _send_queue(self, url: str) -> None:
        waiting, wake = self._queues[url], self._wakeups[url]
        while waiting:
            wake.clear()
            left_seconds = waiting[0][0] - time.monotonic()
            if left_seconds > 0:
                try:
                    async with asyncio.timeout(left_seconds):
                        await wake.wait()
                except TimeoutError:
                    pass
                continue
            delivery = self._take(waiting)
            self._in_flight += 1
            try:
                await self._deliver(delivery)
            finally:
                self._in_flight -= 1
        del self._tasks[url]

    def _take(self, waiting: list[tuple[float, int, WebhookDelivery]]) -> WebhookDelivery:
        """Take the next delivery from the queue, with others that may be batched with it."""
        first = heappop(waiting)[2]
        now, companions = time.monotonic(), list[tuple[float, int, WebhookDelivery]]()
        if self.batch > 1 and first.attempt == 1:
            due = sorted(e for e in waiting if e[0] <= now and e[2].subscription is first.subscription)
            companions = [entry for entry in due if entry[2].attempt == 1][: self.batch - 1]
        if not companions:
            return first
        waiting[:] = [entry for entry in waiting if entry not in companions]
        heapify(waiting)
        events = [*first.events, *(event for entry in companions for event in entry[2].events)]
        together = tuple({event.id: event for event in events}.values())
        return WebhookDelivery(
            first.subscription, together, is_repeated=first.is_repeated and all(e[2].is_repeated for e in companions)
        )

    async def _deliver(self, delivery: WebhookDelivery) -> None:
        subscription = delivery.subscription
        url = subscription.url
        status = await self._post(url, delivery)
        self.attempts += 1
        self.log.append(LoggedDelivery(delivery, url, status, time.time()))
        if status is not None and status // 100 == 2:  # noqa: PLR2004  any 2xx will do
            _mark(delivery, "delivered")
            return
        if delivery.is_repeated:
            return
        _mark(delivery, "failed")
        if status == _GONE or delivery.attempt > len(RETRY_SECONDS):
            subscription.active = False
            self.drop(subscription)
        elif subscription.active:
            again = WebhookDelivery(subscription, delivery.events, delivery.attempt + 1)
            self.send(again, RETRY_SECONDS[delivery.attempt - 1] * self.retry_scale)

    async def _post(self, url: str, delivery: WebhookDelivery) -> int | None:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)
        body = _body(delivery, self._organization)
        try:
            response = await self._client.post(url, content=body, headers=_headers(delivery, body))
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return response.status_code


def _mark(delivery: WebhookDelivery, status: EventStatus) -> None:
    for event in delivery.events:
        # A failed duplicate does not change a delivered event's status.
        if event.status != "delivered":
            event.status = status


def _body(delivery: WebhookDelivery, organization: str) -> bytes:
    church = {"organization": {"data": {"type": ORGANIZATION, "id": organization}}}
    deliveries = [
        {
            "id": event.uuid,
            "type": "EventDelivery",
            "attributes": {"name": event.name, "attempt": delivery.attempt, "payload": event.payload},
            "relationships": church,
        }
        for event in delivery.events
    ]
    return orjson.dumps({"data": deliveries})


def _headers(delivery: WebhookDelivery, body: bytes) -> dict[str, str]:
    first = delivery.events[0]
    signature = hmac.new(delivery.subscription.secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "User-Agent": "Planning Center Webhooks",
        "X-PCO-Webhooks-Event-ID": str(first.id),
        "X-PCO-Webhooks-Event": first.uuid,
        "X-PCO-Webhooks-Name": first.name,
        "X-PCO-Webhooks-Event-Time": first.created_at,
        "X-PCO-Webhooks-Authenticity": signature,
    }
