"""The source's account that an org's records of an adapter come from.

It is stored apart from the connection: records outlive a removed connection, and must not mix with
records of another account when the org is reconnected. Only erasing the org's data deletes it.
"""

from openfaith_sync.domain.connections.connection import Connection, another_account
from openfaith_sync.domain.ids import AccountId, AdapterName, OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection as Session
from openfaith_sync.store.postgres.statements import fetch_one

_LEARN = "INSERT INTO sync.accounts (org_id, adapter, account_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
# A separate statement: a session that lost the race to insert the row sees the row that won.
_FORGET = "DELETE FROM sync.accounts WHERE org_id = %s AND adapter = %s"
_LIST = "SELECT adapter FROM sync.accounts WHERE org_id = %s ORDER BY adapter"
_LOAD = "SELECT account_id FROM sync.accounts WHERE org_id = %s AND adapter = %s"


class ConnectionAccount:
    """Implements ``adapters.ports.shared_state.Accounts`` for one connection. Safe to use from several threads."""

    def __init__(self, database: Database, connection: Connection) -> None:
        """Serve this connection's org and adapter."""
        self._database, self._org, self._adapter = database, connection.org, connection.adapter

    def learn(self, stated: AccountId) -> AccountId:
        """Store the account unless one is already stored, and return the stored one."""
        with self._database.connect(self._org) as session:
            return learn_account_on(session, self._org, self._adapter, stated)


def learn_account_on(session: Session, org: OrgId, adapter: AdapterName, stated: AccountId) -> AccountId:
    """Store the account unless one is already stored, and return the stored one."""
    with translated():
        session.execute(_LEARN, (org, adapter, stated))
        return AccountId(fetch_one(session, _LOAD, (org, adapter))[0])


def require_account_on(session: Session, org: OrgId, adapter: AdapterName, stated: AccountId) -> None:
    """Store the account that an org is being connected to, unless one is already stored.

    Raises:
        AnotherAccount: The org's records come from a different account.
    """
    known = learn_account_on(session, org, adapter, stated)
    if known != stated:
        raise another_account(org, adapter, known, stated)


def load_account(database: Database, org: OrgId, adapter: AdapterName) -> AccountId | None:
    """Return the account that an org's records of an adapter come from, if it was ever stated."""
    with database.connect(org) as session:
        row = session.execute(_LOAD, (org, adapter)).fetchone()
    return None if row is None else AccountId(row[0])


def forget_account(database: Database, org: OrgId, adapter: AdapterName) -> None:
    """Forget an account that nothing was read from, since a person rejected it."""
    with database.connect(org) as session:
        session.execute(_FORGET, (org, adapter))


def list_accounts(database: Database, org: OrgId) -> list[AdapterName]:
    """Return the adapters whose account is known for an org, connected or not."""
    with database.connect(org) as session:
        return [AdapterName(adapter) for (adapter,) in session.execute(_LIST, (org,)).fetchall()]
