"""A connection: one org's authorised link to one adapter."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from openfaith_sync.domain.errors import AnotherAccount, ReconnectRequired, UsageError
from openfaith_sync.domain.ids import AccountId, AdapterName, OrgId


class Hidden(str):
    """A secret text: itself wherever it is used, and nothing wherever a variable is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show that there is one."""
        return "'…'"


def _hide(value: object, *names: str) -> None:
    for name in names:
        # The way around a frozen class that the standard library documents.
        object.__setattr__(value, name, Hidden(getattr(value, name)))


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """An application id and its secret, sent as HTTP Basic; never shown."""

    application_id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Hide the secret wherever it goes from here."""
        _hide(self, "secret")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token that somebody made by hand; when it is refused nothing can renew it. Never shown."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Hide the token wherever it goes from here."""
        _hide(self, "token")


@dataclass(frozen=True, slots=True)
class OAuthTokens:
    """What an org's grant gave us; both tokens are replaced at each refresh. Never shown."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    lifetime: timedelta
    """Of the access token, from when it was asked for."""
    scopes: frozenset[str]

    def __post_init__(self) -> None:
        """Hide both tokens wherever they go from here."""
        _hide(self, "access_token", "refresh_token")


Credentials: TypeAlias = BasicCredentials | BearerToken | OAuthTokens


@dataclass(frozen=True, slots=True)
class HeldCredentials:
    """What a connection's row holds at one moment."""

    credentials: Credentials
    version: int
    """One more with each credentials that are stored; never one that an org had before it was removed."""
    left: timedelta | None = None
    """How long an access token has still to live, by the database's clock."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """Who this deployment is to an adapter's source; the secret is never shown."""

    client_id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Hide the secret wherever it goes from here."""
        _hide(self, "secret")


class ConnectionStatus(StrEnum):
    """Whether a connection may be used."""

    ACTIVE = "active"
    PAUSED = "paused"
    RECONNECT_NEEDED = "reconnect_needed"


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and as whom an org's data is read."""

    org: OrgId
    adapter: AdapterName
    base_url: str
    credentials: Credentials
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    status_reason: str | None = None
    status_since: datetime | None = None
    version: int = 0
    """Of the credentials: one more with each that are stored. 0: they are not stored."""
    left: timedelta | None = None
    """How long an access token has still to live, by the database's clock, when the connection was loaded."""
    account: AccountId | None = None
    """The source's account that the connection belongs to; ``None`` until the source states one."""

    def require_usable(self) -> None:
        """Return when the connection may be used.

        Raises:
            UsageError: It is paused.
            ReconnectRequired: The org must connect again.
        """
        name = f"the connection of {self.org} to {self.adapter}"
        why = f" ({self.status_reason})" if self.status_reason else ""
        if self.status is ConnectionStatus.PAUSED:
            raise UsageError(f"{name} is paused{why}; resume it first")
        if self.status is ConnectionStatus.RECONNECT_NEEDED:
            since = f" since {self.status_since:%Y-%m-%d %H:%M} UTC" if self.status_since else ""
            raise ReconnectRequired(f"{name} needs the org to connect again{since}{why}: {self.how_to_reconnect}")

    @property
    def how_to_reconnect(self) -> str:
        """Return the command that connects the org again."""
        return reconnect_command(self.org, self.adapter, method=_METHODS[type(self.credentials)])


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom credentials belong to, as the source says."""

    user: str
    account: AccountId | None
    """``None`` where the source does not say."""


def another_account(org: OrgId, adapter: AdapterName, known: AccountId, stated: AccountId) -> AnotherAccount:
    """Return the error that says which account answered, which one was expected, and what to do."""
    return AnotherAccount(
        f"the source answers for its account {stated}, but {org} is connected to account {known}; nothing of it is "
        f"stored. Connect {org} again with credentials of account {known}, or, if it has moved to account {stated} "
        f"for good, run: openfaith-sync org move {org} --adapter {adapter}"
    )


_METHODS: dict[type, str] = {BasicCredentials: "basic", BearerToken: "bearer", OAuthTokens: "oauth2"}


def reconnect_command(org: OrgId, adapter: AdapterName, *, method: str) -> str:
    """Return the command that connects an org again, in the way it was connected; it can be run as it is."""
    if method == "oauth2":
        return f"openfaith-sync org connect {org} --adapter {adapter}"
    return f"openfaith-sync org add {org} --adapter {adapter} --{method}-stdin"
