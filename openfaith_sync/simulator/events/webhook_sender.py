"""The postman: delivers events, signed, and comes again as often as the source does."""

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
from openfaith_sync.simulator.events.subscriptions import EventStatus, Subscription, WebhookEvent

_MINUTES = 60
_HOURS = 60 * _MINUTES
RETRY_SECONDS = (
    *(30, *(minutes * _MINUTES for minutes in (1, 2, 4, 8, 16, 32, 64))),
    *(hours * _HOURS for hours in (2.1, 4.2, 8.5, 17)),
    *(24 * _HOURS,) * 4,
)
"""How long after each failure the next attempt is made; after the last one nothing comes any more."""

_TIMEOUT_SECONDS = 10
_GONE = 410
_MOST_LOGGED = 200_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """Events that go to their subscription together."""

    subscription: Subscription
    events: tuple[WebhookEvent, ...]
    attempt: int = 1
    is_repeated: bool = False
    """Whether it was delivered before without need: nobody tries again when this fails."""


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """One attempt and what came of it."""

    delivery: Delivery
    url: str
    status: int | None
    """The receiver's; nothing when it gave no answer."""
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


class Postman:
    """Walks each URL's deliveries one by one, so that the same events arrive in the same order.

    A URL that does not answer keeps no other one waiting.
    """

    def __init__(self, organization: str, retry_scale: float) -> None:
        """Deliver in the name of an organization; real waiting times are multiplied by the scale."""
        self._organization = organization
        self.retry_scale = retry_scale
        self.batch = 1
        self.log: deque[LoggedDelivery] = deque(maxlen=_MOST_LOGGED)
        self.attempts = 0
        """How many deliveries were tried so far."""
        self._rounds: dict[str, list[tuple[float, int, Delivery]]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._walks: dict[str, asyncio.Task[None]] = {}
        self._on_the_way = 0
        self._moment: float | None = None
        self._last_number = 0
        self._client: httpx.AsyncClient | None = None

    @property
    def pending(self) -> int:
        """Count the deliveries that wait or are on their way."""
        return sum(map(len, self._rounds.values())) + self._on_the_way

    def send(self, delivery: Delivery, after_seconds: float) -> None:
        """Deliver when that time has passed."""
        url = delivery.subscription.url
        self._last_number += 1
        loop = asyncio.get_running_loop()
        if self._moment is None:
            # What one request lets happen happens at one moment: how long it took must not change the order.
            self._moment = time.monotonic()
            loop.call_soon(self._forget_moment)
        heappush(self._rounds.setdefault(url, []), (self._moment + after_seconds, self._last_number, delivery))
        self._wakes.setdefault(url, asyncio.Event()).set()
        if url not in self._walks:
            self._walks[url] = loop.create_task(self._walk(url))

    def drop(self, subscription: Subscription) -> None:
        """Deliver nothing more to a subscription of what waits."""
        for url, waiting in self._rounds.items():
            for _, _, delivery in waiting:
                if delivery.subscription is subscription:
                    _mark(delivery, "skipped")
            waiting[:] = [entry for entry in waiting if entry[2].subscription is not subscription]
            heapify(waiting)
            self._wakes[url].set()

    def _forget_moment(self) -> None:
        self._moment = None

    async def _walk(self, url: str) -> None:
        waiting, wake = self._rounds[url], self._wakes[url]
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
            self._on_the_way += 1
            try:
                await self._deliver(delivery)
            finally:
                self._on_the_way -= 1
        del self._walks[url]

    def _take(self, waiting: list[tuple[float, int, Delivery]]) -> Delivery:
        """Take the next delivery, with others that may go with it."""
        first = heappop(waiting)[2]
        now, more = time.monotonic(), list[tuple[float, int, Delivery]]()
        if self.batch > 1 and first.attempt == 1:
            due = sorted(e for e in waiting if e[0] <= now and e[2].subscription is first.subscription)
            more = [entry for entry in due if entry[2].attempt == 1][: self.batch - 1]
        if not more:
            return first
        waiting[:] = [entry for entry in waiting if entry not in more]
        heapify(waiting)
        events = [*first.events, *(event for entry in more for event in entry[2].events)]
        together = tuple({event.id: event for event in events}.values())
        return Delivery(
            first.subscription, together, is_repeated=first.is_repeated and all(e[2].is_repeated for e in more)
        )

    async def _deliver(self, delivery: Delivery) -> None:
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
            again = Delivery(subscription, delivery.events, delivery.attempt + 1)
            self.send(again, RETRY_SECONDS[delivery.attempt - 1] * self.retry_scale)

    async def _post(self, url: str, delivery: Delivery) -> int | None:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)
        body = _body(delivery, self._organization)
        try:
            answer = await self._client.post(url, content=body, headers=_headers(delivery, body))
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return answer.status_code


def _mark(delivery: Delivery, status: EventStatus) -> None:
    for event in delivery.events:
        # A repeated delivery that fails takes nothing back.
        if event.status != "delivered":
            event.status = status


def _body(delivery: Delivery, organization: str) -> bytes:
    church = {"organization": {"data": {"type": ORGANIZATION, "id": organization}}}
    said = [
        {
            "id": event.uuid,
            "type": "EventDelivery",
            "attributes": {"name": event.name, "attempt": delivery.attempt, "payload": event.payload},
            "relationships": church,
        }
        for event in delivery.events
    ]
    return orjson.dumps({"data": said})


def _headers(delivery: Delivery, body: bytes) -> dict[str, str]:
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
