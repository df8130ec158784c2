"""Copies a database into one of revision 0013, as the code of that revision would have left it."""

from typing import Any

import psycopg
from psycopg import sql

from openfaith_sync_tests.store.upgraded_rows import TABLES

Connection = psycopg.Connection[tuple[Any, ...]]

_COLUMNS = """
SELECT table_schema, table_name, array_agg(column_name::text ORDER BY ordinal_position)
FROM information_schema.columns
WHERE table_schema IN ('openfaith', 'sync') AND table_name NOT IN ('alembic_version', 'external_links')
GROUP BY table_schema, table_name
"""
# A link of a removed record leads to the surviving record.
_LINKS = """
SELECT held.org_id, held.adapter, held.type, held.external_id, COALESCE(gone.survivor_entity_id, held.id),
       held.content_hash, held.source_version, held.deleted_at, held.synced_at, gone.survivor_id, held.is_loss
FROM openfaith.{} held
LEFT JOIN sync.redirects gone
  ON gone.org_id = held.org_id AND gone.adapter = held.adapter AND gone.entity = held.type
  AND gone.external_id = held.external_id
"""
_LINK = """
sync.external_links (org_id, adapter, entity, external_id, entity_id, content_hash, source_version, deleted_at,
                     updated_at, merged_into, is_loss)
"""
_NAME_TABLE = "UPDATE sync.passes SET canonical_table = %s WHERE entity = %s"
_GO_ON = "SELECT setval('sync.passes_pass_id_seq', (SELECT max(pass_id) FROM sync.passes))"


def copy_to_former(source: Connection, former: Connection) -> None:
    """Copy all rows of a current database into an empty one of revision 0013; each row's link is made of it."""
    current = {(schema, table): columns for schema, table, columns in source.execute(_COLUMNS)}
    for schema, table, columns in former.execute(_COLUMNS).fetchall():
        kept = [sql.Identifier(column) for column in columns if column in current[schema, table]]
        chosen = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(kept), sql.Identifier(schema, table))
        into = sql.SQL("{} ({})").format(sql.Identifier(schema, table), sql.SQL(", ").join(kept))
        _copy(source, chosen, former, into)
    for entity, table in TABLES.items():
        _copy(source, sql.SQL(_LINKS).format(sql.Identifier(table)), former, sql.SQL(_LINK))
        former.execute(_NAME_TABLE, (table, entity))
    former.execute(_GO_ON)


def _copy(source: Connection, query: sql.Composable, former: Connection, into: sql.Composable) -> None:
    out = sql.SQL("COPY ({}) TO STDOUT").format(query)
    with (
        source.cursor().copy(out) as rows,
        former.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(into)) as stored,
    ):
        for data in rows:
            stored.write(data)
