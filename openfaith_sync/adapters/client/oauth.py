"""The source's OAuth endpoints: consent, code exchange and token refresh.

A code or a refresh token works only once, so each error says whether it may have been used (see
``adapters.ports.shared_state.Exchange``). No request is retried here.
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
from openfaith_sync.adapters.client.proxy_and_tls import ProxyRoute, build_ssl_context, explain, find_route
from openfaith_sync.adapters.client.request_limits import GZIP, RequestLimits, read_body
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

# A long timeout: if the response arrives after we stop waiting, the tokens in it are lost.
TOKEN_BOUNDS = RequestLimits(read_seconds=90, body_bytes=64 << 10)
_LONGEST_SECONDS = timedelta(days=365).total_seconds()
# Sent by a gateway in front of the source: it received no response, or one that it could not read.
_GATEWAY_STATUSES = frozenset({408, 502, 504, 520, 524})
# The statuses of errors in RFC 6749 5.2. The same error under another status comes from something else.
_OAUTH_ERROR_STATUSES = frozenset({400, 401})
# A person must correct the configuration before the same request can succeed.
_CONFIGURATION_ACTIONS = frozenset(
    {ErrorAction.STOP, ErrorAction.NOT_FOUND, ErrorAction.REFRESH, ErrorAction.RECONNECT}
)


class _TokenResponse(BaseModel):
    """A successful response of a token endpoint (RFC 6749 5.1)."""

    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, repr=False)
    # A valid access token is never discarded because one of these is malformed.
    refresh_token: Any = Field(default=None, repr=False)
    expires_in: Any = None
    scope: Any = None

    def next_refresh_token(self, spent: str | None) -> str | None:
        """Return the refresh token to use from now on; without a new one, the old one stays valid (RFC 6749 6)."""
        found = self.refresh_token
        return found if isinstance(found, str) and found else spent

    @property
    def lifetime(self) -> timedelta | None:
        """Return how long the access token lasts; ``None`` if the response states no valid duration."""
        try:
            seconds = float(self.expires_in)
        except (TypeError, ValueError, OverflowError):
            return None
        return timedelta(seconds=seconds) if 0 < seconds <= _LONGEST_SECONDS else None


class _ErrorResponse(BaseModel):
    """An error response of a token endpoint (RFC 6749 5.2)."""

    error: str = ""
    error_description: str = ""


class OAuthEndpoints:
    """The OAuth endpoints of one source, used as this deployment's client."""

    def __init__(
        self,
        adapter: AdapterFile,
        base_url: str,
        client: OAuthClient | None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Use the endpoints below the base URL; nothing is sent yet.

        Raises:
            DefinitionError: The adapter does not support OAuth.
        """
        if adapter.auth.oauth2 is None:
            raise DefinitionError(f"{adapter.title} does not use OAuth; connect it with: openfaith-sync org add")
        self._adapter, self._oauth2 = adapter, adapter.auth.oauth2
        self._base_url, self._client, self._transport = base_url.rstrip("/"), client, transport

    @property
    def oauth2(self) -> OAuth2:
        """Return the manifest's OAuth settings."""
        return self._oauth2

    def link(self, redirect_uri: str, scopes: frozenset[str], state: str, verifier: str) -> str:
        """Return the URL of the consent page; the source redirects the result to the redirect URI with the state.

        Raises:
            DefinitionError: This deployment has no OAuth client.
        """
        parameters = {
            "client_id": self.require_client().client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": " ".join(sorted(scopes)),
            "state": state,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return f"{self._base_url}{self._oauth2.authorize}?{urlencode(parameters)}"

    def exchange_code(self, code: str, verifier: str, redirect_uri: str, asked: frozenset[str]) -> OAuthTokens:
        """Exchange a code for tokens; the code works only once.

        Raises:
            ReconnectRequired: The code is not valid; a person must consent again.
            AnswerLost: The code may have been used.
            TransientError: The source certainly did not use the code.
            DefinitionError: The source does not know our client.
        """
        grant = {"code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
        return self._request_tokens("authorization_code", grant, asked)

    def refresh(self, token: str, before: frozenset[str]) -> OAuthTokens:
        """Return new tokens. The refresh token cannot be used again, unless the response contains no new one.

        See ``adapters.ports.shared_state.Exchange`` for the errors.
        """
        return self._request_tokens("refresh_token", {"refresh_token": token}, before)

    def _request_tokens(self, grant_type: str, grant: Mapping[str, str], scopes: frozenset[str]) -> OAuthTokens:
        client = self.require_client()
        form = {"grant_type": grant_type, "client_id": client.client_id, "client_secret": client.secret, **grant}
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": GZIP}
        bounds = TOKEN_BOUNDS
        timeout = httpx.Timeout(bounds.read_seconds, connect=bounds.connect_seconds)
        url = self._base_url + self._oauth2.token
        route = find_route(self._base_url) if self._transport is None else ProxyRoute("")
        transport = self._transport or BoundedTransport(
            build_ssl_context(route, self._base_url), route.proxy, httpx.Limits()
        )
        try:
            # A new connection: the source might close a pooled one just as the token is sent on it.
            with (
                httpx.Client(headers=headers, timeout=timeout, transport=transport, trust_env=False) as http,
                deadline(bounds.whole_seconds),
                http.stream("POST", url, data=form) as response,
            ):
                body = Hidden(read_body(response, bounds.body_bytes).decode(errors="replace"))
        except (httpx.RequestError, httpx.InvalidURL, MalformedAnswer) as error:
            raise self._no_response_error(grant_type, error, route) from None
        if response.is_success:
            return self._parse(grant_type, body, scopes, grant.get("refresh_token"))
        raise self._response_error(grant_type, response, body)

    def _parse(self, grant_type: str, body: Hidden, scopes: frozenset[str], spent: str | None) -> OAuthTokens:
        try:
            found = _TokenResponse.model_validate(orjson.loads(body.encode()))
        except (ValidationError, ValueError):
            found = None
        refresh_token = found.next_refresh_token(spent) if found else None
        if found is None or refresh_token is None:
            raise AnswerLost(f"the response of {self._title} to the {grant_type} contains no token pair")
        lifetime = found.lifetime or timedelta(seconds=self._oauth2.access_seconds)
        # A response without a scope grants what was requested (RFC 6749 5.1).
        granted = frozenset(found.scope.split()) if isinstance(found.scope, str) else scopes
        return OAuthTokens(found.access_token, refresh_token, lifetime, granted)

    def _no_response_error(self, grant_type: str, error: Exception, route: ProxyRoute) -> SyncError:
        """Return the error for a request without a response, decided by the common table."""
        outcome = decide_failure(error)
        if outcome is not None and outcome.is_unprocessed:
            reason = explain(error, route) or type(error).__name__
            return TransientError(f"{self._title} cannot be reached for a token: {reason}")
        if outcome is not None and outcome.action is ErrorAction.STOP:
            return DefinitionError(f"a token cannot be requested from {self._title}: {outcome.message}")
        return AnswerLost(f"the response of {self._title} to the {grant_type} was lost: {type(error).__name__}")

    def _response_error(self, grant_type: str, response: httpx.Response, body: Hidden) -> SyncError:
        """Return the error for an error response: OAuth's own error codes first, then the common table."""
        status = response.status_code
        message = f"{self._title} answered {status} to the {grant_type}"
        error = _ErrorResponse()
        if status in _OAUTH_ERROR_STATUSES:
            with suppress(ValidationError, ValueError):
                error = _ErrorResponse.model_validate(orjson.loads(body.encode()))
        # Only OAuth's error code goes into the message: the description may repeat secrets from the request.
        is_gone = any(text in error.error_description for text in self._oauth2.grant_is_gone)
        if error.error == "invalid_grant" or is_gone:
            days = self._oauth2.refresh_days
            return ReconnectRequired(f"{message}: the grant was revoked, or expired after {days} days without use")
        if error.error == "invalid_client":
            id_variable, secret_variable = client_variables(AdapterName(self._adapter.adapter))
            return DefinitionError(
                f"{message}: it does not accept this deployment's client; check {id_variable} and {secret_variable}"
            )
        if status in _GATEWAY_STATUSES:
            return AnswerLost(f"{message}: a gateway responded, not the source")
        outcome = decide(status, Hidden(body[:4096]), self._adapter.errors)
        if outcome is None or outcome.action in _CONFIGURATION_ACTIONS:
            reason = error.error or "no reason given"
            return DefinitionError(f"{message}: {reason}; check oauth2 in its manifest")
        # A 402 or 403 too: no token endpoint sends these, but a firewall does, without forwarding the request.
        return TransientError(message, retry_after=parse_retry_after(response.headers))

    def require_client(self) -> OAuthClient:
        """Return this deployment's OAuth client at the source.

        Raises:
            DefinitionError: None is configured.
        """
        if self._client is None:
            variables = " and ".join(client_variables(AdapterName(self._adapter.adapter)))
            raise DefinitionError(f"this deployment has no OAuth client for {self._title}; set {variables}")
        return self._client

    @property
    def _title(self) -> str:
        return self._adapter.title


def _challenge(verifier: str) -> str:
    """Return the PKCE challenge, which ties the code to the client that requested it (RFC 7636 4.2, S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
