"""What a sync left in the database, in a form that two syncs can be compared by."""

from typing import Any

import psycopg
from psycopg import sql

from openfaith_sync.domain.canonical import CANONICAL_TABLES
from openfaith_sync.store.database import Database

BOOKKEEPING = ("checkpoints", "dead_letters", "external_links", "leases", "passes", "redirects", "webhook_events")


def all_rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Give every canonical row and every link, without the times of our own clock."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with psycopg.connect(database.libpq_url) as connection:
        for table in CANONICAL_TABLES:
            query = sql.SQL("SELECT to_jsonb(t) - 'synced_at' FROM openfaith.{} t ORDER BY org_id, id")
            found[table] = connection.execute(query.format(sql.Identifier(table))).fetchall()
        found["links"] = connection.execute(
            "SELECT org_id, adapter, entity, external_id, entity_id, content_hash, source_version, deleted_at"
            " FROM sync.external_links ORDER BY org_id, adapter, entity, external_id"
        ).fetchall()
    return found


def watermarks(database: Database) -> dict[str, Any]:
    """Give the watermark of each entity of the one org there is."""
    with psycopg.connect(database.libpq_url) as connection:
        return dict(connection.execute("SELECT entity, watermark FROM sync.checkpoints").fetchall())


def counts(database: Database) -> list[tuple[Any, ...]]:
    """Give what each complete pass counted."""
    with psycopg.connect(database.libpq_url) as connection:
        return connection.execute(
            "SELECT entity, mode, created, updated, unchanged, dead FROM sync.passes"
            " WHERE status = 'complete' ORDER BY entity, pass_id"
        ).fetchall()


def erase(database: Database) -> None:
    """Leave an empty database behind."""
    tables = [sql.Identifier("openfaith", name) for name in CANONICAL_TABLES]
    tables += [sql.Identifier("sync", name) for name in BOOKKEEPING]
    with psycopg.connect(database.libpq_url) as connection:
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
