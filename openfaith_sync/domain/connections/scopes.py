"""OAuth scopes: which entities a connection was not granted, and what depends on them."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from openfaith_sync.domain.connections.connection import Connection, OAuthTokens
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest

CONNECT_AGAIN = "connect the org again with that scope"


def find_ungranted(manifest: Manifest, scopes: AbstractSet[str] | None) -> dict[EntityName, str]:
    """Return each entity that these scopes do not cover, and why; none where the source reports no scopes."""
    oauth2 = manifest.adapter_file.auth.oauth2
    if scopes is None or oauth2 is None:
        return {}
    products = manifest.adapter_file.products.items()
    scope_below = {product.path: oauth2.scopes[name] for name, product in products if name in oauth2.scopes}
    lacking = {name: scope_below.get(entity.path) for name, entity in manifest.entities.items()}
    return {
        name: f"the org did not grant the scope {scope!r}"
        for name, scope in lacking.items()
        if scope is not None and scope not in scopes
    }


def granted_scopes(connection: Connection) -> frozenset[str] | None:
    """Return the granted scopes; ``None`` where the source reports none."""
    return connection.credentials.scopes if isinstance(connection.credentials, OAuthTokens) else None


def require_granted(manifest: Manifest, connection: Connection, entity: EntityName) -> None:
    """Return if the connection's scopes cover an entity, or no scopes are known.

    Raises:
        AccessDenied: A scope is missing; the message names it.
    """
    reason = find_ungranted(manifest, granted_scopes(connection)).get(entity)
    if reason is not None:
        raise AccessDenied(f"{manifest.adapter}/{entity} is not read: {reason}", CONNECT_AGAIN)


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
