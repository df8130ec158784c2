"""Turn a person's consent into a stored, encrypted connection whose first sync is due."""

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
    PendingAuthorization,
    finish_authorization,
    open_verifier,
    take_authorization,
)
from openfaith_sync.store.connections.connections import add_connection, load_connection, name_organization
from openfaith_sync.store.connections.invitations import InvitedConsent, require_unused
from openfaith_sync.store.connections.tokens import ConnectionTokens
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import make_due

_STORE_SECONDS, _FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 0.1, 5.0
_VERIFY_TIMEOUT = timedelta(seconds=20)
"""How long a person is kept waiting at the browser."""
_LOG = logging.getLogger("openfaith_sync.web")


@dataclass(frozen=True, slots=True)
class ConnectedOrg:
    """An org that has been connected."""

    org: OrgId
    adapter: AdapterName
    title: str
    base_url: str
    scopes: frozenset[str]
    is_new: bool


def complete_authorization(
    database: Database, manifests: Mapping[AdapterName, Manifest], state: str, code: str
) -> ConnectedOrg:
    """Connect the org that the state was issued for. A state and a code are used up even if this fails.

    Raises:
        NotAuthorized: The state is not valid.
        SyncError: The source or the database refused; the person must consent again.
    """
    authorization = take_authorization(database, state)
    failure: str | None = "an internal error; see the log of openfaith-sync serve"
    try:
        connected = _connect(database, _find_manifest(manifests, authorization.adapter), authorization, code)
        failure = None
    except SyncError as error:
        failure = str(error)
        raise
    finally:
        finish_authorization(database, state, failure)
    return connected


def decline_authorization(database: Database, state: str, reason: str) -> PendingAuthorization:
    """Report to the waiting command that the person did not consent.

    Raises:
        NotAuthorized: The state is not valid.
    """
    authorization = take_authorization(database, state)
    finish_authorization(database, state, reason)
    return authorization


def _connect(database: Database, manifest: Manifest, authorization: PendingAuthorization, code: str) -> ConnectedOrg:
    org, adapter, base_url = authorization.org, authorization.adapter, authorization.base_url
    if authorization.invited is not None:
        require_unused(database, org, adapter, authorization.invited)
    endpoints = OAuthEndpoints(manifest.adapter_file, base_url, database.oauth_clients.get(adapter))
    verifier = open_verifier(database, authorization)
    tokens = endpoints.exchange_code(code, verifier, authorization.redirect_uri, authorization.scopes)
    connection = Connection(org, adapter, base_url, tokens, account=load_account(database, org, adapter))
    is_verified = _is_same_account(manifest, connection)
    is_new = _store(database, connection, authorization.invited)
    make_due(database, org, adapter, WHAT_REPEATS, "reconnected")
    if not is_verified:
        _verify(database, manifest, load_connection(database, org, adapter))
    return ConnectedOrg(org, adapter, manifest.adapter_file.title, base_url, tokens.scopes, is_new)


def _is_same_account(manifest: Manifest, connection: Connection) -> bool:
    """Return whether the tokens are proven to belong to the account that the org's records come from.

    Tokens of another account are not stored, and the previous credentials stay. If the source cannot identify the
    account, the tokens are stored: this is their only copy, and each later response is checked too.

    Raises:
        AnotherAccount: The person consented for another church.
    """
    if connection.account is None:
        return False
    try:
        verify_connection(manifest, connection, _VERIFY_TIMEOUT)
    except AnotherAccount:
        raise
    except SyncError as error:
        _LOG.warning(
            "%s/%s: the account of its new tokens is not verified yet: %s", connection.org, connection.adapter, error
        )
        return False
    return True


def _store(database: Database, connection: Connection, invited: InvitedConsent | None) -> bool:
    """Store the tokens and use up the invitation, retrying on failures, since this is the tokens' only copy."""
    until, pause = time.monotonic() + _STORE_SECONDS, _FIRST_PAUSE
    while True:
        try:
            return add_connection(database, connection, invited=invited)
        except TransientError as error:
            if time.monotonic() >= until:
                raise
            _LOG.warning("%s/%s: the new tokens are not stored yet: %s", connection.org, connection.adapter, error)
        # The callback runs in its own thread, which has nothing else to do.
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _verify(database: Database, manifest: Manifest, stored: Connection) -> None:
    """Report refused tokens to the waiting command; the next sync finds any other problem.

    Raises:
        ReconnectRequired: The source refuses the tokens it issued; the connection records this too.
    """
    try:
        identity = verify_connection(manifest, stored, _VERIFY_TIMEOUT)
        if identity.organization is not None:
            name_organization(database, stored.org, stored.adapter, identity.organization)
        if identity.account is not None and stored.account is None:
            ConnectionAccount(database, stored).learn(identity.account)
    except ReconnectRequired as error:
        reason = f"the source refuses the tokens it issued: {error}"
        if ConnectionTokens(database, stored).refuse(stored.version, reason) is None:
            raise ReconnectRequired(reason) from error
    except SyncError as error:
        _LOG.warning("%s/%s: the new tokens are not verified: %s", stored.org, stored.adapter, error)


def _find_manifest(manifests: Mapping[AdapterName, Manifest], adapter: AdapterName) -> Manifest:
    if adapter not in manifests:
        raise DefinitionError(f"there is no manifest for {adapter} with OAuth")
    return manifests[adapter]
