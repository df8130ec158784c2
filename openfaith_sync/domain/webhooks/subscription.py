"""A subscription: what a source was asked to announce, where to, and with which secret it signs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId

SUBSCRIPTIONS = EntityName("$subscriptions")
"""The entity in the sync key of subscriptions, so that one worker per org changes them."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One event name at one URL, as the source shows it."""

    subscription_id: str
    name: str
    url: str
    is_active: bool
    secret: str | None = field(default=None, repr=False)
    """``None`` where the source does not show it."""


@dataclass(frozen=True, slots=True)
class KnownSubscription:
    """One that we keep the secret of; there is at most one for each event name."""

    subscription_id: str
    name: str
    url: str
    is_active: bool
    """As the source said when last asked. While it is false, there are deliveries to fetch."""
    secret: str = field(repr=False)
    checked_at: datetime
    """When it was last seen active."""


@dataclass(frozen=True, slots=True)
class SubscriptionReport:
    """What was changed about an org's subscriptions."""

    wanted: int
    """Event names in the manifest."""
    created: Sequence[str] = ()
    """Event names, as in all that follow."""
    adopted: Sequence[str] = ()
    """They were at the source already, and we did not know their secret."""
    reactivated: Sequence[str] = ()
    rotated: Sequence[str] = ()
    removed: Sequence[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """Event name to what the source said; the others go on."""
    missed_events: int = 0
    """Events that were never delivered and were fetched into the inbox."""

    @property
    def is_complete(self) -> bool:
        """Return whether every wanted event is subscribed."""
        return not self.refused


def parse_public_url(given: str) -> str:
    """Return the URL below which the source reaches us, without a slash at its end.

    Raises:
        UsageError: The name is not valid.
    """
    try:
        parts = urlsplit(given)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_right = False
    if not is_right or "@" in parts.netloc or parts.query or parts.fragment or any(map(str.isspace, given)):
        raise UsageError(
            "the public URL (OPENFAITH_PUBLIC_URL) is not http(s)://host[:port][/path] without user, query or fragment"
        )
    return given.rstrip("/")


def delivery_url(public_url: str, adapter: AdapterName, org: OrgId) -> str:
    """Return where the source delivers an org's events."""
    return f"{parse_public_url(public_url)}/webhooks/{adapter}/{org}"
