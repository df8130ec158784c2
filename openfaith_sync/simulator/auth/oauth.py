"""The OAuth server: consent, codes, tokens, and the responses to tokens that are not valid."""

import base64
import hashlib
import secrets
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import orjson
from pydantic import BaseModel, Field

from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.simulator.api import responses
from openfaith_sync.simulator.api.responses import JSON, SimulatedResponse
from openfaith_sync.simulator.auth.grants import Grants
from openfaith_sync.simulator.settings.settings import SimulatorSettings

Consent = Literal["approve", "deny"]
Refusal = Literal["hint", "basic"]
_NO_STORE = {"cache-control": "no-store"}
_HTML_ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"})


class OAuthBehaviour(BaseModel):
    """How the server behaves from now on; fields that are not set return to their defaults."""

    access_seconds: float = Field(default=7200, ge=0)
    access_requests: int | None = Field(default=None, ge=1)
    """The number of requests that an access token is good for."""
    rotates: bool = True
    """Whether a refresh issues a new refresh token."""
    consent: Consent = "approve"
    """Whether the person consents."""
    refusal: Refusal = "hint"
    """The body of a 401: JSON with a hint, or the text of HTTP Basic; the source has been seen to send both."""


class OAuthServer:
    """Serves ``/oauth/``, and checks Bearer tokens."""

    def __init__(self, adapter: AdapterFile, settings: SimulatorSettings, grants: Grants) -> None:
        """Accept one client; the scopes are those that the manifest names."""
        oauth2 = adapter.auth.oauth2
        self.paths: tuple[str, ...] = (oauth2.authorize, oauth2.token) if oauth2 else ()
        self._out_of_band = oauth2.out_of_band if oauth2 else ""
        scopes = oauth2.scopes if oauth2 else {}
        self._scope_below = {product.path: scopes.get(name) for name, product in adapter.products.items()}
        self._client = (settings.client_id, settings.client_secret)
        self.behaviour = OAuthBehaviour()
        self.grants = grants

    def set_behaviour(self, behaviour: OAuthBehaviour) -> None:
        """Change the behaviour; tokens already issued keep their expiry."""
        self.behaviour = behaviour
        self.grants.life.access_seconds = behaviour.access_seconds
        self.grants.life.access_requests = behaviour.access_requests
        self.grants.life.rotates = behaviour.rotates

    def handle(self, method: str, path: str, query_string: str, body: bytes, authorization: str) -> SimulatedResponse:
        """Handle a request to the authorization or the token endpoint."""
        match method, self.paths.index(path):
            case "GET", 0:
                return self._authorize(_single(query_string))
            case "POST", 1:
                return self._token(_single(body.decode("latin-1")), authorization)
            case _:
                return responses.page_not_found()

    def check_token(self, bearer: str, path: str) -> SimulatedResponse | int:
        """Return the number of the grant that a token was issued under, or the response to an invalid token."""
        token = self.grants.find(bearer)
        if token is None:
            return responses.refused_credentials()
        if token.grant.is_revoked or token.grant.access is not token:
            return self._refuse("CAPUCHIN")
        if not self.grants.use(token):
            return self._refuse("BABOON")
        wanted = self._scope_below.get("/".join(path.split("/")[:3]))
        if wanted is not None and wanted not in token.grant.scopes:
            return responses.hint("PELICAN")
        return token.grant.number

    def _refuse(self, hint: str) -> SimulatedResponse:
        return responses.refused_credentials() if self.behaviour.refusal == "basic" else responses.hint(hint)

    def _authorize(self, parameters: dict[str, str]) -> SimulatedResponse:
        redirect_uri, challenge = parameters.get("redirect_uri", ""), parameters.get("code_challenge", "")
        if parameters.get("client_id") != self._client[0] or not redirect_uri:
            return responses.html(400, "Error", "The client or the redirect URI is not known.")
        if parameters.get("response_type") != "code" or (
            challenge and parameters.get("code_challenge_method") != "S256"
        ):
            return _redirect(redirect_uri, {"error": "invalid_request"}, parameters)
        if self.behaviour.consent == "deny":
            return _redirect(redirect_uri, {"error": "access_denied"}, parameters)
        grant = self.grants.agree(parameters.get("scope", "").split())
        code = self.grants.issue_code(grant, redirect_uri, challenge)
        if redirect_uri == self._out_of_band:
            return responses.html(200, "Authorization code", f"Your code: {code}".translate(_HTML_ESCAPES))
        return _redirect(redirect_uri, {"code": code}, parameters)

    def _token(self, parameters: dict[str, str], authorization: str) -> SimulatedResponse:
        if not secrets.compare_digest(_client_of(parameters, authorization), ":".join(self._client)):
            return _refused(401, "invalid_client", "Client authentication failed due to unknown client.")
        match parameters.get("grant_type"):
            case "authorization_code":
                return self._exchange(parameters)
            case "refresh_token":
                tokens = self.grants.refresh(parameters.get("refresh_token", ""))
                return _granted(tokens) if tokens else _gone()
            case _:
                return _refused(400, "unsupported_grant_type", "The grant type is not supported.")

    def _exchange(self, parameters: dict[str, str]) -> SimulatedResponse:
        code = self.grants.take_code(parameters.get("code", ""))
        if code is None or code.redirect_uri != parameters.get("redirect_uri"):
            return _gone()
        if code.challenge and code.challenge != _challenge(parameters.get("code_verifier", "")):
            return _gone()
        return _granted(self.grants.issue(code.grant))


def _single(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _client_of(parameters: dict[str, str], authorization: str) -> str:
    kind, _, encoded = authorization.partition(" ")
    if kind == "Basic":
        try:
            return base64.b64decode(encoded).decode()
        except ValueError:
            return ""
    return f"{parameters.get('client_id', '')}:{parameters.get('client_secret', '')}"


def _redirect(to: str, answer_parameters: dict[str, str], parameters: dict[str, str]) -> SimulatedResponse:
    parts = urlsplit(to)
    answer_parameters = answer_parameters | ({"state": parameters["state"]} if "state" in parameters else {})
    query = "&".join(text for text in (parts.query, urlencode(answer_parameters)) if text)
    return SimulatedResponse(302, headers={"location": urlunsplit(parts._replace(query=query))})


def _granted(tokens: dict[str, object]) -> SimulatedResponse:
    return SimulatedResponse(200, orjson.dumps(tokens), JSON, headers=_NO_STORE)


def _gone() -> SimulatedResponse:
    # Planning Center's own wording (docs/pco.md 2.2).
    return _refused(
        400,
        "invalid_grant",
        "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI "
        "used in the authorization request, or was issued to another client.",
    )


def _refused(status: int, error: str, description: str) -> SimulatedResponse:
    body = {"error": error, "error_description": description}
    return SimulatedResponse(status, orjson.dumps(body), JSON, headers=_NO_STORE)
