"""Leases: who may write under a sync key.

Two parts. A session's advisory lock says whether the holder lives: the server
gives it back the moment the session ends, however the process ended. A token that
grows with every holder says whose writes still count: a page's transaction checks
it, so a worker that lost its lock without noticing (a pooler, a failover) is
refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from openfaith_sync.domain.errors import LeaseHeld, TransientError
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes import Lease
from openfaith_sync.store.failures import translated
from openfaith_sync.store.rows import Connection, fetch_one

_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
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
_WHO = "SELECT holder, held_since FROM sync.leases WHERE org_id = %s AND adapter = %s AND entity = %s"
_CHECK = "SELECT sync.check_lease(%s, %s, %s, %s)"


@contextmanager
def hold_lease(connection: Connection, key: SyncKey, holder: str) -> Iterator[Lease]:
    """Hold the right to write under a key until the block ends.

    Raises:
        LeaseHeld: Another live worker has it; says who and since when.
    """
    with translated():
        if not fetch_one(connection, _TRY, (str(key),))[0]:
            raise LeaseHeld(f"{key} is being synced by {_name_holder(connection, key)}; try again later")
    token = 0
    try:
        with translated():
            token = int(fetch_one(connection, _TAKE, (*key_parameters(key), holder))[0])
        yield Lease(key, token)
    finally:
        # A connection that broke has given its lock back already.
        with suppress(TransientError):
            _release(connection, key, token)


def check_lease(connection: Connection, lease: Lease) -> None:
    """Keep the lease from being taken over until the transaction ends; raise when it was."""
    connection.execute(_CHECK, (*key_parameters(lease.key), lease.token))


def key_parameters(key: SyncKey) -> tuple[str, str, str]:
    """Give a key as statement parameters, the org first."""
    return key.org, key.adapter, key.entity


def _release(connection: Connection, key: SyncKey, token: int) -> None:
    with translated():
        try:
            connection.execute(_RELEASE, (*key_parameters(key), token))
        finally:
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                connection.execute(_UNLOCK, (str(key),))


def _name_holder(connection: Connection, key: SyncKey) -> str:
    row = connection.execute(_WHO, key_parameters(key)).fetchone()
    return f"{row[0]} since {row[1]:%Y-%m-%d %H:%M:%S} UTC" if row else "another worker"
