"""The manifest keys for credentials."""

from typing import Literal, Self

from pydantic import Field, model_validator

from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase, UrlPath
from openfaith_sync.domain.manifest.problem import ManifestProblem, ManifestProblems


class OAuth2(ManifestModel):
    """The source's OAuth 2 endpoints, scopes and lifetimes (RFC 6749, with PKCE from RFC 7636)."""

    authorize: UrlPath
    """The consent page; below the connection's base URL, as all paths are."""
    token: UrlPath
    scopes: dict[SnakeCase, str]
    """The scopes that each product requires."""
    out_of_band: str = "urn:ietf:wg:oauth:2.0:oob"
    """The redirect URI with which the source shows the code instead of redirecting."""
    access_seconds: int = Field(gt=0)
    """How long an access token is valid if the source does not state it."""
    refresh_days: int = Field(gt=0)
    """How long an unused refresh token stays valid."""
    refresh_ahead_seconds: int = Field(ge=0)
    """How long before its expiry an access token is renewed; longer than the time between two checks of an
    unchanged org."""
    grant_is_gone: tuple[str, ...] = ()
    """Texts in the response to a refresh that mean the same as `invalid_grant`."""


class TokenPlace(ManifestModel):
    """Where a request carries a token, if not in `Authorization: Bearer`."""

    header: str | None = None
    """The header's name, such as `Api-Key`."""
    prefix: str = ""
    """Text before the token in the header, such as `Login `."""
    parameter: str | None = None
    """The query parameter's name, such as `apikey`."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.header is None) == (self.parameter is None):
            raise ManifestProblems(ManifestProblem(("header",), "one of header and parameter", "neither or both"))
        return self


class Auth(ManifestModel):
    """How requests are authorized."""

    methods: tuple[Literal["basic", "bearer", "oauth2", "token"], ...]
    """`token` stands for a token that is sent as the key `token` describes."""
    verify: UrlPath
    """The path of a cheap request that any valid credentials may send."""
    verify_parameters: dict[str, str] = Field(default_factory=dict)
    """Its query parameters, such as those that make the response state the account."""
    token: TokenPlace | None = None
    oauth2: OAuth2 | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if ("oauth2" in self.methods) != (self.oauth2 is not None):
            raise ManifestProblems(ManifestProblem(("oauth2",), "this key exactly where methods has oauth2"))
        if ("token" in self.methods) != (self.token is not None):
            raise ManifestProblems(ManifestProblem(("token",), "this key exactly where methods has token"))
        if {"token", "bearer"} <= set(self.methods):
            raise ManifestProblems(ManifestProblem(("methods",), "one way to carry a token", "both bearer and token"))
        return self
