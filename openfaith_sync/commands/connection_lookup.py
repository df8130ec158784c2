"""Look up an org's connection for a command."""

from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.store.connections.connections import list_connections, load_connection
from openfaith_sync.store.database.database import Database


def load_usable_connection(database: Database, name: str, adapter: AdapterName) -> Connection:
    """Return an org's connection with its credentials.

    Raises:
        UsageError: The org is unknown or paused.
        ReconnectRequired: The system refuses its credentials.
    """
    org = parse_org(name)
    if not any(listed.adapter == adapter for listed in list_connections(database, org)):
        raise UsageError(
            f"there is no org {name!r} connected to {adapter}; connect it with: openfaith-sync org add {name} "
            "(list the orgs: openfaith-sync org list)"
        )
    connection = load_connection(database, org, adapter)
    connection.require_usable()
    return connection


def known_base_url(database: Database, org: OrgId, adapter: AdapterName) -> str | None:
    """Return the URL of the org's source so far; ``None`` for a new org."""
    return next((listed.base_url for listed in list_connections(database, org) if listed.adapter == adapter), None)
