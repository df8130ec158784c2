"""Disconnect an org, and erase its data on request."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from psycopg import sql

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.passes.leases import hold_lease
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.adapter_schemas import OURS

BATCH = 10_000
"""Rows per transaction: no locks and no dead rows for longer than a moment."""

# Every table that is bound to an org, including tables added after this was written. The account goes last: until all
# else is deleted, nothing of another account may be stored next to it.
_TABLES = f"""
SELECT room.nspname, held.relname FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
JOIN pg_attribute own ON own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped
WHERE {OURS} AND held.relkind IN ('r', 'p')
ORDER BY (room.nspname, held.relname) = ('sync', 'accounts'), room.nspname, held.relname
"""  # noqa: S608  our own constants
_SETTINGS = frozenset({"sync.orgs", "sync.cadences", "sync.selections", "sync.sensitive_entities"})
# In the order in which all transactions that change several of these lock their rows, so that none deadlock: tokens,
# the newest first (a refresh deletes old ones last), breakers, the connection, its refusals, and what alerts say of it.
_FORGET = (
    "DELETE FROM sync.work WHERE org_id = %s",
    "DELETE FROM sync.dagster_reports WHERE org_id = %s",
    "DELETE FROM sync.webhook_subscriptions WHERE org_id = %s",
    "DELETE FROM sync.authorizations WHERE org_id = %s",
    "DELETE FROM sync.invitations WHERE org_id = %s",
    "SELECT FROM sync.token_refreshes WHERE org_id = %s ORDER BY version DESC FOR UPDATE",
    "DELETE FROM sync.token_refreshes WHERE org_id = %s",
    "DELETE FROM sync.breakers WHERE org_id = %s",
)
_DISCONNECT = "DELETE FROM sync.connections WHERE org_id = %s"
_FORGET_ALERTS = "DELETE FROM sync.alert_orgs WHERE org_id = %s"
_FORGET_REFUSALS = "DELETE FROM sync.disabled_entities WHERE org_id = %s"
_KEYS = "SELECT adapter, entity FROM sync.leases WHERE org_id = %s ORDER BY adapter, entity"
_COUNT = "SELECT count(*) FROM {table} WHERE org_id = %s"
_DELETE = "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE org_id = %s LIMIT %s))"


def disconnect_org(database: Database, org: OrgId) -> bool:
    """Delete an org's credentials and planned work, keep its data, and return whether it was connected."""
    with database.connect(org) as session, session.transaction():
        for statement in _FORGET:
            session.execute(statement, (org,))
        was_connected = session.execute(_DISCONNECT, (org,)).rowcount > 0
        session.execute(_FORGET_REFUSALS, (org,))
        session.execute(_FORGET_ALERTS, (org,))
    return was_connected


def count_rows(database: Database, org: OrgId) -> dict[str, int]:
    """Return how many rows an org has in each table where it has any."""
    with database.connect(org) as session:
        counted = {name: _count(session, table, org) for name, table in _tables(session)}
    return {name: count for name, count in counted.items() if count}


def erase_org(database: Database, org: OrgId, *, keep_settings: bool = False) -> dict[str, int]:
    """Delete everything of one org permanently, and return how many rows were deleted from each table.

    If killed, it can be run again until done. No sync can write meanwhile.

    Raises:
        LeaseHeld: A sync of the org is running; nothing was deleted.
    """
    erased: dict[str, int] = {}
    with database.connect(org) as session, _nobody_else(session, org):
        for name, table in _tables(session):
            if keep_settings and name in _SETTINGS:
                continue
            while gone := session.execute(sql.SQL(_DELETE).format(table=table), (org, BATCH)).rowcount:
                erased[name] = erased.get(name, 0) + gone
    # Its own leases, just released, are rows too.
    with database.connect(org) as session:
        session.execute("DELETE FROM sync.leases WHERE org_id = %s", (org,))
    return erased


@contextmanager
def _nobody_else(session: Connection, org: OrgId) -> Iterator[None]:
    """Hold every lease that the org ever had, so that earlier holders are refused."""
    keys = [SyncKey(org, AdapterName(row[0]), EntityName(row[1])) for row in session.execute(_KEYS, (org,))]
    with ExitStack() as held:
        for key in keys:
            held.enter_context(hold_lease(session, key, "erasing the org"))
        yield


def _tables(session: Connection) -> list[tuple[str, sql.Identifier]]:
    return [(f"{schema}.{name}", sql.Identifier(schema, name)) for schema, name in session.execute(_TABLES)]


def _count(session: Connection, table: sql.Identifier, org: OrgId) -> int:
    row = session.execute(sql.SQL(_COUNT).format(table=table), (org,)).fetchone()
    assert row is not None
    return int(row[0])
