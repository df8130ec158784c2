"""A connection: one org's authorised link to one adapter."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from openfaith_sync.domain.errors import ReconnectRequired, UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """An application id and its secret, sent as HTTP Basic; never shown."""

    application_id: str
    secret: str = field(repr=False)


# OAuth tokens join here as a second kind.
Credentials: TypeAlias = BasicCredentials


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
            raise ReconnectRequired(f"{name} needs the org to connect again{why}: openfaith-sync org add {self.org}")
