"""The source's OAuth endpoints: where a person agrees, what a code gives, what a refresh token gives.

What is raised says what became of what was sent, since a code and a refresh token are good for one use
(see ``needs.Exchange``). Nothing is sent twice here.
"""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from openfaith_sync.adapters.client.bounded_transport import BoundedTransport, deadline
from openfaith_sync.adapters.client.outcomes import decide, decide_failure
from openfaith_sync.adapters.client.proxy_and_tls import Route, explain, find_route, trust
from openfaith_sync.adapters.client.request_limits import GZIP, Bounds, read_body
from openfaith_sync.adapters.client.transport import USER_AGENT
from openfaith_sync.adapters.ratelimit.rate_limit_headers import parse_retry_after
from openfaith_sync.domain.connections.connection import Hidden, OAuthClient, OAuthTokens
from openfaith_sync.domain.connections.deployment_settings import client_variables
from openfaith_sync.domain.errors import (
    AnswerLost,
    DefinitionError,
    MalformedAnswer,
    ReconnectRequired,
    SyncError,
    TransientError,
)
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.auth import OAuth2
from openfaith_sync.domain.manifest.error_rules import ErrorAction

# The answer is worth waiting for: one that comes after we gave up holds tokens that nobody has.
TOKEN_BOUNDS = Bounds(read_seconds=90, body_bytes=64 << 10)
_LONGEST_SECONDS = timedelta(days=365).total_seconds()
# Said by what stands before the source: it got no answer, or none that it could read.
_GATEWAYS_WORD = frozenset({408, 502, 504, 520, 524})
# Statuses that RFC 6749 5.2 gives its errors. The same words under another one are somebody else's.
_STATUSES_OF_THE_STANDARD = frozenset({400, 401})
# What a person must mend before the same request can succeed.
_OURS_TO_MEND = frozenset({ErrorAction.STOP, ErrorAction.NOT_FOUND, ErrorAction.REFRESH, ErrorAction.RECONNECT})


