"""What a connection does not read: entities that the org did not choose, or whose scopes it was not granted."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from openfaith_sync.domain.connections.connection import Connection, OAuthTokens
from openfaith_sync.domain.connections.selection import explain_unselected
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest

CONNECT_AGAIN = "connect the org again with that scope"


def find_ungranted(manifest: Manifest, scopes: AbstractSet[str] | None) -> dict[EntityName, str]:
    """Return each entity that these scopes do not cover, and why; none where the source reports no scopes."""
    if scopes is None:
        return {}
    return {
        name: f"the org did not grant the scope {scope!r}"
        for name, scope in _scopes_by_entity(manifest).items()
        if scope not in scopes
    }


def required_scopes(manifest: Manifest, entities: Iterable[EntityName]) -> frozenset[str]:
    """Return the scopes that a church must grant for these entities."""
    scopes = _scopes_by_entity(manifest)
    return frozenset(scopes[name] for name in entities if name in scopes)


def _scopes_by_entity(manifest: Manifest) -> dict[EntityName, str]:
    """Return the scope of each entity that requires one."""
    oauth2 = manifest.adapter_file.auth.oauth2
    products = manifest.adapter_file.products.items() if oauth2 is not None else ()
    scope_below = {product.path: oauth2.scopes[name] for name, product in products if oauth2 and name in oauth2.scopes}
    return {name: scope_below[entity.path] for name, entity in manifest.entities.items() if entity.path in scope_below}


def granted_scopes(connection: Connection) -> frozenset[str] | None:
    """Return the granted scopes; ``None`` where the source reports none."""
    return connection.credentials.scopes if isinstance(connection.credentials, OAuthTokens) else None


def find_unread(manifest: Manifest, connection: Connection) -> dict[EntityName, AccessDenied]:
    """Return each entity that is known not to be read with a connection, and the error that says why."""
    ungranted = {
        name: AccessDenied(f"{manifest.adapter}/{name} is not read: {reason}", CONNECT_AGAIN)
        for name, reason in find_ungranted(manifest, granted_scopes(connection)).items()
    }
    return ungranted | explain_unselected(manifest, connection.org, connection.only, connection.sensitive)


def require_granted(manifest: Manifest, connection: Connection, entity: EntityName) -> None:
    """Return if the org chose an entity, and the connection's scopes cover it or are not known.

    Raises:
        NotSelected: The org chose other entities.
        AccessDenied: A scope is missing; the message names it.
    """
    error = find_unread(manifest, connection).get(entity)
    if error is not None:
        raise error


def without_refused(
    order: Iterable[EntityName],
    refused: AbstractSet[EntityName],
    hard: Mapping[EntityName, AbstractSet[EntityName]],
) -> list[EntityName]:
    """Return the entities that are neither refused nor hard-depend on one that is, in their order."""
    left: list[EntityName] = []
    gone = set(refused)
    for entity in order:
        if entity in gone or gone & hard.get(entity, frozenset()):
            gone.add(entity)
        else:
            left.append(entity)
    return left
