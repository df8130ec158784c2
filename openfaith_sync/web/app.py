"""The ASGI application: which paths there are, and what every answer carries."""

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

from openfaith_sync.adapters.dialects.registry import speak
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.webhooks.subscriptions import load_secrets
from openfaith_sync.web.callback import PATH as CALLBACK_PATH
from openfaith_sync.web.callback import OAuthCallback
from openfaith_sync.web.database_calls import DatabaseCalls
from openfaith_sync.web.health import Health
from openfaith_sync.web.inbox_writer import InboxWriter, OnStep
from openfaith_sync.web.limits import DEFAULT_LIMITS, Limits
from openfaith_sync.web.receiving import WebhookReceiver
from openfaith_sync.web.signing_secrets import Secrets, SigningSecrets
from openfaith_sync.web.tally import Tally

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What browsers and caches must know, on every answer; the server puts it there, on its own answers too."""


def build_app(
    database: Database, manifests: Iterable[Manifest], limits: Limits = DEFAULT_LIMITS, on_step: OnStep | None = None
) -> Starlette:
    """Yield the application that receives for these adapters; it opens no connection before it is asked.

    Raises:
        DefinitionError: None of the adapters has webhooks.
    """
    manifests = list(manifests)
    readers = {m.adapter: webhooks.reader for m in manifests if (webhooks := speak(m).webhooks) is not None}
    if not readers:
        raise DefinitionError("none of the manifests has webhooks; there is nothing to receive")
    calls, tally = DatabaseCalls(database, limits.database_connections), Tally()

    async def load(org: OrgId, adapter: AdapterName) -> Secrets:
        return await calls.run(lambda connection: load_secrets(connection, database.keys, org, adapter), org)

    secrets = SigningSecrets(load, limits.secrets_seconds)
    receiver = WebhookReceiver(readers, secrets, InboxWriter(calls, limits.waiting, on_step), limits, tally)

    callback = OAuthCallback(database, {m.adapter: m for m in manifests if m.adapter_file.auth.oauth2}, limits)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        calls.open()
        telling = asyncio.create_task(tally.run())
        yield
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
        tally.say()
        await asyncio.to_thread(calls.close)

    routes = [
        Route("/webhooks/{adapter}/{org}", receiver.receive, methods=["POST"]),
        Route(CALLBACK_PATH, callback.answer, methods=["GET"]),
        Route("/health", Health(calls).answer, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(WithoutLastSlash)],
        exception_handlers={HTTPException: _answer_nothing, Exception: _answer_nothing},
    )
    # Starlette would redirect a path with a slash too many to where the Host header says: codes to a stranger's host.
    app.router.redirect_slashes = False
    return app


class WithoutLastSlash:
    """Takes a path with a slash at its end for the same without: it is how people and sources write URLs."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before this application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on the request."""
        if scope["type"] == "http" and len(scope["path"]) > 1:
            scope = {**scope, "path": scope["path"].removesuffix("/")}
        await self._app(scope, receive, send)


async def _answer_nothing(_: Request, error: Exception) -> Response:
    """Answer a wrong path, a wrong method or a mistake of ours by its status alone."""
    if isinstance(error, HTTPException):
        return Response(status_code=error.status_code, headers=error.headers)
    return Response(status_code=500)
