"""The statements of merges."""

from functools import cache

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.store.inbox.inbox_sql import check_column

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
AWAIT = "SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))"

HAS_MERGES = """
SELECT EXISTS (SELECT FROM sync.redirects WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s)
"""

STORE_REDIRECTS = """
INSERT INTO sync.redirects AS held (org_id, adapter, entity, external_id, entity_id, kept_id, merged_at)
SELECT %(org)s, %(adapter)s, %(entity)s, given.*
FROM unnest(%(ids)s::text[], %(entity_ids)s::text[], %(kept)s::text[], %(times)s::timestamptz[])
  AS given (external_id, entity_id, kept_id, merged_at)
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET kept_id = EXCLUDED.kept_id, merged_at = EXCLUDED.merged_at, seen_at = now()
WHERE held.kept_id <> EXCLUDED.kept_id AND (EXCLUDED.merged_at >= held.merged_at) IS NOT FALSE
RETURNING external_id
"""

# `touched` are the ids that are new and all that lead to them; `walked` follows each to its end.
# A cycle has no end: its members are left unchanged, since none of them can be the surviving record.
ENDS = """
WITH RECURSIVE redirect AS (
  SELECT external_id, kept_id FROM sync.redirects
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
), touched AS (
  SELECT external_id FROM redirect WHERE external_id = ANY (%(ids)s::text[])
  UNION
  SELECT redirect.external_id FROM redirect JOIN touched ON redirect.kept_id = touched.external_id
), walked (external_id, reached, path) AS (
  SELECT external_id, external_id, ARRAY[external_id] FROM touched
  UNION ALL
  SELECT walked.external_id, redirect.kept_id, walked.path || redirect.kept_id
  FROM walked JOIN redirect ON redirect.external_id = walked.reached
  WHERE redirect.kept_id <> ALL (walked.path)
)
SELECT external_id, reached FROM walked
WHERE NOT EXISTS (SELECT FROM redirect WHERE redirect.external_id = walked.reached)
ORDER BY external_id
"""

_MERGED_ARRAYS = """unnest(%(ids)s::text[], %(ends)s::text[], %(own_ids)s::text[], %(end_ids)s::text[])
  AS merged (external_id, merged_into, own_id, entity_id)"""

# The removed record's belongings moved to the surviving record, at a time that the source
# need not show in the survivor's version.
CHECK_KEPT = f"""
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)
SELECT %(org)s, %(adapter)s, concat_ws(':', 'merge', %(entity)s::text, external_id), 'merge', %(entity)s,
       merged.merged_into, 'check'
FROM {_MERGED_ARRAYS}
JOIN sync.external_links link USING (external_id)
WHERE link.org_id = %(org)s AND link.adapter = %(adapter)s AND link.entity = %(entity)s AND link.merged_into IS NULL
ON CONFLICT DO NOTHING
"""  # noqa: S608  every part is a constant of this file

MERGE_LINKS = f"""
INSERT INTO sync.external_links AS link
  (org_id, adapter, entity, external_id, entity_id, content_hash, deleted_at, merged_into)
SELECT %(org)s, %(adapter)s, %(entity)s, external_id, entity_id, '', now(), merged_into
FROM {_MERGED_ARRAYS} ORDER BY external_id
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET entity_id = EXCLUDED.entity_id, merged_into = EXCLUDED.merged_into,
    deleted_at = COALESCE(link.deleted_at, now()), updated_at = now()
WHERE link.merged_into IS DISTINCT FROM EXCLUDED.merged_into
"""  # noqa: S608  every part is a constant of this file

SETTLE = """
WITH settled AS (
  DELETE FROM sync.deletion_candidates
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
)
UPDATE sync.dead_letters SET resolved_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
  AND resolved_at IS NULL
"""

_BURY = """
UPDATE openfaith."{table}" held
SET deleted_at = COALESCE(held.deleted_at, now()), merged_into_id = merged.entity_id, synced_at = now()
FROM {arrays}
WHERE held.org_id = %(org)s AND held.id = merged.own_id AND held.merged_into_id IS DISTINCT FROM merged.entity_id
"""

# Locked in id order, as pages do, which rules out deadlocks.
_FOLLOW = """
WITH astray AS (
  SELECT held.id, link.entity_id AS target
  FROM sync.redirects gone
  JOIN sync.external_links link USING (org_id, adapter, entity, external_id)
  JOIN openfaith."{table}" held ON held.org_id = gone.org_id AND held."{column}" = gone.entity_id
  WHERE gone.org_id = %(org)s AND gone.adapter = %(adapter)s AND gone.entity = %(entity)s
    AND link.merged_into IS NOT NULL AND held.org_id = %(org)s AND held."{column}" <> link.entity_id
  ORDER BY held.id FOR UPDATE OF held
)
UPDATE openfaith."{table}" held SET "{column}" = astray.target, synced_at = now()
FROM astray WHERE held.org_id = %(org)s AND held.id = astray.id
"""

