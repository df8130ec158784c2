"""The ASGI application: its routes, and the headers on every response."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.webhooks.subscriptions import load_secrets
from openfaith_sync.web.database_calls import DatabaseCalls
from openfaith_sync.web.delivery_counts import DeliveryCounts
from openfaith_sync.web.health import Health
from openfaith_sync.web.inbox_writer import InboxWriter, OnStep
from openfaith_sync.web.invitation_page import PATH as INVITATION_PATH
from openfaith_sync.web.invitation_page import InvitationPage
from openfaith_sync.web.limits import DEFAULT_LIMITS, ServerLimits
from openfaith_sync.web.metrics import Metrics
from openfaith_sync.web.oauth_callback import PATH as CALLBACK_PATH
from openfaith_sync.web.oauth_callback import OAuthCallback
from openfaith_sync.web.signing_secrets import Secrets, SigningSecrets
from openfaith_sync.web.webhook_receiver import WebhookReceiver

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Security headers for browsers and caches; the server adds them to every response, including its own."""


def build_app(
    database: Database,
    manifests: Iterable[Manifest],
    limits: ServerLimits = DEFAULT_LIMITS,
    on_step: OnStep | None = None,
) -> Starlette:
    """Return the application that receives for these adapters; it opens connections only when a request needs one.

    Raises:
        DefinitionError: None of the adapters has webhooks.
    """
    manifests = list(manifests)
    readers = {m.adapter: webhooks.reader for m in manifests if (webhooks := open_dialect(m).webhooks) is not None}
    if not readers:
        raise DefinitionError("no manifest declares webhooks; there is nothing to receive")
    calls, delivery_counts = DatabaseCalls(database, limits.database_connections), DeliveryCounts()

    async def load(org: OrgId, adapter: AdapterName) -> Secrets:
        return await calls.run(lambda connection: load_secrets(connection, database.keys, org, adapter), org)

    secrets = SigningSecrets(load, limits.secrets_seconds)
    receiver = WebhookReceiver(readers, secrets, InboxWriter(calls, limits.waiting, on_step), limits, delivery_counts)

    with_oauth = {m.adapter: m for m in manifests if m.adapter_file.auth.oauth2}
    callback, invitation = OAuthCallback(database, with_oauth, limits), InvitationPage(database, with_oauth, limits)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        calls.open()
        logging_task = asyncio.create_task(delivery_counts.run())
        yield
        logging_task.cancel()
        with suppress(asyncio.CancelledError):
            await logging_task
        delivery_counts.log()
        await asyncio.to_thread(calls.close)

    health = Health(calls)
    routes = [
        Route("/webhooks/{adapter}/{org}", receiver.receive, methods=["POST"]),
        Route(CALLBACK_PATH, callback.respond, methods=["GET"]),
        Route(f"{INVITATION_PATH}/{{link}}", invitation.respond, methods=["GET", "POST"]),
        Route("/health", health.respond, methods=["GET"]),
        Route("/ready", health.respond_ready, methods=["GET"]),
        Route("/metrics", Metrics(database, delivery_counts, limits.metrics_seconds).respond, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(StripTrailingSlash)],
        exception_handlers={HTTPException: _respond_with_status, Exception: _respond_with_status},
    )
    # Starlette would redirect a path with an extra slash to the host in the Host header, and send codes to a
    # stranger's host.
    app.router.redirect_slashes = False
    return app


class StripTrailingSlash:
    """Treats a path with a trailing slash like the path without it, since people and sources write URLs both ways."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap this application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        await self._app(scope, receive, send)


async def _respond_with_status(_: Request, error: Exception) -> Response:
    """Answer a wrong path, a wrong method or an internal error with its status alone."""
    if isinstance(error, HTTPException):
        return Response(status_code=error.status_code, headers=error.headers)
    return Response(status_code=500)
