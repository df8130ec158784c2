"""``adapter.yaml``: what all entities of an external system share."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from openfaith_sync.domain.manifest.model import Part, SnakeCase, UrlPath, VersionDate


class Product(Part):
    """One product of the external system."""

    path: UrlPath
    version: VersionDate
    """The API version every request asks for."""


class DeepOffset(Part):
    """A stricter limit for requests far into a listing."""

    above: int = Field(gt=0)
    """Offsets greater than this count against the stricter limit."""
    requests: int = Field(gt=0)
    period_seconds: int = Field(gt=0)


class Paging(Part):
    """How listings are paged."""

    size: int = Field(gt=0, le=1000)
    """Records a page, the most the source gives."""
    size_parameter: str = "per_page"
    offset_parameter: str = "offset"
    pages_in_flight: int = Field(default=8, ge=1, le=32)
    """At most so many disjoint slices of one listing are walked side by side."""
    pages_a_slice: int = Field(default=20, ge=2)
    """A listing is only cut when each slice keeps at least so many pages."""
    deep_offset: DeepOffset | None = None


class RateLimit(Part):
    """Where the source says what it allows."""

    limit_header: str
    period_header: str
    """Seconds, as `20` or `20 seconds`."""
    count_header: str
    retry_after_header: str = "Retry-After"
    assumed_limit: int = Field(gt=0)
    """Believed only until the first answer says otherwise."""
    assumed_period_seconds: int = Field(gt=0)


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


class Auth(Part):
    """How a connection proves itself."""

    methods: tuple[Literal["basic", "bearer", "oauth2"], ...]
    verify: UrlPath
    """A request that any valid credential may make and that costs the source little."""
    oauth2: OAuth2 | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if ("oauth2" in self.methods) != (self.oauth2 is not None):
            raise ValueError("the method oauth2, and only that one, needs the key oauth2 beside it")
        return self


JsonPointer = Annotated[str, StringConstraints(pattern=r"^(/[^/~]+)+$")]
"""A place in a JSON document (RFC 6901), such as `/meta/parent`."""


class Account(Part):
    """Where the source states which of its accounts (churches) an answer or event belongs to.

    At each place a resource identifier (`{"type": …, "id": …}`) may stand. One of another type,
    or none, states nothing.
    """

    resource: str
    """The JSON:API type of an account."""
    verify_parameters: dict[str, str] = Field(default_factory=dict)
    """Query parameters that make the answer to `auth.verify` state it."""
    in_answers: tuple[JsonPointer, ...] = Field(min_length=1)
    """Places in an answer's document, or in the payload of an event."""
    in_events: tuple[JsonPointer, ...] = ()
    """Places in the envelope of a webhook event."""


class ErrorAction(StrEnum):
    """What to do about an answer, or the lack of one, that is not a success."""

    RETRY = "retry"
    """The world may heal: ask again, within bounds."""
    WAIT = "wait"
    """Ask again when the source said, and count nothing against it."""
    REDUCE_PAGE = "reduce_page"
    """Ask for a smaller page; what is no listing is retried."""
    REFRESH = "refresh"
    """Get a new token and ask again; where the credentials have none to get, connect again."""
    RECONNECT = "reconnect"
    """The org must authorise again."""
    DISABLE_ENTITY = "disable_entity"
    """The credentials are right, but may not read this: this entity fails visibly, the others go on."""
    NOT_FOUND = "not_found"
    """There is no such thing: evidence, where one record was asked for."""
    DEAD_LETTER = "dead_letter"
    """Set one record aside and go on."""
    STOP = "stop"
    """The request is wrong; a person must change the manifest, the configuration or the code."""


class ErrorRule(Part):
    """One row of the error table; the first row that matches decides."""

    status: int = Field(ge=100, le=599)
    contains: str | None = None
    """Text the body must hold for this row to match."""
    action: Literal[
        ErrorAction.RETRY,
        ErrorAction.WAIT,
        ErrorAction.REDUCE_PAGE,
        ErrorAction.REFRESH,
        ErrorAction.RECONNECT,
        ErrorAction.DISABLE_ENTITY,
        ErrorAction.NOT_FOUND,
        ErrorAction.STOP,
    ]
    """Not ``dead_letter``: no status is about one record of many."""
    message: str
    """What it means, for a person."""
    remedy: str = ""
    """What a person can do about it. Left out of messages about a refusal that hits many orgs at once."""


class NotFoundAnswer(Part):
    """What the source's own "not found" looks like: an answer of another shape comes from something on the way."""

    media_types: tuple[str, ...] = Field(min_length=1)
    """Compared without case and without parameters such as `charset`."""
    key: str
    """The key of the JSON object that holds the source's error; what it holds must not be empty."""


class WebhookHeaders(Part):
    """Where a webhook delivery carries its envelope."""

    signature: str
    event_id: str
    name: str
    time: str


class Webhooks(Part):
    """How the source announces changes, and where it is asked to."""

    headers: WebhookHeaders
    subscriptions: UrlPath
    """Where subscriptions are listed, made and removed: one for each event name, each with its own secret."""
    resource: str
    """Their JSON:API type at this version."""
    version: VersionDate


class AdapterFile(Part):
    """``adapter.yaml``: what all entities of an external system share."""

    adapter: SnakeCase
    title: str
    dialect: Literal["json_api"]
    base_url: Annotated[str, StringConstraints(pattern=r"^https://[^/]+$")]
    version_header: str
    auth: Auth
    paging: Paging
    rate_limit: RateLimit
    products: dict[SnakeCase, Product]
    errors: tuple[ErrorRule, ...]
    account: Account | None = None
    """Left out where the source never says; a connection is then not held to one account."""
    not_found: NotFoundAnswer
    """The only answers with the action `not_found` that are evidence of absence."""
    webhooks: Webhooks | None = None
