"""A connection: one org's authorised link to one adapter."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from openfaith_sync.domain.errors import AnotherAccount, ReconnectRequired, UsageError
from openfaith_sync.domain.ids import AccountId, AdapterName, OrgId


class Hidden(str):
    """A secret string that is masked in ``repr`` and tracebacks."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a mask in place of the secret."""
        return "'…'"


_NAME_CHARACTERS = 120


def _hide(value: object, *names: str) -> None:
    for name in names:
        # The standard library's documented way to assign in a frozen class.
        object.__setattr__(value, name, Hidden(getattr(value, name)))


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """An application id and its secret, sent as HTTP Basic; never shown."""

    application_id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Mask the secret."""
        _hide(self, "secret")


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token created by hand; a rejected one cannot be renewed. Never shown."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        """Mask the token."""
        _hide(self, "token")


@dataclass(frozen=True, slots=True)
class OAuthTokens:
    """The tokens of an org's grant; both are replaced at each refresh. Never shown."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    lifetime: timedelta
    """The lifetime of the access token, counted from its request."""
    scopes: frozenset[str]

    def __post_init__(self) -> None:
        """Mask both tokens."""
        _hide(self, "access_token", "refresh_token")


Credentials: TypeAlias = BasicCredentials | BearerToken | OAuthTokens


@dataclass(frozen=True, slots=True)
class HeldCredentials:
    """A connection's credentials as stored, with their version."""

    credentials: Credentials
    version: int
    """Grows with each stored set of credentials; never reused, even after an org was removed."""
    left: timedelta | None = None
    """The remaining lifetime of the access token, by the database's clock."""


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """This deployment's OAuth client at an adapter's source; the secret is never shown."""

    client_id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        """Mask the secret."""
        _hide(self, "secret")


class ConnectionStatus(StrEnum):
    """Whether a connection may be used."""

    ACTIVE = "active"
    PAUSED = "paused"
    RECONNECT_NEEDED = "reconnect_needed"
    UNCONFIRMED = "unconfirmed"
    """A church connected itself by an invitation, and a person has yet to confirm that it is the right one."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where an org's data is read, and with which credentials."""

    org: OrgId
    adapter: AdapterName
    base_url: str
    credentials: Credentials
    status: ConnectionStatus = ConnectionStatus.ACTIVE
    status_reason: str | None = None
    status_since: datetime | None = None
    version: int = 0
    """The version of the credentials, which grows with each stored set; 0 if they are not stored."""
    left: timedelta | None = None
    """The access token's remaining lifetime when the connection was loaded, by the database's clock."""
    account: AccountId | None = None
    """The source's account that the connection belongs to; ``None`` until the source states one."""
    time_zone: str = "UTC"
    """The org's, for times that its source writes without one."""
    only: tuple[str, ...] | None = None
    """The modules and entities that the org chose to sync; ``None`` for all."""
    sensitive: tuple[str, ...] = ()
    """The sensitive entities that the org turned on."""

    def require_usable(self) -> None:
        """Return when the connection may be used.

        Raises:
            UsageError: It is paused.
            ReconnectRequired: The org must reconnect.
        """
        name = f"the connection of {self.org} to {self.adapter}"
        why = f" ({self.status_reason})" if self.status_reason else ""
        if self.status is ConnectionStatus.PAUSED:
            raise UsageError(f"{name} is paused{why}; resume it first")
        if self.status is ConnectionStatus.UNCONFIRMED:
            raise UsageError(f"{name} waits for you to confirm it: {confirm_command(self.org, self.adapter)}")
        if self.status is ConnectionStatus.RECONNECT_NEEDED:
            since = f" since {self.status_since:%Y-%m-%d %H:%M} UTC" if self.status_since else ""
            raise ReconnectRequired(f"{name} must be reconnected by the org{since}{why}: {self.how_to_reconnect}")

    @property
    def how_to_reconnect(self) -> str:
        """Return the command that reconnects the org."""
        return reconnect_command(self.org, self.adapter, method=_METHODS[type(self.credentials)])


@dataclass(frozen=True, slots=True)
class Identity:
    """The account that the credentials belong to, according to the source."""

    user: str
    account: AccountId | None
    """``None`` where the source does not say."""
    organization: str | None = None
    """What the source calls the organization; ``None`` where it does not say."""

    def __post_init__(self) -> None:
        """Make the organization's name one short line that can be printed anywhere."""
        if self.organization is not None:
            words = "".join(c if c.isprintable() else " " for c in self.organization).split()
            object.__setattr__(self, "organization", " ".join(words)[:_NAME_CHARACTERS] or None)


def another_account(org: OrgId, adapter: AdapterName, known: AccountId, stated: AccountId) -> AnotherAccount:
    """Return the error that says which account answered, which one was expected, and what to do."""
    return AnotherAccount(
        f"the source answers for its account {stated}, but {org} is connected to account {known}; nothing of it is "
        f"stored. Connect {org} again with credentials of account {known}, or, if it has moved to account {stated} "
        f"for good, run: openfaith-sync org move {org} --adapter {adapter}"
    )


_METHODS: dict[type, str] = {BasicCredentials: "basic", BearerToken: "bearer", OAuthTokens: "oauth2"}


def confirm_command(org: OrgId, adapter: AdapterName) -> str:
    """Return a complete command that confirms whose connection it is."""
    return f"openfaith-sync org confirm {org} --adapter {adapter}"


def reconnect_command(org: OrgId, adapter: AdapterName, *, method: str) -> str:
    """Return a complete command that reconnects an org in the way it was connected."""
    if method == "oauth2":
        return f"openfaith-sync org connect {org} --adapter {adapter}"
    return f"openfaith-sync org add {org} --adapter {adapter} --{method}-stdin"
