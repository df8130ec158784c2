"""Handle one webhook delivery, from its arrival to the response.

Every refusal for lack of a valid signature has the same response, takes about the same time and stores
nothing, whether the org, the adapter or the secret is wrong.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from openfaith_sync.adapters.dialects.port import DeliveryReader
from openfaith_sync.domain.errors import SyncError, UsageError
from openfaith_sync.domain.ids import NOBODY, AdapterName, OrgId, parse_org
from openfaith_sync.domain.webhooks.delivery import Delivery
from openfaith_sync.web.delivery_counts import DeliveryCounts
from openfaith_sync.web.inbox_writer import InboxWriter, NotSubscribed
from openfaith_sync.web.limits import ServerLimits
from openfaith_sync.web.request_bodies import BodyTooLarge, BodyTooSlow, MemoryLimitReached, RequestBodies
from openfaith_sync.web.responses import REFUSED, STORED, TOO_LARGE, TOO_SLOW, retry_later
from openfaith_sync.web.signatures import candidates, is_signed
from openfaith_sync.web.signing_secrets import SigningSecrets
from openfaith_sync.web.token_buckets import TokenBuckets, address_key

P = ParamSpec("P")
T = TypeVar("T")

_LOG = logging.getLogger("openfaith_sync.web")
# Hashing and parsing more than this would block the event loop for other requests.
_MAX_INLINE_BYTES = 64 << 10
_NAME = re.compile(r"[a-z0-9_.]{1,100}")
_RETRY_SECONDS = 30


class WebhookReceiver:
    """Handles ``POST /webhooks/{adapter}/{org}``. Used from one event loop."""

    def __init__(
        self,
        readers: Mapping[AdapterName, DeliveryReader],
        secrets: SigningSecrets,
        writer: InboxWriter,
        limits: ServerLimits,
        delivery_counts: DeliveryCounts,
    ) -> None:
        """Verify with these secrets and store through this writer."""
        self._readers, self._secrets, self._writer, self._limits = readers, secrets, writer, limits
        self._delivery_counts = delivery_counts
        self._bodies = RequestBodies(limits)
        self._orgs = TokenBuckets(limits.org_burst, limits.org_per_second)
        self._refused = TokenBuckets(limits.refused_burst, limits.refused_per_second)
        # An unknown adapter is handled like a known one, so that the response does not reveal which exist.
        self._any_reader = next(iter(readers.values()))

    async def receive(self, request: Request) -> Response:
        """Handle a delivery; a success response is sent only after its events are stored."""
        client = address_key(request.client.host if request.client else None)
        wait_seconds = self._refused.seconds_until_free(client)
        if wait_seconds:
            return self._respond("too_many", retry_later(429, wait_seconds))
        try:
            async with self._bodies.read(request) as body:
                response = await self._respond_to(request, body)
        except BodyTooLarge:
            response = self._respond("too_large", TOO_LARGE)
        except BodyTooSlow:
            response = self._respond("too_slow", TOO_SLOW)
        except MemoryLimitReached:
            return self._respond("memory_limit", retry_later(503, _RETRY_SECONDS))
        except ClientDisconnect:
            return TOO_SLOW
        if response in (REFUSED, TOO_LARGE, TOO_SLOW):
            self._refused.take(client)
        return response

    async def _respond_to(self, request: Request, body: bytes) -> Response:
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await self._receive(request, body)
        except SyncError as error:
            # Our errors contain nothing of the request (domain/errors.py).
            _LOG.error("a delivery was not stored: %s", error)
        except TimeoutError:
            _LOG.error("a delivery was not stored within %s s", self._limits.answer_seconds)
        return self._respond("not_stored", retry_later(503, _RETRY_SECONDS))

    async def _receive(self, request: Request, body: bytes) -> Response:
        adapter, org = _parse_path(request)
        reader = self._readers.get(adapter, self._any_reader)
        if not await self._is_signed(request, body, adapter, org, reader):
            # Nothing proves that the path names an org that there is.
            _LOG.info("refused a delivery without a valid signature")
            return self._respond("refused", REFUSED)
        key = (org, adapter)
        wait_seconds = self._orgs.seconds_until_free(key)
        if wait_seconds:
            return self._respond("too_many", retry_later(429, wait_seconds))
        self._orgs.take(key)
        delivery = await _run_by_size(body, reader.read_delivery, request.headers, body)
        if delivery.events or delivery.unreadable:
            try:
                await self._writer.store(org, adapter, delivery)
            except NotSubscribed:
                # Its secrets were still cached for a moment.
                return self._respond("refused", REFUSED)
        _log_delivery(org, adapter, delivery)
        return self._respond("stored", STORED)

    async def _is_signed(
        self, request: Request, body: bytes, adapter: AdapterName, org: OrgId, reader: DeliveryReader
    ) -> bool:
        name = request.headers.get(reader.headers.name, "")
        signature = request.headers.get(reader.headers.signature, "")
        for find in (self._secrets.find, self._secrets.find_newest):
            secrets, cost = candidates(await find(org, adapter), reader.announced, name)
            if await _run_by_size(body, is_signed, body, signature, secrets, cost):
                return True
        return False

    def _respond(self, outcome: str, response: Response) -> Response:
        self._delivery_counts.count(outcome)
        return response


def _parse_path(request: Request) -> tuple[AdapterName, OrgId]:
    """Return the adapter and org of the path; an invalid org name becomes ``NOBODY`` and is checked all the same."""
    try:
        org = parse_org(request.path_params["org"])
    except UsageError:
        org = NOBODY
    adapter = request.path_params["adapter"]
    return AdapterName(adapter if _NAME.fullmatch(adapter) else ""), org


async def _run_by_size(body: bytes, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function directly if the body is small, else in a thread."""
    if len(body) <= _MAX_INLINE_BYTES:
        return call(*arguments, **named)
    return await asyncio.to_thread(call, *arguments, **named)


def _log_delivery(org: OrgId, adapter: AdapterName, delivery: Delivery) -> None:
    """Log a stored delivery, and its events that will not be processed.

    The names of events come from the source, as the signature proves.
    """
    count = len(delivery.events)
    of_org = {"org": org, "adapter": adapter, "events": count}
    _LOG.info("stored a delivery of %s/%s with %d event(s)", org, adapter, count, extra=of_org)
    for name in sorted({name for name in delivery.ignored if _NAME.fullmatch(name)}):
        _LOG.info("%s: ignored %d event(s) named %s", org, delivery.ignored.count(name), name)
    for item in delivery.unreadable:
        _LOG.warning("%s: kept an unreadable part of a delivery: %s", org, item.reason)
