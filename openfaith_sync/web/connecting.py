"""What a person's consent becomes: a connection, stored encrypted, whose work is due."""

from collections.abc import Mapping
from dataclasses import dataclass

from openfaith_sync.adapters.oauth import OAuthEndpoints
from openfaith_sync.adapters.sources import verify_connection
from openfaith_sync.domain.connection import Connection
from openfaith_sync.domain.errors import DefinitionError, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.domain.work import WHAT_REPEATS
from openfaith_sync.store.authorizations import Authorization, finish_authorization, take_authorization
from openfaith_sync.store.connections import add_connection
from openfaith_sync.store.database import Database
from openfaith_sync.store.work import make_due


@dataclass(frozen=True, slots=True)
class Connected:
    """An org that is connected."""

    org: OrgId
    adapter: AdapterName
    title: str
    base_url: str
    scopes: frozenset[str]
    is_new: bool


def complete(database: Database, manifests: Mapping[AdapterName, Manifest], state: str, code: str) -> Connected:
    """Have the org connected that the state was given out for; a state and a code are used once, whatever happens.

    Raises:
        NotAuthorized: The state is not good.
        SyncError: The source or the database refused; the org must agree again.
    """
    authorization = take_authorization(database, state)
    try:
        connected = _connect(database, _known(manifests, authorization.adapter), authorization, code)
    except SyncError as error:
        finish_authorization(database, state, str(error))
        raise
    finish_authorization(database, state)
    return connected


def refuse(database: Database, state: str, why: str) -> Authorization:
    """Have whoever waits know that the person did not agree.

    Raises:
        NotAuthorized: The state is not good.
    """
    authorization = take_authorization(database, state)
    finish_authorization(database, state, why)
    return authorization


def _connect(database: Database, manifest: Manifest, authorization: Authorization, code: str) -> Connected:
    org, adapter, base_url = authorization.org, authorization.adapter, authorization.base_url
    endpoints = OAuthEndpoints(manifest.adapter_file, base_url, database.oauth_clients.get(adapter))
    tokens = endpoints.exchange_code(code, authorization.verifier, authorization.redirect_uri, authorization.scopes)
    connection = Connection(org, adapter, base_url, tokens)
    try:
        verify_connection(manifest, connection)
    except ReconnectRequired as error:
        raise ReconnectRequired(f"the source granted tokens, and refuses them: {error}") from error
    except TransientError:
        # The source gave us the tokens just now; a code that is spent must not be lost to a busy moment.
        pass
    is_new = add_connection(database, connection)
    make_due(database, org, adapter, WHAT_REPEATS, "connected again")
    return Connected(org, adapter, manifest.adapter_file.title, base_url, tokens.scopes, is_new)


def _known(manifests: Mapping[AdapterName, Manifest], adapter: AdapterName) -> Manifest:
    if adapter not in manifests:
        raise DefinitionError(f"there is no manifest of {adapter} here that knows OAuth")
    return manifests[adapter]