class _Granted(BaseModel):
    """What a token endpoint answers (RFC 6749 5.1)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, repr=False)
    # A token in hand is never thrown away over these.
    refresh_token: Any = Field(default=None, repr=False)
    expires_in: Any = None
    scope: Any = None

    def next_refresh_token(self, spent: str | None) -> str | None:
        """Return the refresh token that is good from now on; an answer without one leaves the old one (RFC 6749 6)."""
        found = self.refresh_token
        return found if isinstance(found, str) and found else spent

    @property
    def lifetime(self) -> timedelta | None:
        """Return how long the access token lasts, where that is said and can be."""
        try:
            seconds = float(self.expires_in)
        except (TypeError, ValueError, OverflowError):
            return None
        return timedelta(seconds=seconds) if 0 < seconds <= _LONGEST_SECONDS else None


class _Refused(BaseModel):
    """What it answers otherwise (RFC 6749 5.2)."""

    error: str = ""
    error_description: str = ""


class OAuthEndpoints:
    """The endpoints of one source, for this deployment's client."""

    def __init__(
        self,
        adapter: AdapterFile,
        base_url: str,
        client: OAuthClient | None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Ask below the base URL; nothing is sent yet.

        Raises:
            DefinitionError: The adapter knows no OAuth.
        """
        if adapter.auth.oauth2 is None:
            raise DefinitionError(f"{adapter.title} is not connected to by OAuth; use: openfaith-sync org add")
        self._adapter, self._oauth2 = adapter, adapter.auth.oauth2
        self._base_url, self._client, self._transport = base_url.rstrip("/"), client, transport

    @property
    def oauth2(self) -> OAuth2:
        """Return what the manifest says of them."""
        return self._oauth2

    def link(self, redirect_uri: str, scopes: frozenset[str], state: str, verifier: str) -> str:
        """Return where a person agrees; what comes of it goes to the redirect URI with the state.

        Raises:
            DefinitionError: This deployment has no client.
        """
        asked = {
            "client_id": self.require_client().client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(sorted(scopes)),
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._base_url}{self._oauth2.authorize}?{urlencode(asked)}"

    def exchange_code(self, code: str, verifier: str, redirect_uri: str, asked: frozenset[str]) -> OAuthTokens:
        """Return the tokens of a code, which is spent by this.

        Raises:
            ReconnectRequired: The code is not good; a person must agree again.
            AnswerLost: It may be spent.
            TransientError: The source surely did nothing.
            DefinitionError: It does not know our client.
        """
        told = {"code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
        return self._ask("authorization_code", told, asked)

    def refresh(self, token: str, before: frozenset[str]) -> OAuthTokens:
        """Return the next pair. The refresh token is spent, unless the answer brings no other one.

        See ``needs.Exchange`` for what is raised.
        """
        return self._ask("refresh_token", {"refresh_token": token}, before)

    def _ask(self, grant_type: str, told: Mapping[str, str], scopes: frozenset[str]) -> OAuthTokens:
        client = self.require_client()
        form = {"grant_type": grant_type, "client_id": client.client_id, "client_secret": client.secret, **told}
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": GZIP}
        bounds = TOKEN_BOUNDS
        timeout = httpx.Timeout(bounds.read_seconds, connect=bounds.connect_seconds)
        url = self._base_url + self._oauth2.token
        route = find_route(self._base_url) if self._transport is None else Route("")
        transport = self._transport or BoundedTransport(trust(route, self._base_url), route.proxy, httpx.Limits())
        try:
            # A connection of its own: one that was kept may be closed by the source just as the token is sent on it.
            with (
                httpx.Client(headers=headers, timeout=timeout, transport=transport, trust_env=False) as http,
                deadline(bounds.whole_seconds),
                http.stream("POST", url, data=form) as answer,
            ):
                body = Hidden(read_body(answer, bounds.body_bytes).decode(errors="replace"))
        except (httpx.RequestError, httpx.InvalidURL, MalformedAnswer) as error:
            raise self._unanswered(grant_type, error, route) from None
        if answer.is_success:
            return self._parse(grant_type, body, scopes, told.get("refresh_token"))
        raise self._refusal(grant_type, answer, body)

    def _parse(self, grant_type: str, body: Hidden, scopes: frozenset[str], spent: str | None) -> OAuthTokens:
        try:
            found = _Granted.model_validate(orjson.loads(body.encode()))
        except (ValidationError, ValueError):
            found = None
        refresh_token = found.next_refresh_token(spent) if found else None
        if found is None or refresh_token is None:
            raise AnswerLost(f"the answer of {self._title} to the {grant_type} holds no pair of tokens")
        lifetime = found.lifetime or timedelta(seconds=self._oauth2.access_seconds)
        # An answer without a scope grants what was asked for (RFC 6749 5.1).
        granted = frozenset(found.scope.split()) if isinstance(found.scope, str) else scopes
        return OAuthTokens(found.access_token, refresh_token, lifetime, granted)

    def _unanswered(self, grant_type: str, error: Exception, route: Route) -> SyncError:
        """Return the error for a lack of an answer, by the table that holds for every request."""
        outcome = decide_failure(error)
        if outcome is not None and outcome.is_untaken:
            why = explain(error, route) or type(error).__name__
            return TransientError(f"{self._title} cannot be reached for a token: {why}")
        if outcome is not None and outcome.action is ErrorAction.STOP:
            return DefinitionError(f"{self._title} cannot be asked for a token: {outcome.message}")
        return AnswerLost(f"the answer of {self._title} to the {grant_type} was lost: {type(error).__name__}")

    def _refusal(self, grant_type: str, response: httpx.Response, body: Hidden) -> SyncError:
        """Return the error for an answer that is no success: the standard's own words first, then the common table."""
        status = response.status_code
        message = f"{self._title} answered {status} to the {grant_type}"
        said = _Refused()
        if status in _STATUSES_OF_THE_STANDARD:
            with suppress(ValidationError, ValueError):
                said = _Refused.model_validate(orjson.loads(body.encode()))
        # Only words of the standard are repeated: a description may hold what was sent.
        is_gone = any(text in said.error_description for text in self._oauth2.grant_is_gone)
        if said.error == "invalid_grant" or is_gone:
            days = self._oauth2.refresh_days
            return ReconnectRequired(f"{message}: the grant was revoked, or is not good any more ({days} days unused)")
        if said.error == "invalid_client":
            id_variable, secret_variable = client_variables(AdapterName(self._adapter.adapter))
            return DefinitionError(
                f"{message}: it does not know this deployment's client; check {id_variable} and {secret_variable}"
            )
        if status in _GATEWAYS_WORD:
            return AnswerLost(f"{message}: a gateway says so, and not what is behind it")
        outcome = decide(status, Hidden(body[:4096]), self._adapter.errors)
        if outcome is None or outcome.action in _OURS_TO_MEND:
            reason = said.error or "without a reason"
            return DefinitionError(f"{message}: {reason}; check the oauth2 part of its manifest")
        # A 402 or 403 too: no token endpoint answers that, but a firewall before it does, and passes nothing on.
        return TransientError(message, retry_after=parse_retry_after(response.headers))

    def require_client(self) -> OAuthClient:
        """Return who this deployment is to the source.

        Raises:
            DefinitionError: It is nobody yet.
        """
        if self._client is None:
            variables = " and ".join(client_variables(AdapterName(self._adapter.adapter)))
            raise DefinitionError(f"this deployment is no OAuth client of {self._title} yet; set {variables}")
        return self._client

    @property
    def _title(self) -> str:
        return self._adapter.title


def _challenge(verifier: str) -> str:
    """Return what proves later that who brings the code is who asked for it (RFC 7636 4.2, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
