"""The OAuth server: consent, codes, tokens, and what is answered to a token that is not good."""

import base64
import hashlib
import secrets
from typing import Literal
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import orjson
from pydantic import BaseModel, Field

from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.simulator.api import responses as answers
from openfaith_sync.simulator.api.responses import JSON, Answer
from openfaith_sync.simulator.auth.grants import Grants
from openfaith_sync.simulator.settings.settings import SimulatorSettings

Consent = Literal["approve", "deny"]
Refusal = Literal["hint", "basic"]
_NO_STORE = {"cache-control": "no-store"}
_HTML_ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"})


class OAuthBehaviour(BaseModel):
    """How the server behaves from now on; what is not named becomes usual again."""

    access_seconds: float = Field(default=7200, ge=0)
    access_requests: int | None = Field(default=None, ge=1)
    """So many requests use an access token up."""
    rotates: bool = True
    """Whether a refresh brings another refresh token."""
    consent: Consent = "approve"
    """What the person says."""
    refusal: Refusal = "hint"
    """The body of a 401: JSON with a hint, or the text of HTTP Basic; the source is seen to send both."""


class OAuthServer:
    """Answers below ``/oauth/``, and says what a Bearer token is good for."""

    def __init__(self, adapter: AdapterFile, settings: SimulatorSettings, grants: Grants) -> None:
        """Know one client; the scopes are those that the manifest names."""
        oauth2 = adapter.auth.oauth2
        self.paths: tuple[str, ...] = (oauth2.authorize, oauth2.token) if oauth2 else ()
        self._out_of_band = oauth2.out_of_band if oauth2 else ""
        scopes = oauth2.scopes if oauth2 else {}
        self._scope_below = {product.path: scopes.get(name) for name, product in adapter.products.items()}
        self._client = (settings.client_id, settings.client_secret)
        self.behaviour = OAuthBehaviour()
        self.grants = grants

    def behave(self, behaviour: OAuthBehaviour) -> None:
        """Behave otherwise; tokens that are out keep their time."""
        self.behaviour = behaviour
        self.grants.life.access_seconds = behaviour.access_seconds
        self.grants.life.access_requests = behaviour.access_requests
        self.grants.life.rotates = behaviour.rotates

    def answer(self, method: str, path: str, query_string: str, body: bytes, authorization: str) -> Answer:
        """Answer one request to the authorization or the token endpoint."""
        match method, self.paths.index(path):
            case "GET", 0:
                return self._authorize(_single(query_string))
            case "POST", 1:
                return self._token(_single(body.decode("latin-1")), authorization)
            case _:
                return answers.page_not_found()

    def refusal_of(self, bearer: str, path: str) -> Answer | int:
        """Return the number of the grant that a token reads by, or the answer to a token that may not."""
        token = self.grants.find(bearer)
        if token is None:
            return answers.refused_credentials()
        if token.grant.is_revoked or token.grant.access is not token:
            return self._refuse("CAPUCHIN")
        if not self.grants.use(token):
            return self._refuse("BABOON")
        wanted = self._scope_below.get("/".join(path.split("/")[:3]))
        if wanted is not None and wanted not in token.grant.scopes:
            return _hint("PELICAN")
        return token.grant.number

    def _refuse(self, hint: str) -> Answer:
        return answers.refused_credentials() if self.behaviour.refusal == "basic" else _hint(hint)

    def _authorize(self, given: dict[str, str]) -> Answer:
        redirect_uri, challenge = given.get("redirect_uri", ""), given.get("code_challenge", "")
        if given.get("client_id") != self._client[0] or not redirect_uri:
            return answers.html(400, "Error", "The client or the redirect URI is not known.")
        if given.get("response_type") != "code" or (challenge and given.get("code_challenge_method") != "S256"):
            return _redirect(redirect_uri, {"error": "invalid_request"}, given)
        if self.behaviour.consent == "deny":
            return _redirect(redirect_uri, {"error": "access_denied"}, given)
        grant = self.grants.agree(given.get("scope", "").split())
        code = self.grants.issue_code(grant, redirect_uri, challenge)
        if redirect_uri == self._out_of_band:
            return answers.html(200, "Authorization code", f"Your code: {code}".translate(_HTML_ESCAPES))
        return _redirect(redirect_uri, {"code": code}, given)

    def _token(self, given: dict[str, str], authorization: str) -> Answer:
        if not secrets.compare_digest(_client_of(given, authorization), ":".join(self._client)):
            return _refused(401, "invalid_client", "Client authentication failed due to unknown client.")
        match given.get("grant_type"):
            case "authorization_code":
                return self._exchange(given)
            case "refresh_token":
                found = self.grants.refresh(given.get("refresh_token", ""))
                return _granted(found) if found else _gone()
            case _:
                return _refused(400, "unsupported_grant_type", "The grant type is not supported.")

    def _exchange(self, given: dict[str, str]) -> Answer:
        code = self.grants.take_code(given.get("code", ""))
        if code is None or code.redirect_uri != given.get("redirect_uri"):
            return _gone()
        if code.challenge and code.challenge != _challenge(given.get("code_verifier", "")):
            return _gone()
        return _granted(self.grants.issue(code.grant))


def _single(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _client_of(given: dict[str, str], authorization: str) -> str:
    kind, _, encoded = authorization.partition(" ")
    if kind == "Basic":
        try:
            return base64.b64decode(encoded).decode()
        except ValueError:
            return ""
    return f"{given.get('client_id', '')}:{given.get('client_secret', '')}"


def _redirect(to: str, told: dict[str, str], given: dict[str, str]) -> Answer:
    parts = urlsplit(to)
    told = told | ({"state": given["state"]} if "state" in given else {})
    query = "&".join(part for part in (parts.query, urlencode(told)) if part)
    return Answer(302, headers={"location": urlunsplit(parts._replace(query=query))})


def _granted(pair: dict[str, object]) -> Answer:
    return Answer(200, orjson.dumps(pair), JSON, headers=_NO_STORE)


def _gone() -> Answer:
    # Planning Center's own words (docs/pco.md 2.2).
    return _refused(
        400,
        "invalid_grant",
        "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI "
        "used in the authorization request, or was issued to another client.",
    )


def _refused(status: int, error: str, description: str) -> Answer:
    body = {"error": error, "error_description": description}
    return Answer(status, orjson.dumps(body), JSON, headers=_NO_STORE)


def _hint(hint: str) -> Answer:
    return answers.error(401, f"This request could not be authenticated. Error Code Hint: ({hint})", "unauthorized")
