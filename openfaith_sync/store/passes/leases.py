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
from typing import Any

import psycopg

from openfaith_sync.domain.defaults import LEASE_LASTS
from openfaith_sync.domain.errors import LeaseHeld, LeaseLost, SyncError, TransientError
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection

# A database that was migrated meanwhile refuses this process before it asks its source for anything.
_TAKE = """
WITH tried AS MATERIALIZED (SELECT pg_try_advisory_lock(hashtextextended(%(lock)s, 0)) AS is_ours
                            FROM sync.check_revision())
INSERT INTO sync.leases AS lease (org_id, adapter, entity, token, holder)
SELECT %(org)s, %(adapter)s, %(entity)s, 1, %(holder)s FROM tried WHERE is_ours
ON CONFLICT (org_id, adapter, entity) DO UPDATE
  SET token = lease.token + 1, holder = EXCLUDED.holder, held_since = now(), released_at = NULL
RETURNING token
"""
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%(lock)s, 0))"
# The next holder's token differs, so that this changes nothing where it comes after that one's.
_RELEASE = """
UPDATE sync.leases SET released_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND token = %(token)s
"""
_RELEASE_AND_UNLOCK = f"WITH released AS ({_RELEASE}) {_UNLOCK}"
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
LEASED = "leased AS MATERIALIZED (SELECT sync.check_lease(%(org)s, %(adapter)s, %(entity)s, %(token)s))"
"""What a statement that writes by itself begins with: one that reads ``FROM leased`` fails if the lease was lost."""


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
        token = _take(connection, key, holder, terms.lasts)
        if token is None:
            who = _load_holder(connection, key)
            raise LeaseHeld(f"{key} is being synced by {who or 'another worker'}; try again later")
    try:
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


def lease_parameters(lease: Lease) -> dict[str, Any]:
    """Return the parameters of ``LEASED``."""
    return {"org": lease.key.org, "adapter": lease.key.adapter, "entity": lease.key.entity, "token": lease.token}


def key_parameters(key: SyncKey) -> tuple[str, str, str]:
    """Return a key as statement parameters, the org first."""
    return key.org, key.adapter, key.entity


def _release(connection: Connection, key: SyncKey, token: int) -> None:
    parameters = _parameters(key) | {"token": token}
    with translated():
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            with _unlocking_on_errors(connection, key):
                connection.execute(_RELEASE_AND_UNLOCK, parameters)
        else:
            connection.execute(_RELEASE, parameters)


def _take(connection: Connection, key: SyncKey, holder: str, lasts: timedelta) -> int | None:
    """Return the token of the lease, or ``None`` if another session that is not silent holds it."""
    token = _try(connection, key, holder)
    if token is None and end_silent_session(connection, str(key), lasts):
        token = _try(connection, key, holder)
    return token


def _try(connection: Connection, key: SyncKey, holder: str) -> int | None:
    with _unlocking_on_errors(connection, key):
        row = connection.execute(_TAKE, _parameters(key) | {"holder": holder}).fetchone()
    return int(row[0]) if row else None


@contextmanager
def _unlocking_on_errors(connection: Connection, key: SyncKey) -> Iterator[None]:
    """Release the lock if a statement fails: it belongs to the session, whatever became of the statement."""
    try:
        yield
    except psycopg.Error:
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            connection.execute(_UNLOCK, _parameters(key))
        raise


def _parameters(key: SyncKey) -> dict[str, str]:
    return {"lock": str(key), "org": key.org, "adapter": key.adapter, "entity": key.entity}


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
