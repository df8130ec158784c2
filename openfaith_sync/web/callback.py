"""``GET /oauth/callback``: where a source sends a person back to, once they agreed or did not.

The page says how it went, and nothing of a code or a token. A state that is not good is one answer, whether it
never was, has expired, or was used in vain. One that connected its org says so again: browsers reload. Only a
person's own visit spends a code: HEAD and what a browser fetches ahead only look.
"""

import asyncio
import logging
from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.authorizations import NotAuthorized, load_progress, parse_state
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.answers import try_again
from openfaith_sync.web.connecting import complete, refuse
from openfaith_sync.web.limits import Limits
from openfaith_sync.web.token_buckets import TokenBuckets, address_key

PATH = "/oauth/callback"
_LOG = logging.getLogger("openfaith_sync.web")
_MOST_CHARACTERS = 2048
_SIDE_BY_SIDE = 4
_RETRY_SECONDS = 5
_RELOAD_SECONDS = 2
# What browsers, and those who draw previews, say of a request that no person made (Fetch standard, Sec-Purpose).
_PURPOSES = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_AHEAD = ("prefetch", "prerender", "preview")
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
        """Return the page that the person sees."""
        client = address_key(request.client.host if request.client else None)
        wait_seconds = self._refused.seconds_until_free(client)
        if wait_seconds:
            return try_again(429, wait_seconds)
        if self._turns.locked():
            return try_again(503, _RETRY_SECONDS)
        if _is_ahead(request):
            # The browser then asks again once a person goes there.
            return try_again(503, _RETRY_SECONDS)
        async with self._turns:
            try:
                return await (self._look(request) if request.method == "HEAD" else self._answer(request))
            except NotAuthorized:
                self._refused.take(client)
                return _page(400, "This link is not good any more", f"It was used, or is too old. {_BEGIN_AGAIN}")
            except SyncError as error:
                # Ours hold no code and no token (domain/errors.py), but say more of us than a browser need know.
                _LOG.error("an org was not connected: %s", error)
                return _page(502, "Not connected", f"Whoever began it is told why. {_BEGIN_AGAIN}")

    async def _answer(self, request: Request) -> Response:
        state, code, problem = _asked(request)
        try:
            return await self._settle(state, code, problem)
        except NotAuthorized:
            return await self._again(state)

    async def _settle(self, state: str, code: str, problem: str) -> Response:
        """Spend the state, and the code that came with it.

        Raises:
            NotAuthorized: The state is not good.
        """
        if problem:
            why = "the person did not agree" if problem == "access_denied" else "the source refused to ask the person"
            refused = await asyncio.to_thread(refuse, self._database, state, why)
            return _page(400, "Not connected", f"{refused.org} is not connected: {why}. {_BEGIN_AGAIN}")
        connected = await asyncio.to_thread(complete, self._database, self._manifests, state, code)
        _LOG.info("%s is connected to %s", connected.org, connected.adapter)
        return _page(200, "Connected", _said(connected.org, connected.title))

    async def _look(self, request: Request) -> Response:
        """Return the head of what a visit would be answered with, as far as that is known without spending anything."""
        state, *_ = _asked(request)
        progress = await asyncio.to_thread(load_progress, self._database, state)
        if progress.is_connected or (not progress.is_used and progress.left.total_seconds() > 0):
            return _page(200, "Connected", "")
        raise NotAuthorized("the state is not good")

    async def _again(self, state: str) -> Response:
        """Answer a visit with a state that is spent: a page that was loaded again, or opened twice.

        Raises:
            NotAuthorized: It connected nobody.
        """
        progress = await asyncio.to_thread(load_progress, self._database, state)
        org, adapter = parse_state(state)
        if progress.is_connected and adapter in self._manifests:
            return _page(200, "Connected", _said(org, self._manifests[adapter].adapter_file.title))
        if progress.is_under_way:
            page = _page(202, "One moment", f"{org} is being connected; this page loads again by itself.")
            page.headers["Refresh"] = str(_RELOAD_SECONDS)
            return page
        raise NotAuthorized("the state connected nobody")


def _said(org: OrgId, title: str) -> str:
    return f"{org} is connected to {title}. You may close this page."


def _is_ahead(request: Request) -> bool:
    """Say whether nobody has gone to this page yet: a browser fetches it in case somebody will."""
    purposes = " ".join(request.headers.get(name, "") for name in _PURPOSES).lower()
    return any(word in purposes for word in _AHEAD)


def _asked(request: Request) -> tuple[str, str, str]:
    """Return the state, the code and the error, of which only one may be there.

    Raises:
        NotAuthorized: No source sends such an answer.
    """
    state, code, problem = (Hidden(_single(request, name)) for name in ("state", "code", "error"))
    if not state or bool(code) == bool(problem):
        raise NotAuthorized("an answer without a state, or without one of code and error")
    return state, code, problem


def _single(request: Request, name: str) -> str:
    """Return a parameter that came once, and is no longer than any that a source sends."""
    given = request.query_params.getlist(name)
    return given[0] if len(given) == 1 and len(given[0]) <= _MOST_CHARACTERS else ""


def _page(status: int, title: str, text: str) -> Response:
    return HTMLResponse(_PAGE.format(title=escape(title), text=escape(text)), status)
