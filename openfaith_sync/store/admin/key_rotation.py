"""Re-encrypt all secrets with the newest key, and count secrets by key.

Secrets that other processes store meanwhile are never overwritten: a secret is replaced only while it is
still the one that was read. If killed, it can be run again until done.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import sql

from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection

ENCRYPTED = (
    ("connections", "secret"),
    ("webhook_subscriptions", "secret"),
    ("webhook_subscriptions", "previous_secret"),
    ("authorizations", "verifier"),
    ("erasure_keys", "secret"),
)
"""Every encrypted column of the schema ``sync``; a test checks that none is missing."""

_STILL_READ: dict[tuple[str, str], LiteralString] = {
    ("webhook_subscriptions", "previous_secret"): "AND held.previous_until > now()",
    ("authorizations", "verifier"): "AND held.used_at IS NULL AND held.expires_at > now()",
}
"""The condition for secrets that will still be read; no other secret needs its key."""

BATCH = 500
# Rows that other processes changed meanwhile are found on the next pass; a process that still stores with an older
# key would keep this going forever.
_LOOKS = 5

_READ = """
SELECT held.ctid::text, held.org_id, held.{column} FROM sync.{table} held
WHERE held.ctid > %s::tid AND held.{column} IS NOT NULL {still_read} ORDER BY held.ctid LIMIT %s
"""
# A row that moved is a different version of it, and a reused place holds a different secret.
_REPLACE = """
UPDATE sync.{table} held SET {column} = given.new
FROM unnest(%s::text[], %s::bytea[], %s::bytea[]) AS given (place, old, new)
WHERE held.ctid = given.place::tid AND held.{column} = given.old
"""
_BEGINNING = "(0,0)"


@dataclass(slots=True)
class KeyUse:
    """How many secrets each key encrypts."""

    by_key: list[int]
    """By the key's position, the newest first."""
    lost: dict[str, int] = field(default_factory=dict)
    """Secrets that none of our keys decrypts, by org."""

    @property
    def is_rotated(self) -> bool:
        """Return whether the newest key decrypts everything, so that the others can be removed."""
        return not self.lost and not any(self.by_key[1:])


def count_key_use(database: Database) -> KeyUse:
    """Return how many secrets each key encrypts now."""
    use = KeyUse([0] * len(database.keys.fingerprints))
    with database.connect_fleet() as session:
        for table, column in ENCRYPTED:
            for batch in _batches(session, table, column):
                for _, org, secret in batch:
                    place = database.keys.holder(secret)
                    if place is None:
                        use.lost[org] = use.lost.get(org, 0) + 1
                    else:
                        use.by_key[place] += 1
    return use


def rotate_secrets(database: Database, on_batch: Callable[[int], None] = lambda _: None) -> int:
    """Re-encrypt everything with the newest key, one batch per transaction, and return how many secrets were.

    ``on_batch`` is called with the count after each batch. Secrets that none of our keys decrypts are left unchanged.
    """
    rotated = 0
    with database.connect_fleet() as session:
        for _ in range(_LOOKS):
            before, left = rotated, 0
            for table, column in ENCRYPTED:
                for batch in _batches(session, table, column):
                    given = list(_old_ones(database, batch))
                    if given:
                        done = _replace(session, table, column, given)
                        rotated, left = rotated + done, left + len(given) - done
                        on_batch(rotated)
            if rotated == before and not left:
                break
    return rotated


def _old_ones(database: Database, batch: list[tuple[str, str, bytes]]) -> Iterator[tuple[str, bytes, bytes]]:
    for place, _, secret in batch:
        if database.keys.holder(secret) == 0:
            continue
        new = database.keys.re_encrypt(secret)
        if new is not None:
            yield place, secret, new


def _batches(session: Connection, table: str, column: str) -> Iterator[list[tuple[str, str, bytes]]]:
    names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
    statement = sql.SQL(_READ).format(**names, still_read=sql.SQL(_STILL_READ.get((table, column), "")))
    after = _BEGINNING
    while batch := session.execute(statement, (after, BATCH)).fetchall():
        after = batch[-1][0]
        yield [(place, org, bytes(secret)) for place, org, secret in batch]


def _replace(session: Connection, table: str, column: str, given: list[tuple[str, bytes, bytes]]) -> int:
    statement = sql.SQL(_REPLACE).format(table=sql.Identifier(table), column=sql.Identifier(column))
    places, old, new = map(list, zip(*given, strict=True))
    return session.execute(statement, (places, old, new)).rowcount
