"""Look up an org's connection for a command."""

from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.connections.connections import list_connections, load_connection
from openfaith_sync.store.database.database import Database


def load_usable_connection(database: Database, name: str, adapter: AdapterName) -> Connection:
    """Return an org's connection with its credentials.

    Raises:
        UsageError: The org is unknown or paused.
        ReconnectRequired: The system refuses its credentials.
    """
    connection = load_listed_connection(database, name, adapter)
    connection.require_usable()
    return connection


def load_listed_connection(database: Database, name: str, adapter: AdapterName) -> Connection:
    """Return an org's connection with its credentials, whether or not it is usable.

    Raises:
        UsageError: The org is unknown.
    """
    org = parse_org(name)
    if not any(listed.adapter == adapter for listed in list_connections(database, org)):
        raise UsageError(
            f"there is no org {name!r} connected to {adapter}; connect it with: openfaith-sync org add {name} "
            "(list the orgs: openfaith-sync org list)"
        )
    return load_connection(database, org, adapter)


def unknown_org(database: Database, org: OrgId) -> UsageError:
    """Return the error for an org that is neither connected nor has any data."""
    known = ", ".join(sorted({listed.org for listed in list_connections(database)})) or "none"
    return UsageError(f"there is no org {org!r}; known orgs: {known}")


def choose_base_url(database: Database, org: OrgId, manifest: Manifest, given: str | None) -> str:
    """Return where the org's source answers: as given, as before, or at the adapter's usual address.

    Raises:
        UsageError: Each org has an address of its own, and this org's is not known.
    """
    adapter_file = manifest.adapter_file
    connected = (listed for listed in list_connections(database, org) if listed.adapter == manifest.adapter)
    known = next((listed.base_url for listed in connected), None)
    if given is None and known is None and adapter_file.has_base_url_per_org:
        raise UsageError(
            f"{adapter_file.title} has an address for each org; give it with --base-url, like {adapter_file.base_url}"
        )
    return given or known or adapter_file.base_url
