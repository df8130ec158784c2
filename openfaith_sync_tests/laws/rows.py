"""What a sync left in the database, in a form that two syncs can be compared by."""

from typing import Any

import psycopg
from psycopg import sql

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.store.database.database import Database

BOOKKEEPING = (
    "checkpoints", "dead_letters", "deletion_candidates", "holds", "leases", "listed_ids", "older_versions",
    "parent_listings", "passes", "redirects", "superseded_records", "webhook_events",
)  # fmt: skip
RECORDS = " UNION ALL ".join(
    "SELECT org_id, adapter, type AS entity, external_id, id, source_version, content_hash, deleted_at"
    f" FROM {one.quoted}"
    for one in CANONICAL_TABLES.values()
)
"""Every record of every entity, as a query."""


def all_rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return every canonical row and every redirect, without the times of our own clock."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with psycopg.connect(database.libpq_url) as connection:
        for table in CANONICAL_TABLES:
            query = sql.SQL("SELECT to_jsonb(t) - 'synced_at' FROM openfaith.{} t ORDER BY org_id, id")
            found[table] = connection.execute(query.format(sql.Identifier(table))).fetchall()
        found["redirects"] = connection.execute(
            "SELECT to_jsonb(t) - 'seen_at' FROM sync.redirects t ORDER BY org_id, adapter, entity, external_id"
        ).fetchall()
    return found


def settled_rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return the same with whether, not when, a row was tombstoned; what is still open; and how often each counted."""
    found = all_rows(database)
    for table in CANONICAL_TABLES:
        found[table] = [({**row, "deleted_at": row["deleted_at"] is not None},) for (row,) in found[table]]
    questions = {
        "candidates": "SELECT entity, external_id FROM sync.deletion_candidates ORDER BY entity, external_id",
        "listed": "SELECT count(*) FROM sync.listed_ids",
        "parents": "SELECT entity, parent_id, parent_hash, listed FROM sync.parent_listings ORDER BY entity, parent_id",
        "older": "SELECT entity, external_id, version FROM sync.older_versions ORDER BY entity, external_id",
        "superseded": "SELECT entity, external_id, version, taken_version FROM sync.superseded_records ORDER BY 1, 2",
        "holds": "SELECT entity, missing, live, status FROM sync.holds ORDER BY hold_id",
        "tombstoned": "SELECT entity, sum(tombstoned) FROM sync.passes GROUP BY entity ORDER BY entity",
        "passes": "SELECT DISTINCT status FROM sync.passes WHERE parent_pass_id IS NULL",
    }
    with psycopg.connect(database.libpq_url) as connection:
        for name, question in questions.items():
            found[name] = connection.execute(question.encode()).fetchall()
    for _, _, _, listed in found["parents"]:
        listed.sort()
    return found


def watermarks(database: Database) -> dict[str, Any]:
    """Return the watermark of each entity of the one org there is."""
    with psycopg.connect(database.libpq_url) as connection:
        return dict(connection.execute("SELECT entity, watermark FROM sync.checkpoints").fetchall())


def counts(database: Database) -> list[tuple[Any, ...]]:
    """Return what each complete pass counted."""
    with psycopg.connect(database.libpq_url) as connection:
        return connection.execute(
            "SELECT entity, mode, created, updated, unchanged, dead FROM sync.passes"
            " WHERE status = 'complete' ORDER BY entity, pass_id"
        ).fetchall()


def erase(database: Database) -> None:
    """Leave an empty database behind."""
    names = [f"openfaith.{name}" for name in CANONICAL_TABLES] + [f"sync.{name}" for name in BOOKKEEPING]
    with psycopg.connect(database.libpq_url) as connection:
        # Emptying a table that is empty takes as long as another.
        filled = connection.execute(
            "SELECT name FROM unnest(%s::text[]) AS given (name) WHERE pg_relation_size(name::regclass) > 0", (names,)
        )
        if tables := [sql.Identifier(*name.split(".")) for (name,) in filled.fetchall()]:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(tables)))
