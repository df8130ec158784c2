"""What a manifest says of credentials."""

from typing import Literal, Self

from pydantic import Field, model_validator

from openfaith_sync.domain.manifest.model import Part, SnakeCase, UrlPath
from openfaith_sync.domain.manifest.problem import ManifestProblems, Problem


class OAuth2(Part):
    """How an org lets us read its data, and for how long (RFC 6749, with PKCE of RFC 7636)."""

    authorize: UrlPath
    """Where a person agrees; below the connection's base URL, as all paths."""
    token: UrlPath
    scopes: dict[SnakeCase, str]
    """What must be granted to read each product."""
    out_of_band: str = "urn:ietf:wg:oauth:2.0:oob"
    """The redirect URI that has the source show the code instead of sending it to us."""
    access_seconds: int = Field(gt=0)
    """How long an access token is good when the source does not say."""
    refresh_days: int = Field(gt=0)
    """How long a refresh token is good that nobody uses."""
    refresh_ahead_seconds: int = Field(ge=0)
    """So long before its end an access token is replaced; more than the time between two looks at a quiet org."""
    grant_is_gone: tuple[str, ...] = ()
    """Text in the answer to a refresh that means what `invalid_grant` does."""


class TokenPlace(Part):
    """Where a request carries a token that is not sent as `Authorization: Bearer`."""

    header: str | None = None
    """The header's name, such as `Api-Key`."""
    prefix: str = ""
    """What stands before the token in the header, such as `Login `."""
    parameter: str | None = None
    """The query parameter's name, such as `apikey`."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.header is None) == (self.parameter is None):
            raise ManifestProblems(Problem(("header",), "one of header and parameter", "neither or both"))
        return self


class Auth(Part):
    """How a connection proves itself."""

    methods: tuple[Literal["basic", "bearer", "oauth2", "token"], ...]
    """`token` is a token that is carried as the key `token` says."""
    verify: UrlPath
    """A request that any valid credential may make and that costs the source little."""
    verify_parameters: dict[str, str] = Field(default_factory=dict)
    """Its query parameters, such as those that make the answer state the account."""
    token: TokenPlace | None = None
    oauth2: OAuth2 | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if ("oauth2" in self.methods) != (self.oauth2 is not None):
            raise ManifestProblems(Problem(("oauth2",), "this key exactly where methods has oauth2"))
        if ("token" in self.methods) != (self.token is not None):
            raise ManifestProblems(Problem(("token",), "this key exactly where methods has token"))
        if {"token", "bearer"} <= set(self.methods):
            raise ManifestProblems(Problem(("methods",), "one way to carry a token", "both bearer and token"))
        return self
