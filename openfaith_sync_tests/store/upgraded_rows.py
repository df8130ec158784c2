"""What a database of revision 0013 holds, what must be found of it after the upgrade, and what is found."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]
Identity = tuple[str, str, str, str]
"""Org, adapter, entity and the source's id."""

TABLES = {
    "person": "people", "household": "households", "household_membership": "household_memberships",
    "address": "addresses", "email": "emails", "phone_number": "phone_numbers", "campus": "campuses",
    "group": "groups", "group_membership": "group_memberships", "event": "events",
}  # fmt: skip
_SEPARATE = "{deleted_at,merged_into_id,synced_at,external_id,adapter,source_version,content_hash,is_loss}"
_LINKS = """
SELECT org_id, adapter, entity, external_id, entity_id, content_hash, source_version, deleted_at, updated_at,
       merged_into, is_loss
FROM sync.external_links
"""
_BOOKS = """
SELECT relname FROM pg_class WHERE relnamespace = 'sync'::regnamespace AND relkind = 'r'
  AND relname NOT IN ('alembic_version', 'external_links', 'record_tables') ORDER BY relname
"""
_COLUMNS = """
SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_GONE = {"canonical_table"}
"""The columns of bookkeeping tables that go."""
_COMMENTS = """
SELECT attrelid::regclass::text, attname::text FROM pg_attribute
WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace IN ('sync'::regnamespace, 'openfaith'::regnamespace))
  AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL
"""


class Row(NamedTuple):
    """A record's row."""

    table: str
    entity_id: str
    content: str | None
    """Its own and common columns as JSON; ``None`` where the record was never held."""
    deleted_at: Any
    merged_into_id: str | None
    written_at: Any
    version: Any = None
    content_hash: bytes = b""
    is_loss: bool = False


def load_former_rows(connection: Connection) -> dict[Identity, Row]:
    """Return what the upgrade must make of the links and rows of a database of revision 0013."""
    held: dict[tuple[str, str], Row] = {}
    for table in TABLES.values():
        columns = f"org_id, id, {_content()}, deleted_at, {_merged(table)}, synced_at"
        for org, *values in connection.execute(f"SELECT {columns} FROM openfaith.{table} t".encode()):
            held[org, values[0]] = Row(table, *values)
    redirects = "SELECT org_id, adapter, entity, external_id, entity_id FROM sync.redirects"
    removed: dict[Identity, str] = {tuple(row[:4]): row[4] for row in connection.execute(redirects)}
    expected = {}
    for org, adapter, entity, external_id, target, content_hash, version, *rest in connection.execute(_LINKS):
        deleted_at, updated_at, merged_into, is_loss = rest
        identity = (org, adapter, entity, external_id)
        own_id: str = removed.get(identity) or target
        merged_into_id = target if merged_into is not None else None
        bare = Row(TABLES[entity], own_id, None, deleted_at, merged_into_id, updated_at)
        row = held.pop((org, own_id), bare)
        assert (row.deleted_at, row.merged_into_id) == (deleted_at, merged_into_id), identity
        expected[identity] = row._replace(
            written_at=max(row.written_at, updated_at), version=version, content_hash=content_hash, is_loss=is_loss
        )
    assert held == {}, "rows without a link"
    return expected


def load_rows(connection: Connection) -> dict[Identity, Row]:
    """Return the rows of an upgraded database."""
    found = {}
    for table in TABLES.values():
        is_empty = "content_hash = '' AND created_at IS NULL"
        columns = (
            f"org_id, adapter, type, external_id, id, CASE WHEN NOT ({is_empty}) THEN {_content()} END, deleted_at,"
            f" {_merged(table)}, synced_at, source_version, content_hash, is_loss"
        )
        for (
            *identity,
            entity_id,
            content,
            deleted_at,
            merged_into_id,
            written_at,
            version,
            content_hash,
            is_loss,
        ) in connection.execute(f"SELECT {columns} FROM openfaith.{table} t".encode()):
            row = Row(table, entity_id, content, deleted_at, merged_into_id, written_at, version, content_hash, is_loss)
            org, adapter, entity, external_id = identity
            found[org, adapter, entity, external_id] = row
    return found


def load_survivors(connection: Connection, *, is_former: bool) -> set[tuple[Any, ...]]:
    """Return each redirect with the record at the end of its chain."""
    question = """SELECT gone.*, link.merged_into, CASE WHEN link.merged_into IS NOT NULL THEN link.entity_id END
    FROM sync.redirects gone LEFT JOIN sync.external_links link USING (org_id, adapter, entity, external_id)"""
    return set(connection.execute(question.encode() if is_former else b"SELECT * FROM sync.redirects"))


def load_book_columns(connection: Connection) -> dict[str, list[str]]:
    """Return the columns of each bookkeeping table that stay."""
    tables = [name for (name,) in connection.execute(_BOOKS).fetchall()]
    found = {table: {name for (name,) in connection.execute(_COLUMNS, (f"sync.{table}",))} for table in tables}
    return {table: sorted(names - _GONE) for table, names in found.items()}


def load_books(connection: Connection, columns: Mapping[str, list[str]]) -> dict[str, tuple[int, str]]:
    """Return how many rows each bookkeeping table has, and a digest of these columns of them."""
    row = "(SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(t)) WHERE key = ANY (%s))::text"
    digest = "count(*), md5(COALESCE(string_agg(one, ',' ORDER BY one COLLATE \"C\"), ''))"
    return {
        table: connection.execute(
            f"SELECT {digest} FROM (SELECT {row} AS one FROM sync.{table} t) rows".encode(), (names,)
        ).fetchall()[0]
        for table, names in columns.items()
    }


def load_commented(connection: Connection) -> set[tuple[str, str]]:
    """Return the columns about which a comment says something."""
    return set(connection.execute(_COMMENTS))


def _content() -> str:
    return f"(to_jsonb(t) - '{_SEPARATE}'::text[])::text"


def _merged(table: str) -> str:
    return "merged_into_id" if table == "people" else "NULL::text"
