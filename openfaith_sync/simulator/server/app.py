"""The ASGI application: one request from its arrival to its answer.

Raw ASGI, since a router, request objects and middleware would cost more than
everything that happens here.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.api import responses as answers
from openfaith_sync.simulator.api.document_caches import Libraries
from openfaith_sync.simulator.api.documents import Document, Librarian
from openfaith_sync.simulator.api.ignored_parameters import without_ignored
from openfaith_sync.simulator.api.query import Query, parse_query
from openfaith_sync.simulator.api.responses import Answer
from openfaith_sync.simulator.api.routes import Listing, Me, Nested, Root, Route, Router, Single
from openfaith_sync.simulator.api.writes import write
from openfaith_sync.simulator.auth.access_control import Reception, resolve_version
from openfaith_sync.simulator.auth.grants import Grants
from openfaith_sync.simulator.auth.oauth import OAuthServer
from openfaith_sync.simulator.control.control import Control
from openfaith_sync.simulator.control.request_log import LoggedRequest
from openfaith_sync.simulator.control.second_church import Answering, Switch
from openfaith_sync.simulator.data.church import Church
from openfaith_sync.simulator.data.population import populate
from openfaith_sync.simulator.data.unmodelled_resources import organization_id
from openfaith_sync.simulator.events import webhook_api
from openfaith_sync.simulator.events.event_publisher import Newsroom
from openfaith_sync.simulator.events.webhook_api import WebhookApi, WebhookRequest
from openfaith_sync.simulator.server.response_damage import OF_RECORDS, damage
from openfaith_sync.simulator.server.response_delivery import Scope, Send, send_answer
from openfaith_sync.simulator.server.response_headers import HeaderWriter
from openfaith_sync.simulator.settings.rate_limit import Verdict, parse_rate
from openfaith_sync.simulator.settings.settings import SimulatorSettings

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

CONTROL_PREFIX = "/_sim/"
_OK, _GATEWAY_TIMEOUT = 200, 504


class SimulatorApp:
    """Answers as the source would, and obeys the control surface below ``/_sim/``."""

    def __init__(self, settings: SimulatorSettings, manifest: Manifest) -> None:
        """Fill the church."""
        world = populate(manifest, settings.people, settings.seed)
        offset = settings.clock_offset_seconds
        self._church = Church(world, lambda: time.time() + offset)
        self._libraries = Libraries(world, settings.seed, settings.left_out)
        self._oauth = OAuthServer(manifest.adapter_file, settings, Grants(lambda: time.time() + offset))
        self._reception = Reception(manifest, settings, self._oauth)
        self._headers = HeaderWriter(manifest.adapter_file.rate_limit)
        self._newsroom = Newsroom(self._church, self._libraries, settings)
        organization = organization_id(settings.seed)
        own = Answering(
            Router(world, manifest.adapter_file.auth.verify),
            self._libraries,
            WebhookApi(self._newsroom, organization),
            organization,
        )
        self._switch = Switch(own, manifest, self._newsroom)
        self._control = Control(self._church, self._reception, self._newsroom, self._oauth, settings, self._switch)
        self._most = manifest.adapter_file.paging.size
        self._version_header = manifest.adapter_file.version_header.lower().encode()
        self._versions = {product.path: product.version for product in manifest.adapter_file.products.values()}
        webhooks = manifest.adapter_file.webhooks
        self._versions.setdefault(webhook_api.ROOT, webhooks.version if webhooks else "")
        self._last_bodies: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith(CONTROL_PREFIX):
            answer = self._control.answer(scope, await _read_body(receive))
            await send_answer(scope, send, answer, [(b"content-type", answer.content_type.encode())])
            return
        control = self._control
        sequence = control.log.next_sequence()
        control.play_script()
        if control.latency_seconds:
            await asyncio.sleep(control.latency_seconds)
        body = await _read_body(receive) if scope["method"] in ("POST", "PATCH", "PUT") else b""
        started = time.perf_counter()
        answer, headers, verdict = self._answer(scope, body)
        # Only tells pages apart; md5 is what the source's own weak tags are.
        digest = hashlib.md5(answer.body, usedforsecurity=False).hexdigest()
        query_string = scope["query_string"].decode("latin-1")
        control.log.requests.append(
            LoggedRequest(
                sequence, scope["method"], path, query_string, answer.status, answer.count, digest, time.time(), verdict
            )
        )
        if answer.delay_seconds:
            await asyncio.sleep(answer.delay_seconds)
        headers += self._headers.closing(answer, digest, time.perf_counter() - started)
        await send_answer(scope, send, answer, headers)

    def _answer(self, scope: Scope, body: bytes) -> tuple[Answer, list[tuple[bytes, bytes]], Verdict | None]:
        given = dict(scope["headers"])
        path: str = scope["path"]
        authorization = given.get(b"authorization", b"").decode("latin-1")
        if path in self._oauth.paths:
            return self._answer_oauth(scope, body, authorization), [], None
        guest = self._reception.greet(authorization, path)
        if isinstance(guest, Answer):
            return guest, [], None
        query = parse_query(scope["query_string"].decode("latin-1"), self._most)
        verdict = self._reception.count(guest, query.offset, time.monotonic())
        asked = given.get(self._version_header, b"").decode("latin-1")
        version = resolve_version(asked, self._versions.get("/".join(path.split("/")[:3]), "2018-08-01"))
        answer = self._judge(verdict, version, asked) or self._read_or_write(scope, given, query, body)
        answer = self._damaged(scope, answer)
        return answer, self._headers.opening(guest, verdict, version, answer), verdict

    def _answer_oauth(self, scope: Scope, body: bytes, authorization: str) -> Answer:
        path, query_string = scope["path"], scope["query_string"].decode("latin-1")
        fault = self._control.faults.hit(path) if self._control.faults else None
        if fault is not None and fault.kind == "status" and fault.status != _GATEWAY_TIMEOUT:
            # The source says that it did nothing. What a proxy says of a time-out means nothing.
            return damage(fault, Answer(_OK), path, None)
        answer = self._oauth.answer(scope["method"], path, query_string, body, authorization)
        return damage(fault, answer, path, None) if fault is not None and fault.kind not in OF_RECORDS else answer

    def _judge(self, verdict: Verdict | None, version: str | None, asked: str) -> Answer | None:
        if verdict is not None and verdict.is_refused:
            rule = verdict.rule
            detail = (
                f"Rate limit exceeded: {verdict.count} of {rule.requests} requests per {rule.period_seconds} seconds"
            )
            refusal = answers.error(429, detail, "429")
            refusal.headers["retry-after"] = str(verdict.retry_after_seconds)
            return refusal
        if version is None:
            return answers.error(400, f"The API version {asked!r} is not supported", "unsupported_version_error")
        return None

    def _read_or_write(self, scope: Scope, given: dict[bytes, bytes], query: Query, body: bytes) -> Answer:
        path, method = scope["path"], scope["method"]
        if self._newsroom.curtain:
            self._newsroom.curtain.lift(time.monotonic())
        if self._control.ignored:
            query = without_ignored(self._control.ignored, path, query)
        base_url = f"{scope['scheme']}://{given.get(b'host', b'').decode('latin-1')}"
        answering = self._switch.at(self._control.log.last_sequence)
        if path.startswith(webhook_api.ROOT):
            return answering.webhooks.answer(WebhookRequest(method, path, query, body, base_url))
        route = answering.router.find(path)
        librarian = answering.libraries.under(base_url)
        if method != "GET":
            return write(self._church, librarian, route, method, body, query)
        document = self._read(librarian, route, query, path)
        return answers.error(404) if document is None else Answer(_OK, document.body, count=document.count)

    def _read(self, librarian: Librarian, route: Route | None, query: Query, path: str) -> Document | None:
        match route:
            case Listing(table):
                return librarian.page(table, query, path)
            case Single(table, row, wire_type):
                return librarian.single(table, row, query, wire_type)
            case Nested(edge, row):
                return librarian.nested_page(edge, row, query, path)
            case Root(root):
                return librarian.church(root)
            case Me():
                return librarian.me(query, path)
            case _:
                return None

    def _damaged(self, scope: Scope, answer: Answer) -> Answer:
        faults, path = self._control.faults, scope["path"]
        if faults:
            fault = faults.hit(path)
            if fault is not None and fault.rate is not None:
                self._reception.rate = parse_rate(fault.rate)
            elif fault is not None:
                address = f"{path}?{scope['query_string'].decode('latin-1')}"
                return damage(fault, answer, address, self._last_bodies.get(path))
        if answer.status == _OK:
            self._last_bodies[path] = answer.body
        return answer


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
