"""``GET /oauth/callback``: where the source redirects a person who has consented or declined.

The page states the outcome and contains no code or token. An invalid state gets the same response whether it never
existed, has expired, or was used without success. A state that connected its org reports success again, since
browsers reload. Only a person's own visit uses a code: HEAD requests and browser prefetches only look.
"""

import asyncio
import logging
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import NotAuthorized, SyncError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.authorizations import load_progress, parse_state
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.limits import ServerLimits
from openfaith_sync.web.oauth_completion import complete_authorization, decline_authorization
from openfaith_sync.web.page_visits import PageVisits
from openfaith_sync.web.pages import page

PATH = "/oauth/callback"
_LOG = logging.getLogger("openfaith_sync.web")
_MAX_CHARACTERS = 2048
_RELOAD_SECONDS = 2
_OPEN_AGAIN = "Open the invitation that you were sent once more; it stays valid until you are connected."
_START_AGAIN = "Start again with: openfaith-sync org connect"
_INVALID = page(
    400,
    "This link is no longer valid",
    "It was already used, or has expired. If you were sent an invitation, open it again, or ask for a new one. "
    f"{_START_AGAIN}",
)


class OAuthCallback:
    """Completes authorizations started by ``org connect``. Used from one event loop."""

    def __init__(self, database: Database, manifests: Mapping[AdapterName, Manifest], limits: ServerLimits) -> None:
        """Complete authorizations for these adapters."""
        self._database, self._manifests = database, manifests
        self._visits = PageVisits(limits, _INVALID)

    async def respond(self, request: Request) -> Response:
        """Return the page that the person sees."""
        return await self._visits.admit(request, self._answer)

    async def _answer(self, request: Request) -> Response:
        try:
            return await (self._preview(request) if request.method == "HEAD" else self._complete(request))
        except NotAuthorized:
            raise
        except SyncError as error:
            # Our errors contain no code and no token (domain/errors.py), but a browser need not know the details.
            _LOG.error("an org was not connected: %s", error)
            return page(
                502,
                "Not connected",
                "If you were sent an invitation, open it again later, or tell whoever sent it. "
                f"The terminal of openfaith-sync org connect shows the reason. {_START_AGAIN}",
            )

    async def _complete(self, request: Request) -> Response:
        state, code, problem = _callback_parameters(request)
        try:
            return await self._use_state(state, code, problem)
        except NotAuthorized:
            return await self._respond_again(state)

    async def _use_state(self, state: str, code: str, problem: str) -> Response:
        """Use the state and the code that came with it.

        Raises:
            NotAuthorized: The state is not valid.
        """
        if problem:
            reason = "the person declined" if problem == "access_denied" else "the source did not ask for consent"
            refused = await asyncio.to_thread(decline_authorization, self._database, state, reason)
            how = _START_AGAIN if refused.invited is None else _OPEN_AGAIN
            return page(400, "Not connected", f"{refused.org} is not connected: {reason}. {how}")
        connected = await asyncio.to_thread(complete_authorization, self._database, self._manifests, state, code)
        _LOG.info("%s is connected to %s", connected.org, connected.adapter)
        return page(200, "Connected", _connected_text(connected.org, connected.title))

    async def _preview(self, request: Request) -> Response:
        """Return the headers of a visit's response, as far as they are known without using the state."""
        state, *_ = _callback_parameters(request)
        progress = await asyncio.to_thread(load_progress, self._database, state)
        if progress.is_connected or (not progress.is_used and progress.left.total_seconds() > 0):
            return page(200, "Connected", "")
        raise NotAuthorized("the state is not valid")

    async def _respond_again(self, state: str) -> Response:
        """Respond to a visit with a state that was already used: a reloaded page, or a link opened twice.

        Raises:
            NotAuthorized: The state did not connect an org.
        """
        progress = await asyncio.to_thread(load_progress, self._database, state)
        org, adapter = parse_state(state)
        if progress.is_connected and adapter in self._manifests:
            return page(200, "Connected", _connected_text(org, self._manifests[adapter].adapter_file.title))
        if progress.is_under_way:
            waiting = page(202, "One moment", f"{org} is being connected; this page reloads automatically.")
            waiting.headers["Refresh"] = str(_RELOAD_SECONDS)
            return waiting
        raise NotAuthorized("the state did not connect an org")


def _connected_text(org: OrgId, title: str) -> str:
    return f"{org} is connected to {title}. You can close this page."


def _callback_parameters(request: Request) -> tuple[str, str, str]:
    """Return the state, the code and the error; exactly one of code and error is set.

    Raises:
        NotAuthorized: The parameters are not those of a redirect from a source.
    """
    state, code, problem = (Hidden(_single(request, name)) for name in ("state", "code", "error"))
    if not state or bool(code) == bool(problem):
        raise NotAuthorized("a redirect without a state, or without exactly one of code and error")
    return state, code, problem


def _single(request: Request, name: str) -> str:
    """Return a parameter that was sent once and is not longer than a source's parameters are."""
    values = request.query_params.getlist(name)
    return values[0] if len(values) == 1 and len(values[0]) <= _MAX_CHARACTERS else ""
