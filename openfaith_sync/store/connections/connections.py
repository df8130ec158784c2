"""Connections: the org, the URL and the credentials for reading from a source."""

from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.connections.connection import (
    Connection,
    ConnectionStatus,
    OAuthTokens,
    confirm_command,
    reconnect_command,
)
from openfaith_sync.domain.errors import NotConnected, UsageError
from openfaith_sync.domain.ids import AccountId, AdapterName, OrgId
from openfaith_sync.store.connections.accounts import require_account_on
from openfaith_sync.store.connections.credentials import read, sealed
from openfaith_sync.store.connections.invitations import InvitedConsent, use_invitation_on
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import fetch_one

# The first version is a timestamp, so that an org that was removed and added again reuses no version.
_ADD = """
INSERT INTO sync.connections AS held
  (org_id, adapter, base_url, auth_method, secret, expires_at, scopes, organization, awaits_confirmation, status,
   credentials_version)
VALUES (%(org)s, %(adapter)s, %(base_url)s, %(method)s, %(secret)s, now() + %(lifetime)s::interval, %(scopes)s,
  %(organization)s, %(unconfirmed)s, CASE WHEN %(unconfirmed)s THEN 'unconfirmed' ELSE 'active' END,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
ON CONFLICT (org_id, adapter) DO UPDATE
SET base_url = EXCLUDED.base_url, auth_method = EXCLUDED.auth_method, secret = EXCLUDED.secret,
    expires_at = EXCLUDED.expires_at, scopes = EXCLUDED.scopes,
    credentials_version = held.credentials_version + 1,
    organization = COALESCE(EXCLUDED.organization, held.organization),
    awaits_confirmation = held.awaits_confirmation OR EXCLUDED.awaits_confirmation,
    status = CASE WHEN held.awaits_confirmation OR EXCLUDED.awaits_confirmation THEN 'unconfirmed' ELSE 'active' END,
    status_reason = NULL, status_since = now(), updated_at = now()
RETURNING xmax = 0
"""
# What a source refused to the previous credentials may be granted to the new ones.
_ENABLE = "DELETE FROM sync.disabled_entities WHERE org_id = %s AND adapter = %s"
_LIST = """
SELECT org_id, adapter, base_url, auth_method, status, status_reason, status_since, created_at, scopes, account_id,
       only_these, ARRAY(
         SELECT entity FROM sync.sensitive_entities own
         WHERE (own.org_id, own.adapter) = (connections.org_id, connections.adapter) ORDER BY entity),
       organization, awaits_confirmation
FROM sync.connections
LEFT JOIN sync.accounts USING (org_id, adapter) LEFT JOIN sync.selections USING (org_id, adapter)
WHERE %(org)s::text IS NULL OR org_id = %(org)s ORDER BY org_id, adapter
"""
_LOAD = """
SELECT base_url, auth_method, secret, status, status_reason, status_since, credentials_version, expires_at - now(),
       account_id, coalesce((SELECT time_zone FROM sync.orgs WHERE orgs.org_id = connections.org_id), 'UTC'),
       only_these, ARRAY(
         SELECT entity FROM sync.sensitive_entities own
         WHERE (own.org_id, own.adapter) = (connections.org_id, connections.adapter) ORDER BY entity)
FROM sync.connections
LEFT JOIN sync.accounts USING (org_id, adapter) LEFT JOIN sync.selections USING (org_id, adapter)
WHERE org_id = %s AND adapter = %s
"""
_SET_STATUS = """
UPDATE sync.connections
SET status = CASE WHEN awaits_confirmation AND %(status)s = 'active' THEN 'unconfirmed' ELSE %(status)s END,
    status_reason = %(reason)s, status_since = now(), updated_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s RETURNING status
"""
_CONFIRM = """
UPDATE sync.connections
SET awaits_confirmation = false, organization = COALESCE(%(organization)s, organization),
    status = CASE WHEN status = 'unconfirmed' THEN 'active' ELSE status END, status_since = now(), updated_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND awaits_confirmation
"""
_NAME = "UPDATE sync.connections SET organization = %s WHERE org_id = %s AND adapter = %s"


@dataclass(frozen=True, slots=True)
class ListedConnection:
    """A connection without its credentials, for people."""

    org: OrgId
    adapter: AdapterName
    base_url: str
    auth_method: str
    status: ConnectionStatus
    status_reason: str | None
    status_since: datetime
    created_at: datetime
    scopes: frozenset[str] | None
    """The granted scopes; ``None`` if scopes do not apply."""
    account: AccountId | None
    """The source's account that it belongs to; ``None`` until the source states it."""
    only: tuple[str, ...] | None
    """The modules and entities that the org chose to sync; ``None`` for all."""
    sensitive: tuple[str, ...]
    """The sensitive entities that the org turned on."""
    organization: str | None
    """What the source calls the organization; ``None`` if it never said."""
    awaits_confirmation: bool
    """Whether a person must confirm the organization before anything is read, even where its status is another."""

    @property
    def how_to_confirm(self) -> str:
        """Return the command that confirms whose connection it is."""
        return confirm_command(self.org, self.adapter)

    @property
    def how_to_reconnect(self) -> str:
        """Return the command that reconnects the org."""
        return reconnect_command(self.org, self.adapter, method=self.auth_method)


