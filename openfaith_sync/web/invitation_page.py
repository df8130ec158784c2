"""``/invite/{link}``: what a church sees that was sent an invitation, and the button that begins its consent.

Opening the page uses nothing up, so mail scanners and previews may. The button begins an authorization as
``org connect`` does; the link is used up when the connection is stored (``oauth_completion.py``). A link that is not
valid gets the same response whether it never existed, was used or withdrawn, or has expired.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.domain.connections.scopes import find_ungranted
from openfaith_sync.domain.connections.selection import select_entities
from openfaith_sync.domain.errors import NotAuthorized, SyncError
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.authorizations import begin_authorization
from openfaith_sync.store.connections.invitations import Invitation, find_invitation
from openfaith_sync.store.connections.selections import load_selection, load_sensitive
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.limits import ServerLimits
from openfaith_sync.web.page_visits import PageVisits
from openfaith_sync.web.pages import page, render
from openfaith_sync.web.responses import retry_later
from openfaith_sync.web.token_buckets import TokenBuckets

PATH = "/invite"
_LOG = logging.getLogger("openfaith_sync.web")
_MAX_CHARACTERS = 200
_INVALID = page(
    400,
    "This invitation is not valid",
    "It was used already, was withdrawn, or has expired. Ask whoever sent it to you for a new one.",
)
_FAILED = "Please try again later. If it does not help, tell whoever sent you this link."


class InvitationPage:
    """Handles ``GET`` and ``POST /invite/{link}``. Used from one event loop."""

    def __init__(self, database: Database, manifests: Mapping[AdapterName, Manifest], limits: ServerLimits) -> None:
        """Show invitations to these adapters."""
        self._database, self._manifests = database, manifests
        self._visits = PageVisits(limits, _INVALID)
        self._begun = TokenBuckets(limits.consent_burst, limits.consent_per_second)

    async def respond(self, request: Request) -> Response:
        """Return the page, or the redirect to the source's consent page."""
        return await self._visits.admit(request, self._begin if request.method == "POST" else self._show)

    async def _show(self, request: Request) -> Response:
        try:
            return await asyncio.to_thread(self._render, _link(request))
        except NotAuthorized:
            raise
        except SyncError as error:
            return _failed(error)

    async def _begin(self, request: Request) -> Response:
        try:
            invitation = await asyncio.to_thread(find_invitation, self._database, _link(request))
            # Whoever has a link must not fill the table of authorizations.
            key = (invitation.org, invitation.adapter)
            wait_seconds = self._begun.seconds_until_free(key)
            if wait_seconds:
                return retry_later(429, wait_seconds)
            self._begun.take(key)
            return RedirectResponse(await asyncio.to_thread(self._authorize, invitation), 303)
        except NotAuthorized:
            raise
        except SyncError as error:
            return _failed(error)

    def _render(self, link: str) -> Response:
        invitation = find_invitation(self._database, link)
        manifest = self._find_manifest(invitation)
        only = load_selection(self._database, invitation.org, invitation.adapter)
        return render(
            200,
            "invitation.html",
            title=f"Connect your church to {invitation.asked_by}",
            asked_by=invitation.asked_by,
            org=invitation.org,
            system=manifest.adapter_file.title,
            modules=describe_request(
                manifest,
                invitation.scopes,
                only,
                load_sensitive(self._database, invitation.org, invitation.adapter),
            ),
            has_webhooks=manifest.adapter_file.has_webhooks,
            expires=f"{invitation.expires_at:%Y-%m-%d %H:%M}",
        )

    def _authorize(self, invitation: Invitation) -> str:
        """Begin an authorization, and return the URL of the source's consent page."""
        org, adapter, base_url = invitation.org, invitation.adapter, invitation.base_url
        adapter_file = self._find_manifest(invitation).adapter_file
        endpoints = OAuthEndpoints(adapter_file, base_url, self._database.oauth_clients.get(adapter))
        endpoints.require_client()
        begun = begin_authorization(
            self._database, org, adapter, base_url, invitation.redirect_uri, invitation.scopes, invitation.secret_hash
        )
        return endpoints.link(invitation.redirect_uri, invitation.scopes, begun.state, begun.verifier)

    def _find_manifest(self, invitation: Invitation) -> Manifest:
        if invitation.adapter not in self._manifests:
            raise NotAuthorized(f"there is no manifest for {invitation.adapter} with OAuth")
        return self._manifests[invitation.adapter]


def describe_request(
    manifest: Manifest, scopes: frozenset[str], only: tuple[str, ...] | None, sensitive: Collection[str] = ()
) -> list[tuple[str, list[str]]]:
    """Return what would be read with these scopes, in words: the modules, and what they hold."""
    modules: dict[str, list[str]] = {}
    ungranted = find_ungranted(manifest, scopes)
    for name in select_entities(manifest, only, sensitive):
        if name not in ungranted:
            entity = manifest.entities[name]
            modules.setdefault(entity.module, []).append(entity.source_name.replace("_", " "))
    return list(modules.items())


def _link(request: Request) -> str:
    link = str(request.path_params["link"])
    if len(link) > _MAX_CHARACTERS:
        raise NotAuthorized("the invitation was not made here")
    return link


def _failed(error: SyncError) -> Response:
    # Our errors contain no secret (domain/errors.py), but a browser need not know the details.
    _LOG.error("an invitation cannot be used: %s", error)
    return page(502, "This does not work at the moment", _FAILED)
