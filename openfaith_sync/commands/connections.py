"""Whether an org's connection may be used."""

from openfaith_sync.domain.connection import Connection
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, parse_org
from openfaith_sync.store.connections import list_connections, load_connection
from openfaith_sync.store.database import Database


def load_usable_connection(database: Database, name: str, adapter: AdapterName) -> Connection:
    """Give an org's connection with its credentials.

    Raises:
        UsageError: The org is not known, or is paused.
        ReconnectRequired: The system refuses its credentials.
    """
    org = parse_org(name)
    known = [connection.org for connection in list_connections(database) if connection.adapter == adapter]
    if org not in known:
        names = ", ".join(known) or "none yet"
        raise UsageError(f"there is no org {name!r}; connect it with: openfaith-sync org add {name} (known: {names})")
    connection = load_connection(database, org, adapter)
    connection.require_usable()
    return connection