def add_connection(
    database: Database,
    connection: Connection,
    *,
    organization: str | None = None,
    invited: InvitedConsent | None = None,
) -> bool:
    """Store a connection, active and encrypted, and return whether it is new.

    A connection without an account keeps the stored one. A church that was invited connects itself, which
    uses the invitation up: unless its account is known, the connection is not active until it is confirmed.
    New credentials do not confirm it.

    Raises:
        AnotherAccount: The org's records come from a different account; nothing was stored.
        NotAuthorized: The invitation was used or withdrawn meanwhile; nothing was stored.
    """
    credentials = connection.credentials
    method, sealed_credentials = sealed(database.keys, credentials)
    parameters = {
        "org": connection.org,
        "adapter": connection.adapter,
        "base_url": connection.base_url,
        "method": method,
        "secret": sealed_credentials,
        "lifetime": credentials.lifetime if isinstance(credentials, OAuthTokens) else None,
        "scopes": sorted(credentials.scopes) if isinstance(credentials, OAuthTokens) else None,
        "organization": organization,
        "unconfirmed": invited is not None and connection.account is None,
    }
    with database.connect(connection.org) as session, session.transaction():
        if invited is not None:
            use_invitation_on(session, connection.org, connection.adapter, invited)
        if connection.account is not None:
            require_account_on(session, connection.org, connection.adapter, connection.account)
        is_new = bool(fetch_one(session, _ADD, parameters)[0])
        session.execute(_ENABLE, (connection.org, connection.adapter))
    return is_new


def list_connections(database: Database, org: OrgId | None = None) -> list[ListedConnection]:
    """Return the connections of one org or of all, in order; this requires no key."""
    with database.connect_reading(org) as session:
        rows = session.execute(_LIST, {"org": org}).fetchall()
    return [
        ListedConnection(
            OrgId(org),
            AdapterName(adapter),
            url,
            method,
            ConnectionStatus(status),
            why,
            since,
            created,
            None if scopes is None else frozenset(scopes),
            account,
            None if only is None else tuple(only),
            tuple(sensitive),
            *last,
        )
        for org, adapter, url, method, status, why, since, created, scopes, account, only, sensitive, *last in rows
    ]


def load_connection(database: Database, org: OrgId, adapter: AdapterName) -> Connection:
    """Return an org's connection with its credentials.

    Raises:
        NotConnected: The org is not connected to this adapter.
        DefinitionError: Its credentials are encrypted with a key that we do not have.
    """
    with database.connect(org) as session:
        row = session.execute(_LOAD, (org, adapter)).fetchone()
    if row is None:
        raise NotConnected(
            f"{org} is not connected to {adapter}; connect it with: openfaith-sync org add {org} --adapter {adapter}"
        )
    base_url, method, encrypted, status, *rest, only, sensitive = row
    secret = database.keys.decrypt(encrypted, f"{org}/{adapter}")
    rest += [None if only is None else tuple(only), tuple(sensitive)]
    return Connection(org, adapter, base_url, read(method, secret), ConnectionStatus(status), *rest)


def set_connection_status(
    database: Database, org: OrgId, adapter: AdapterName, status: ConnectionStatus, reason: str | None = None
) -> ConnectionStatus:
    """Set whether a connection is usable, with the reason, and return it; what is unconfirmed never becomes active.

    Raises:
        UsageError: The org is not connected to this adapter.
    """
    parameters = {"org": org, "adapter": adapter, "status": status.value, "reason": reason}
    with database.connect(org) as session:
        row = session.execute(_SET_STATUS, parameters).fetchone()
    if row is None:
        raise UsageError(f"{org} is not connected to {adapter}")
    return ConnectionStatus(row[0])


def confirm_connection(database: Database, org: OrgId, adapter: AdapterName, organization: str | None) -> bool:
    """Record that a person confirmed whose connection it is, and return whether it was unconfirmed."""
    parameters = {"org": org, "adapter": adapter, "organization": organization}
    with database.connect(org) as session:
        return session.execute(_CONFIRM, parameters).rowcount > 0


def name_organization(database: Database, org: OrgId, adapter: AdapterName, organization: str) -> None:
    """Store what the source calls the organization that an org's connection belongs to."""
    with database.connect(org) as session:
        session.execute(_NAME, (organization, org, adapter))
