"""``GET /oauth/callback``: where a source sends a person back to, once they agreed or did not.

The page says how it went, and nothing of a code or a token. A state that is not good is one answer,
whether it never was, has expired or comes a second time.
"""

import asyncio
import logging
from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from openfaith_sync.domain.connection import Hidden
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.store.authorizations import NotAuthorized
from openfaith_sync.store.database import Database
from openfaith_sync.web.answers import try_again
from openfaith_sync.web.connecting import Connected, complete, refuse
from openfaith_sync.web.limits import Limits
from openfaith_sync.web.token_buckets import TokenBuckets, address_key

PATH = "/oauth/callback"
_LOG = logging.getLogger("openfaith_sync.web")
_MOST_CHARACTERS = 2048
_SIDE_BY_SIDE = 4
_RETRY_SECONDS = 5
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>OpenFaith Sync</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_BEGIN_AGAIN = "Begin again with: openfaith-sync org connect"


class OAuthCallback:
    """Completes what ``org connect`` began. Used from one event loop."""

    def __init__(self, database: Database, manifests: Mapping[AdapterName, Manifest], limits: Limits) -> None:
        """Complete for these adapters."""
        self._database, self._manifests = database, manifests
        self._refused = TokenBuckets(limits.refused_burst, limits.refused_per_second)
        self._turns = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def answer(self, request: Request) -> Response:
        """Give the page that the person sees."""
        client = address_key(request.client.host if request.client else None)
        wait_seconds = self._refused.seconds_until_free(client)
        if wait_seconds:
            return try_again(429, wait_seconds)
        if self._turns.locked():
            return try_again(503, _RETRY_SECONDS)
        async with self._turns:
            try:
                return await self._answer(request)
            except NotAuthorized:
                self._refused.take(client)
                return _page(400, "This link is not good any more", f"It was used, or is too old. {_BEGIN_AGAIN}")
            except SyncError as error:
                # Ours hold no code and no token (domain/errors.py), but say more of us than a browser need know.
                _LOG.error("an org was not connected: %s", error)
                return _page(502, "Not connected", f"Whoever began it is told why. {_BEGIN_AGAIN}")

    async def _answer(self, request: Request) -> Response:
        state, code, problem = (Hidden(_single(request, name)) for name in ("state", "code", "error"))
        if not state or bool(code) == bool(problem):
            raise NotAuthorized("an answer without a state, or without one of code and error")
        if problem:
            why = "the person did not agree" if problem == "access_denied" else "the source refused to ask the person"
            refused = await asyncio.to_thread(refuse, self._database, state, why)
            return _page(400, "Not connected", f"{refused.org} is not connected: {why}. {_BEGIN_AGAIN}")
        connected = await asyncio.to_thread(complete, self._database, self._manifests, state, code)
        _LOG.info("%s is connected to %s", connected.org, connected.adapter)
        return _page(200, "Connected", _said(connected))


def _said(connected: Connected) -> str:
    return f"{connected.org} is connected to {connected.title}. You may close this page."


def _single(request: Request, name: str) -> str:
    """Give a parameter that came once, and is no longer than any that a source sends."""
    given = request.query_params.getlist(name)
    return given[0] if len(given) == 1 and len(given[0]) <= _MOST_CHARACTERS else ""


def _page(status: int, title: str, text: str) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), text=escape(text)), status)
