"""One delivery, from its arrival to its answer.

Every refusal for want of a right signature is the same answer, takes about the same time and stores
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
from openfaith_sync.web.answers import REFUSED, STORED, TOO_LARGE, TOO_SLOW, try_again
from openfaith_sync.web.bodies import Bodies, BodyTooLarge, BodyTooSlow, NoRoom
from openfaith_sync.web.inbox_writer import InboxWriter, NotSubscribed
from openfaith_sync.web.limits import Limits
from openfaith_sync.web.signatures import candidates, is_signed
from openfaith_sync.web.signing_secrets import SigningSecrets
from openfaith_sync.web.tally import Tally
from openfaith_sync.web.token_buckets import TokenBuckets, address_key

P = ParamSpec("P")
T = TypeVar("T")

_LOG = logging.getLogger("openfaith_sync.web")
# Hashing and reading more than this would keep all others waiting.
_BYTES_AT_ONCE = 64 << 10
_NAME = re.compile(r"[a-z0-9_.]{1,100}")
_RETRY_SECONDS = 30


class WebhookReceiver:
    """Answers ``POST /webhooks/{adapter}/{org}``. Used from one event loop."""

    def __init__(
        self,
        readers: Mapping[AdapterName, DeliveryReader],
        secrets: SigningSecrets,
        writer: InboxWriter,
        limits: Limits,
        tally: Tally,
    ) -> None:
        """Believe these secrets and store through this writer."""
        self._readers, self._secrets, self._writer, self._limits = readers, secrets, writer, limits
        self._tally = tally
        self._bodies = Bodies(limits)
        self._orgs = TokenBuckets(limits.org_burst, limits.org_per_second)
        self._refused = TokenBuckets(limits.refused_burst, limits.refused_per_second)
        # An adapter that is not known is asked for like one that is.
        self._anyone = next(iter(readers.values()))

    async def receive(self, request: Request) -> Response:
        """Return the answer; a success is promised only of what is stored."""
        client = address_key(request.client.host if request.client else None)
        wait_seconds = self._refused.seconds_until_free(client)
        if wait_seconds:
            return self._note("too_many", try_again(429, wait_seconds))
        try:
            async with self._bodies.read(request) as body:
                answer = await self._answer(request, body)
        except BodyTooLarge:
            answer = self._note("too_large", TOO_LARGE)
        except BodyTooSlow:
            answer = self._note("too_slow", TOO_SLOW)
        except NoRoom:
            return self._note("no_room", try_again(503, _RETRY_SECONDS))
        except ClientDisconnect:
            return TOO_SLOW
        if answer in (REFUSED, TOO_LARGE, TOO_SLOW):
            self._refused.take(client)
        return answer

    async def _answer(self, request: Request, body: bytes) -> Response:
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await self._receive(request, body)
        except SyncError as error:
            # Ours hold nothing of a request (domain/errors.py).
            _LOG.error("a delivery was not stored: %s", error)
        except TimeoutError:
            _LOG.error("a delivery was not stored within %s s", self._limits.answer_seconds)
        return self._note("not_stored", try_again(503, _RETRY_SECONDS))

    async def _receive(self, request: Request, body: bytes) -> Response:
        adapter, org = _asked_for(request)
        reader = self._readers.get(adapter, self._anyone)
        if not await self._is_signed(request, body, adapter, org, reader):
            return self._note("refused", REFUSED)
        key = (org, adapter)
        wait_seconds = self._orgs.seconds_until_free(key)
        if wait_seconds:
            return self._note("too_many", try_again(429, wait_seconds))
        self._orgs.take(key)
        delivery = await _soon(body, reader.read_delivery, request.headers, body)
        if delivery.events or delivery.unreadable:
            try:
                await self._writer.store(org, adapter, delivery)
            except NotSubscribed:
                # Its secrets were still believed for a moment.
                return self._note("refused", REFUSED)
        _say(org, delivery)
        return self._note("stored", STORED)

    async def _is_signed(
        self, request: Request, body: bytes, adapter: AdapterName, org: OrgId, reader: DeliveryReader
    ) -> bool:
        name = request.headers.get(reader.headers.name, "")
        given = request.headers.get(reader.headers.signature, "")
        for find in (self._secrets.find, self._secrets.find_newest):
            secrets, cost = candidates(await find(org, adapter), reader.announced, name)
            if await _soon(body, is_signed, body, given, secrets, cost):
                return True
        return False

    def _note(self, outcome: str, answer: Response) -> Response:
        self._tally.note(outcome)
        return answer


def _asked_for(request: Request) -> tuple[AdapterName, OrgId]:
    """Return whom the path names; what cannot be an org's name is nobody's, and asked for all the same."""
    try:
        org = parse_org(request.path_params["org"])
    except UsageError:
        org = NOBODY
    adapter = request.path_params["adapter"]
    return AdapterName(adapter if _NAME.fullmatch(adapter) else ""), org


async def _soon(body: bytes, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Make a call here when the body is small, else in a thread."""
    if len(body) <= _BYTES_AT_ONCE:
        return call(*arguments, **named)
    return await asyncio.to_thread(call, *arguments, **named)


def _say(org: OrgId, delivery: Delivery) -> None:
    """Say what will not be looked at. Names are the source's own words for its events, proven by the signature."""
    for name in sorted({name for name in delivery.ignored if _NAME.fullmatch(name)}):
        _LOG.info("%s: ignored %d event(s) %s", org, delivery.ignored.count(name), name)
    for part in delivery.unreadable:
        _LOG.warning("%s: kept a part of a delivery that could not be read: %s", org, part.reason)
