"""``adapter.yaml``: what all entities of an external system share, in every dialect.

The keys of each dialect are in ``dialect_files.py``.
"""

from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StringConstraints

from openfaith_sync.domain.manifest.auth import Auth
from openfaith_sync.domain.manifest.error_rules import ErrorRule, NotFoundAnswer
from openfaith_sync.domain.manifest.model import ManifestModel, SnakeCase, UrlPath, VersionDate
from openfaith_sync.domain.manifest.paging import Paging, RateLimit
from openfaith_sync.domain.manifest.problem import ManifestProblem, ManifestProblems
from openfaith_sync.domain.record_tables import LIVE_SUFFIX, RESERVED_SCHEMAS, is_reserved_schema

ORG_TIME_ZONE = "org"
"""Stands for the org's own time zone."""


def _require_time_zone(given: str) -> str:
    if given != ORG_TIME_ZONE and given not in available_timezones():
        raise ManifestProblems(ManifestProblem((), f"an IANA name such as America/Chicago, or {ORG_TIME_ZONE}"))
    return given


def _require_free_schema(given: str) -> str:
    if is_reserved_schema(given):
        reserved = ", ".join(sorted(RESERVED_SCHEMAS))
        taken = f"{reserved}, pg_… and …{LIVE_SUFFIX} are taken"
        raise ManifestProblems(
            ManifestProblem((), f"another name: its tables lie in a schema of this name, and {taken}")
        )
    return given


BaseUrl = Annotated[str, StringConstraints(pattern=r"^https://[^/?#\s]+(/[^?#\s]*[^/?#\s])?$")]
TimeZone = Annotated[str, AfterValidator(_require_time_zone)]
AdapterSchema = Annotated[SnakeCase, AfterValidator(_require_free_schema)]


class Product(ManifestModel):
    """One product of the external system."""

    path: UrlPath | None = None
    """Prefix of the paths of its entities."""
    version: VersionDate | None = None
    """The API version that every request specifies."""


class AdapterFile(ManifestModel):
    """``adapter.yaml``: what all entities of an external system share."""

    adapter: AdapterSchema
    """Its name, and that of the schema of its source tables and views."""
    title: str
    base_url: BaseUrl
    """The address of the source. A part in braces differs for each org: `https://{church}.example.com`."""
    version_header: str | None = None
    """The header that specifies the API version."""
    answered_version_header: str | None = None
    """The header of a response that states the API version it was made in."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request."""
    time_zone: TimeZone | None = None
    """The time zone of times without one: an IANA name, or `org` for the time zone of each org."""
    auth: Auth
    paging: Paging
    rate_limit: RateLimit
    products: dict[SnakeCase, Product]
    errors: tuple[ErrorRule, ...] = ()
    not_found: NotFoundAnswer | None = None
    """What a `not_found` response must look like to be evidence of absence; without this key, none is."""

    @property
    def has_base_url_per_org(self) -> bool:
        """Return whether the base URL differs for each org."""
        return "{" in self.base_url

    @property
    def states_account(self) -> bool:
        """Return whether the source states its account; if not, responses are not checked against one."""
        return False

    @property
    def states_account_in_answers(self) -> bool:
        """Return whether every response states the account, and not only the credential check."""
        return False

    @property
    def composed_parameters(self) -> frozenset[str]:
        """Return the query parameters to which each request may add to the entity's value."""
        return frozenset()

    @property
    def sends_every_attribute(self) -> bool:
        """Return whether the source sends attributes without a value too, so that a missing one is news."""
        return False

    @property
    def has_webhooks(self) -> bool:
        """Return whether the source sends webhooks."""
        return False