MERGED = """
SELECT external_id, merged_into FROM sync.external_links
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
  AND merged_into IS NOT NULL
"""

_ALIVE_OR_NOT = """
SELECT external_id FROM sync.external_links
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
"""
LIVE = f"{_ALIVE_OR_NOT} AND deleted_at IS NULL AND merged_into IS NULL"
GONE = f"{_ALIVE_OR_NOT} AND deleted_at IS NOT NULL"

ENDS_OF = """
SELECT DISTINCT entity_id FROM sync.external_links
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
  AND merged_into IS NOT NULL
"""
LED_HERE = """
SELECT external_id FROM sync.redirects
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND kept_id = ANY (%(ids)s::text[])
"""
# Without hash and version the link accepts whatever the source shows of its record.
TAKE_BACK = """
WITH forgotten AS (
  DELETE FROM sync.redirects
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
)
UPDATE sync.external_links link
SET entity_id = given.own_id, merged_into = NULL, content_hash = '', source_version = NULL, updated_at = now()
FROM unnest(%(ids)s::text[], %(own_ids)s::text[]) AS given (external_id, own_id)
WHERE link.org_id = %(org)s AND link.adapter = %(adapter)s AND link.entity = %(entity)s
  AND link.external_id = given.external_id AND link.merged_into IS NOT NULL
"""
_UNBURY = """
UPDATE openfaith."{table}" SET merged_into_id = NULL, synced_at = now()
WHERE org_id = %(org)s AND id = ANY (%(own_ids)s::text[]) AND merged_into_id IS NOT NULL
"""
# Which of these followed the merge is unknown here. Without a hash each is stored as the source shows it.
_READ_AGAIN = """
WITH doubted AS MATERIALIZED (
  SELECT link.entity, link.external_id FROM sync.external_links link
  JOIN openfaith."{table}" held ON held.org_id = link.org_id AND held.id = link.entity_id
  WHERE link.org_id = %(org)s AND link.adapter = %(adapter)s AND link.deleted_at IS NULL AND link.merged_into IS NULL
    AND held.org_id = %(org)s AND held."{column}" = ANY (%(ends)s::text[])
  ORDER BY link.entity, link.external_id FOR UPDATE OF link
), reset AS (
  UPDATE sync.external_links link SET content_hash = '' FROM doubted
  WHERE link.org_id = %(org)s AND link.adapter = %(adapter)s AND link.entity = doubted.entity
    AND link.external_id = doubted.external_id
)
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)
SELECT %(org)s, %(adapter)s, concat_ws(':', 'unmerge', extract(epoch FROM now()), entity, external_id), 'unmerge',
       entity, external_id, 'check'
FROM doubted
ON CONFLICT DO NOTHING
"""

ADVANCE = """
INSERT INTO sync.checkpoints AS held (org_id, adapter, entity, watermark, completed_at)
VALUES (%(org)s, %(adapter)s, %(entity)s, %(watermark)s, now())
ON CONFLICT (org_id, adapter, entity) DO UPDATE
SET watermark = GREATEST(held.watermark, EXCLUDED.watermark), completed_at = now()
"""


@cache
def bury(table: str) -> bytes:
    """Return the statement that tombstones the rows of merged records.

    Raises:
        DefinitionError: There is no such table.
    """
    if table not in CANONICAL_TABLES:
        raise DefinitionError(f"there is no canonical table {table!r}")
    return _BURY.format(table=table, arrays=_MERGED_ARRAYS).encode()


@cache
def unbury(table: str) -> bytes:
    """Return the statement that clears the merge mark of rows.

    Raises:
        DefinitionError: There is no such table.
    """
    if table not in CANONICAL_TABLES:
        raise DefinitionError(f"there is no canonical table {table!r}")
    return _UNBURY.format(table=table).encode()


@cache
def read_again(reference: ReferenceColumn) -> bytes:
    """Return the statement that requeues each record whose column refers to these surviving records."""
    check_column(reference)
    return _READ_AGAIN.format(table=reference.table, column=reference.column).encode()


@cache
def follow(reference: ReferenceColumn) -> bytes:
    """Return the statement that points one column's references at the surviving records."""
    check_column(reference)
    return _FOLLOW.format(table=reference.table, column=reference.column).encode()
