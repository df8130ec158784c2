"""Leases: who may write under a sync key.

Two parts. A session's advisory lock says whether the holder lives: the server releases it when
the session ends, however the process ended. A fencing token that grows with every holder says whose
writes count: a page's transaction checks it, so a worker that lost its lock without noticing
(a pooler, a failover) is refused.

A process that is stopped or hangs keeps its session, and so its lock. Whoever wants the lease
ends the holder's session once the server has waited for that session longer than ``LEASE_LASTS``.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg

from openfaith_sync.domain.defaults import LEASE_LASTS
from openfaith_sync.domain.errors import LeaseHeld, LeaseLost, SyncError, TransientError
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one

# A database that was migrated meanwhile refuses this process before it asks its source for anything.
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) FROM sync.check_revision()"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
_TAKE = """
INSERT INTO sync.leases AS lease (org_id, adapter, entity, token, holder) VALUES (%s, %s, %s, 1, %s)
ON CONFLICT (org_id, adapter, entity) DO UPDATE
  SET token = lease.token + 1, holder = EXCLUDED.holder, held_since = now(), released_at = NULL
RETURNING token
"""
_RELEASE = """
UPDATE sync.leases SET released_at = now() WHERE org_id = %s AND adapter = %s AND entity = %s AND token = %s
"""
_WHO = "SELECT holder, held_since, token FROM sync.leases WHERE org_id = %s AND adapter = %s AND entity = %s"
# The server's own record of a session's last activity costs the holder no heartbeat. A session that
# executes a statement, however long, is not waiting for its client.
_END_SILENT = """
SELECT pg_terminate_backend(held.pid, 5000)
FROM pg_locks held JOIN pg_stat_activity session ON session.pid = held.pid
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (held.classid::bigint << 32 | held.objid::bigint) = hashtextextended(%s, 0)
  AND session.wait_event_type = 'Client'
  AND greatest(session.query_start, session.state_change) < clock_timestamp() - %s
"""
_CHECK = "SELECT sync.check_lease(%s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class LeaseTerms:
    """When a lease is taken from its holder, and how a holder whose session was ended learns of it."""

    lasts: timedelta = LEASE_LASTS
    reconnect: Callable[[], AbstractContextManager[Connection]] | None = None


USUAL_TERMS = LeaseTerms()


@contextmanager
def hold_lease(connection: Connection, key: SyncKey, holder: str, terms: LeaseTerms = USUAL_TERMS) -> Iterator[Lease]:
    """Hold the right to write under a key until the block ends.

    Raises:
        LeaseHeld: Another live worker has it; return who and since when.
        LeaseLost: The session broke inside the block, and another worker has the lease now.
    """
    with translated():
        if not _try(connection, key, terms.lasts):
            who = _load_holder(connection, key)
            raise LeaseHeld(f"{key} is being synced by {who or 'another worker'}; try again later")
    token = 0
    try:
        with translated():
            token = int(fetch_one(connection, _TAKE, (*key_parameters(key), holder))[0])
        yield Lease(key, token)
    except TransientError as error:
        if connection.closed and terms.reconnect and (successor := _find_successor(terms.reconnect, key, token)):
            raise LeaseLost(
                f"{successor} took over {key} after this worker had been silent for {terms.lasts}; "
                "nothing was written after that"
            ) from error
        raise
    finally:
        # A connection that broke has given its lock back already.
        with suppress(TransientError):
            _release(connection, key, token)


def end_silent_session(connection: Connection, lock: str, lasts: timedelta) -> bool:
    """End the session that holds an advisory lock if its client has been silent for longer than this.

    Return whether one was ended. The lock's name is the text that the lock's number is the hash of.
    """
    try:
        with connection.transaction():
            # The engine's role may neither see nor end the sessions of the login that it belongs to.
            connection.execute("SET LOCAL ROLE NONE")
            return any(row[0] for row in connection.execute(_END_SILENT, (lock, lasts)).fetchall())
    except psycopg.errors.InsufficientPrivilege:
        # Another login's session: its operator must end it.
        return False


def check_lease(connection: Connection, lease: Lease) -> None:
    """Keep the lease from being taken over until the transaction ends; raise if it was."""
    connection.execute(_CHECK, (*key_parameters(lease.key), lease.token))


def key_parameters(key: SyncKey) -> tuple[str, str, str]:
    """Return a key as statement parameters, the org first."""
    return key.org, key.adapter, key.entity


def _release(connection: Connection, key: SyncKey, token: int) -> None:
    with translated():
        try:
            connection.execute(_RELEASE, (*key_parameters(key), token))
        finally:
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                connection.execute(_UNLOCK, (str(key),))


def _try(connection: Connection, key: SyncKey, lasts: timedelta) -> bool:
    if fetch_one(connection, _TRY, (str(key),))[0]:
        return True
    return end_silent_session(connection, str(key), lasts) and bool(fetch_one(connection, _TRY, (str(key),))[0])


@dataclass(frozen=True, slots=True)
class _Holder:
    """The holder of a lease."""

    name: str
    since: datetime
    token: int

    def __str__(self) -> str:
        return f"{self.name} since {self.since:%Y-%m-%d %H:%M:%S} UTC"


def _load_holder(connection: Connection, key: SyncKey) -> _Holder | None:
    row = connection.execute(_WHO, key_parameters(key)).fetchone()
    return _Holder(*row) if row else None


def _find_successor(
    reconnect: Callable[[], AbstractContextManager[Connection]], key: SyncKey, token: int
) -> str | None:
    """Return who took over; nobody, when the database does not answer either."""
    with suppress(SyncError), reconnect() as connection:
        holder = _load_holder(connection, key)
        return holder.name if holder and holder.token > token else None
    return None
