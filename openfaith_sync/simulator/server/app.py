"""The ASGI application: one request from its arrival to its response.

Raw ASGI, since a router, request objects and middleware would cost more than
everything that happens here.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.dialect_files import PcoFile
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.api import responses
from openfaith_sync.simulator.api.document_builders import DocumentBuilders
from openfaith_sync.simulator.api.documents import Document, DocumentBuilder
from openfaith_sync.simulator.api.ignored_parameters import drop_ignored
from openfaith_sync.simulator.api.query import Query, parse_query
from openfaith_sync.simulator.api.responses import SimulatedResponse
from openfaith_sync.simulator.api.routes import CurrentUser, Listing, NestedListing, Root, Route, Router, Single
from openfaith_sync.simulator.api.writes import write
from openfaith_sync.simulator.auth.access_control import AccessControl, resolve_version
from openfaith_sync.simulator.auth.grants import Grants
from openfaith_sync.simulator.auth.oauth import OAuthServer
from openfaith_sync.simulator.control.control import Control
from openfaith_sync.simulator.control.request_log import LoggedRequest
from openfaith_sync.simulator.control.second_church import ChurchSwitch, ServedChurch
from openfaith_sync.simulator.data.apps.population import populate
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.unmodelled_resources import organization_id
from openfaith_sync.simulator.events import webhook_api
from openfaith_sync.simulator.events.event_publisher import EventPublisher
from openfaith_sync.simulator.events.webhook_api import WebhookApi, WebhookRequest
from openfaith_sync.simulator.server.response_damage import OF_RECORDS, damage_response
from openfaith_sync.simulator.server.response_delivery import Scope, Send, send_response
from openfaith_sync.simulator.server.response_headers import HeaderWriter
from openfaith_sync.simulator.server.side_doors import answer_side_door
from openfaith_sync.simulator.settings.rate_limit import WindowCount, parse_rate
from openfaith_sync.simulator.settings.settings import SimulatorSettings

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

CONTROL_PREFIX = "/_sim/"
_OK, _GATEWAY_TIMEOUT = 200, 504


class SimulatorApp:
    """Responds as the source would, and serves the control surface below ``/_sim/``."""

    def __init__(self, settings: SimulatorSettings, manifest: Manifest) -> None:
        """Populate the church.

        Raises:
            DefinitionError: The adapter speaks a dialect that is not simulated.
        """
        adapter_file = manifest.adapter_file
        if not isinstance(adapter_file, PcoFile):
            raise DefinitionError(f"{adapter_file.dialect} is not simulated; only manifests of the dialect pco are")
        world = populate(manifest, settings.people, settings.seed, settings.as_of_seconds)
        offset = settings.clock_offset_seconds
        self._church = SimulatedChurch(world, lambda: time.time() + offset, settings.as_of_seconds)
        self._document_builders = DocumentBuilders(world, settings.seed, settings.left_out)
        self._oauth = OAuthServer(manifest.adapter_file, settings, Grants(lambda: time.time() + offset))
        self._access_control = AccessControl(manifest, settings, self._oauth)
        self._headers = HeaderWriter(manifest.adapter_file.rate_limit)
        self._publisher = EventPublisher(self._church, self._document_builders, settings)
        organization = organization_id(settings.seed)
        own = ServedChurch(
            Router(world, manifest.adapter_file.auth.verify),
            self._document_builders,
            WebhookApi(self._publisher, organization),
            organization,
        )
        self._church_switch = ChurchSwitch(own, manifest, self._publisher)
        self._control = Control(
            self._church, self._access_control, self._publisher, self._oauth, settings, self._church_switch
        )
        self._most = manifest.adapter_file.paging.size
        self._version_header = (adapter_file.version_header or "").lower().encode()
        self._versions = {product.path: product.version for product in manifest.adapter_file.products.values()}
        webhooks = adapter_file.webhooks
        self._versions.setdefault(webhook_api.ROOT, webhooks.version if webhooks else "")
        self._last_bodies: dict[str, bytes] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith(CONTROL_PREFIX):
            response = self._control.handle(scope, await _read_body(receive))
            await send_response(scope, send, response, [(b"content-type", response.content_type.encode())])
            return
        control = self._control
        sequence = control.log.next_sequence()
        control.run_script()
        if control.latency_seconds:
            await asyncio.sleep(control.latency_seconds)
        body = await _read_body(receive) if scope["method"] in ("POST", "PATCH", "PUT") else b""
        started = time.perf_counter()
        response, headers, window_count = self._answer(scope, body)
        # Only distinguishes pages; the source's own weak tags are md5 too.
        digest = hashlib.md5(response.body, usedforsecurity=False).hexdigest()
        query_string = scope["query_string"].decode("latin-1")
        control.log.requests.append(
            LoggedRequest(
                sequence,
                scope["method"],
                path,
                query_string,
                response.status,
                response.count,
                digest,
                time.time(),
                window_count,
            )
        )
        if response.delay_seconds:
            await asyncio.sleep(response.delay_seconds)
        headers += self._headers.closing(response, digest, time.perf_counter() - started)
        await send_response(scope, send, response, headers)

    def _answer(
        self, scope: Scope, body: bytes
    ) -> tuple[SimulatedResponse, list[tuple[bytes, bytes]], WindowCount | None]:
        request_headers = dict(scope["headers"])
        path: str = scope["path"]
        authorization = request_headers.get(b"authorization", b"").decode("latin-1")
        if path in self._oauth.paths:
            return self._answer_oauth(scope, body, authorization), [], None
        client = self._access_control.authenticate(authorization, path)
        if isinstance(client, SimulatedResponse):
            return client, [], None
        query = parse_query(scope["query_string"].decode("latin-1"), self._most)
        window_count = self._access_control.count(client, query.offset, time.monotonic())
        requested = request_headers.get(self._version_header, b"").decode("latin-1")
        version = resolve_version(requested, self._versions.get("/".join(path.split("/")[:3])) or "2018-08-01")
        response = self._refuse(window_count, version, requested) or self._read_or_write(
            scope, request_headers, query, body
        )
        response = self._apply_fault(scope, response)
        return response, self._headers.opening(client, window_count, version, response), window_count

    def _answer_oauth(self, scope: Scope, body: bytes, authorization: str) -> SimulatedResponse:
        path, query_string = scope["path"], scope["query_string"].decode("latin-1")
        fault = self._control.faults.hit(path) if self._control.faults else None
        if fault is not None and fault.kind == "status" and fault.status != _GATEWAY_TIMEOUT:
            # With these statuses the source states that it did nothing. A proxy's time-out states
            # nothing.
            return damage_response(fault, SimulatedResponse(_OK), path, None)
        response = self._oauth.handle(scope["method"], path, query_string, body, authorization)
        return (
            damage_response(fault, response, path, None)
            if fault is not None and fault.kind not in OF_RECORDS
            else response
        )

    def _refuse(
        self, window_count: WindowCount | None, version: str | None, requested: str
    ) -> SimulatedResponse | None:
        if window_count is not None and window_count.is_refused:
            rule = window_count.rule
            limit = f"{rule.requests} requests per {rule.period_seconds} seconds"
            detail = f"Rate limit exceeded: {window_count.count} of {limit}"
            refusal = responses.error(429, detail, "429")
            refusal.headers["retry-after"] = str(window_count.retry_after_seconds)
            return refusal
        if version is None:
            return responses.error(400, f"The API version {requested!r} is not supported", "unsupported_version_error")
        return None

    def _read_or_write(
        self, scope: Scope, request_headers: dict[bytes, bytes], query: Query, body: bytes
    ) -> SimulatedResponse:
        path, method = scope["path"], scope["method"]
        if self._publisher.visibility_delay:
            self._publisher.visibility_delay.show_due(time.monotonic())
        if self._control.ignored:
            query = drop_ignored(self._control.ignored, path, query)
        base_url = f"{scope['scheme']}://{request_headers.get(b'host', b'').decode('latin-1')}"
        served_church = self._church_switch.at(self._control.log.last_sequence)
        if path.startswith(webhook_api.ROOT):
            return served_church.webhooks.handle(WebhookRequest(method, path, query, body, base_url))
        aside = answer_side_door(self._church, served_church.router, method, path, body)
        if aside is not None:
            return aside
        route = served_church.router.find(path)
        builder = served_church.document_builders.for_base_url(base_url)
        if method != "GET":
            return write(self._church, builder, route, method, body, query)
        document = self._read(builder, route, query, path)
        return responses.error(404) if document is None else SimulatedResponse(_OK, document.body, count=document.count)

    def _read(self, builder: DocumentBuilder, route: Route | None, query: Query, path: str) -> Document | None:
        match route:
            case Listing(table):
                return builder.page(table, query, path)
            case Single(table, row, wire_type):
                return builder.single(table, row, query, wire_type)
            case NestedListing(edge, row):
                return builder.nested_page(edge, row, query, path)
            case Root(root):
                return builder.church(root)
            case CurrentUser():
                return builder.me(query, path)
            case _:
                return None

    def _apply_fault(self, scope: Scope, response: SimulatedResponse) -> SimulatedResponse:
        faults, path = self._control.faults, scope["path"]
        if faults:
            fault = faults.hit(path)
            if fault is not None and fault.rate is not None:
                self._access_control.rate = parse_rate(fault.rate)
            elif fault is not None:
                address = f"{path}?{scope['query_string'].decode('latin-1')}"
                return damage_response(fault, response, address, self._last_bodies.get(path))
        if response.status == _OK:
            self._last_bodies[path] = response.body
        return response


async def _read_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
