"""``adapter.yaml``: what all entities of an external system share, whatever it speaks.

What only one dialect needs is in ``dialect_files.py``.
"""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from openfaith_sync.domain.manifest.auth import Auth
from openfaith_sync.domain.manifest.error_rules import ErrorRule, NotFoundAnswer
from openfaith_sync.domain.manifest.model import Part, SnakeCase, UrlPath, VersionDate
from openfaith_sync.domain.manifest.paging import Paging, RateLimit
from openfaith_sync.domain.manifest.problem import ManifestProblems, Problem

ORG_TIME_ZONE = "org"
"""The time zone that is set for each org."""


def _require_time_zone(given: str) -> str:
    if given != ORG_TIME_ZONE and given not in available_timezones():
        raise ManifestProblems(Problem((), f"an IANA name such as America/Chicago, or {ORG_TIME_ZONE}"))
    return given


BaseUrl = Annotated[str, StringConstraints(pattern=r"^https://[^/?#\s]+(/[^?#\s]*[^/?#\s])?$")]
TimeZone = Annotated[str, AfterValidator(_require_time_zone)]


class Product(Part):
    """One product of the external system."""

    path: UrlPath | None = None
    """Put before the paths of its entities."""
    version: VersionDate | None = None
    """The API version every request asks for."""


class AdapterFile(Part):
    """``adapter.yaml``: what all entities of an external system share."""

    adapter: SnakeCase
    title: str
    base_url: BaseUrl
    """Where the source answers. A part in braces differs from org to org: `https://{church}.example.com`."""
    version_header: str | None = None
    """The header that asks for an API version."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request."""
    time_zone: TimeZone | None = None
    """Of times that the source writes without one: an IANA name, or `org` for that of each org."""
    auth: Auth
    paging: Paging
    rate_limit: RateLimit
    products: dict[SnakeCase, Product]
    errors: tuple[ErrorRule, ...] = ()
    not_found: NotFoundAnswer | None = None
    """The only answers with the action `not_found` that are evidence of absence; without it, none is."""

    @property
    def has_base_url_per_org(self) -> bool:
        """Whether each org's source has an address of its own."""
        return "{" in self.base_url

    @property
    def states_account(self) -> bool:
        """Whether the source says which of its accounts answers; if not, a connection is not held to one."""
        return False

    @property
    def states_account_in_answers(self) -> bool:
        """Whether it says so in answers of its own accord, and not only when it is asked."""
        return False

    @property
    def composed_parameters(self) -> frozenset[str]:
        """Query parameters whose value differs from request to request though an entity states it."""
        return frozenset()

    @property
    def has_webhooks(self) -> bool:
        """Whether the source announces changes."""
        return False
