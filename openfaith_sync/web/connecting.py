"""What a person's consent becomes: a connection, stored encrypted, whose work is due."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.adapters.sources import verify_connection
from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.errors import AnotherAccount, DefinitionError, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.store.connections.accounts import ConnectionAccount, load_account
from openfaith_sync.store.connections.authorizations import (
    Authorization,
    finish_authorization,
    open_verifier,
    take_authorization,
)
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import make_due

_STORE_SECONDS, _FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 0.1, 5.0
_PATIENCE = timedelta(seconds=20)
"""Of whoever looks at a browser meanwhile."""
_LOG = logging.getLogger("openfaith_sync.web")


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
    failure: str | None = "a mistake of this program; see what openfaith-sync serve logged"
    try:
        connected = _connect(database, _known(manifests, authorization.adapter), authorization, code)
        failure = None
    except SyncError as error:
        failure = str(error)
        raise
    finally:
        finish_authorization(database, state, failure)
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
    verifier = open_verifier(database, authorization)
    tokens = endpoints.exchange_code(code, verifier, authorization.redirect_uri, authorization.scopes)
    connection = Connection(org, adapter, base_url, tokens, account=load_account(database, org, adapter))
    is_verified = _is_same_account(manifest, connection)
    is_new = _store(database, connection)
    make_due(database, org, adapter, WHAT_REPEATS, "connected again")
    if not is_verified:
        _verify(database, manifest, load_connection(database, org, adapter))
    return Connected(org, adapter, manifest.adapter_file.title, base_url, tokens.scopes, is_new)


def _is_same_account(manifest: Manifest, connection: Connection) -> bool:
    """Return whether the tokens are proven to be of the account that the org's records come from.

    Tokens of another account are not stored, and the credentials before them stay. When the source cannot
    say whose the tokens are, they are stored: here is their only copy, and each later answer is checked too.

    Raises:
        AnotherAccount: The person agreed for another church.
    """
    if connection.account is None:
        return False
    try:
        verify_connection(manifest, connection, _PATIENCE)
    except AnotherAccount:
        raise
    except SyncError as error:
        _LOG.warning("%s/%s: whose its new tokens are is not known yet: %s", connection.org, connection.adapter, error)
        return False
    return True


def _store(database: Database, connection: Connection) -> bool:
    """Have the tokens in the database, however often that must be tried: here is their only copy."""
    until, pause = time.monotonic() + _STORE_SECONDS, _FIRST_PAUSE
    while True:
        try:
            return add_connection(database, connection)
        except TransientError as error:
            if time.monotonic() >= until:
                raise
            _LOG.warning("%s/%s: new tokens are not stored yet: %s", connection.org, connection.adapter, error)
        # In a thread of the callback's own, which has nothing else to do.
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _verify(database: Database, manifest: Manifest, stored: Connection) -> None:
    """Have whoever waits hear of tokens that are refused; all else is for the next sync to find.

    Raises:
        ReconnectRequired: The source refuses what it granted; the connection says so too.
    """
    try:
        identity = verify_connection(manifest, stored, _PATIENCE)
        if identity.account is not None and stored.account is None:
            ConnectionAccount(database, stored).learn(identity.account)
    except ReconnectRequired as error:
        reason = f"the source granted tokens, and refuses them: {error}"
        if ConnectionTokens(database, stored).refuse(stored.version, reason) is None:
            raise ReconnectRequired(reason) from error
    except SyncError as error:
        _LOG.warning("%s/%s: its new tokens are not verified: %s", stored.org, stored.adapter, error)


def _known(manifests: Mapping[AdapterName, Manifest], adapter: AdapterName) -> Manifest:
    if adapter not in manifests:
        raise DefinitionError(f"there is no manifest of {adapter} here that knows OAuth")
    return manifests[adapter]
