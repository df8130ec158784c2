"""The statements of merges."""

from functools import cache

from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.store.inbox.inbox_sql import check_column
from openfaith_sync.store.schema.record_tables import on_table

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
_CHECK_KEPT = f"""
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)
SELECT %(org)s, %(adapter)s, concat_ws(':', 'merge', %(entity)s::text, external_id), 'merge', %(entity)s,
       merged.merged_into, 'check'
FROM {_MERGED_ARRAYS}
JOIN {{table}} held USING (external_id)
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.merged_into_id IS NULL
ON CONFLICT DO NOTHING
"""  # noqa: S608  every part is a constant of this file

NOTE_SURVIVORS = f"""
UPDATE sync.redirects gone SET survivor_id = merged.merged_into, survivor_entity_id = merged.entity_id
FROM {_MERGED_ARRAYS}
WHERE gone.org_id = %(org)s AND gone.adapter = %(adapter)s AND gone.entity = %(entity)s
  AND gone.external_id = merged.external_id
"""  # noqa: S608  every part is a constant of this file

# Of a record never held, a row says that it is merged: a page that was read before then meets it.
_BURY = f"""
INSERT INTO {{table}} AS held (org_id, adapter, type, external_id, id, content_hash, deleted_at, merged_into_id)
SELECT %(org)s, %(adapter)s, %(entity)s, external_id, own_id, '', now(), entity_id
FROM {_MERGED_ARRAYS} ORDER BY external_id
ON CONFLICT (org_id, external_id, type, adapter) DO UPDATE
SET merged_into_id = EXCLUDED.merged_into_id, deleted_at = COALESCE(held.deleted_at, now()), synced_at = now()
WHERE held.merged_into_id IS DISTINCT FROM EXCLUDED.merged_into_id
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

# Locked in the order of the source's ids, as pages do, which rules out deadlocks.
_FOLLOW = """
WITH astray AS (
  SELECT held.external_id, held.type, held.adapter, gone.survivor_entity_id AS target
  FROM sync.redirects gone
  JOIN {table} held ON held.org_id = gone.org_id AND held."{column}" = gone.entity_id
  WHERE gone.org_id = %(org)s AND gone.adapter = %(adapter)s AND gone.entity = %(entity)s
    AND held.org_id = %(org)s AND held."{column}" <> gone.survivor_entity_id
  ORDER BY held.external_id FOR UPDATE OF held
)
UPDATE {table} held SET "{column}" = astray.target, synced_at = now()
FROM astray
WHERE held.org_id = %(org)s AND held.external_id = astray.external_id AND held.type = astray.type
  AND held.adapter = astray.adapter
"""

MERGED = """
SELECT external_id, survivor_id FROM sync.redirects
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
  AND survivor_id IS NOT NULL
"""

_ALIVE_OR_NOT = """
SELECT held.external_id FROM {these} held WHERE held.deleted_at IS
"""
LIVE = f"{_ALIVE_OR_NOT} NULL"
GONE = f"{_ALIVE_OR_NOT} NOT NULL"

ENDS_OF = """
SELECT DISTINCT survivor_entity_id FROM sync.redirects
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
  AND survivor_id IS NOT NULL
"""
LED_HERE = """
SELECT external_id FROM sync.redirects
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND kept_id = ANY (%(ids)s::text[])
"""
FORGET_REDIRECTS = """
DELETE FROM sync.redirects
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
"""
# Without hash and version the row accepts whatever the source shows of its record.
_TAKE_BACK = """
UPDATE {table} SET merged_into_id = NULL, content_hash = '', source_version = NULL, synced_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND type = %(entity)s AND external_id = ANY (%(ids)s::text[])
  AND merged_into_id IS NOT NULL
"""
# Which of these followed the merge is unknown here. Without a hash each is stored as the source shows it.
_READ_AGAIN = """
WITH doubted AS MATERIALIZED (
  SELECT held.type AS entity, held.external_id FROM {table} held
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.deleted_at IS NULL
    AND held."{column}" = ANY (%(ends)s::text[])
  ORDER BY held.type, held.external_id FOR UPDATE OF held
), reset AS (
  UPDATE {table} held SET content_hash = '' FROM doubted
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = doubted.entity
    AND held.external_id = doubted.external_id
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
def check_kept(table: RecordTable) -> bytes:
    """Return the statement that requeues the surviving records of new merges."""
    return on_table(_CHECK_KEPT, table)


@cache
def bury(table: RecordTable) -> bytes:
    """Return the statement that tombstones the rows of merged records."""
    return on_table(_BURY, table)


@cache
def take_back(table: RecordTable) -> bytes:
    """Return the statement that clears the merge mark of rows."""
    return on_table(_TAKE_BACK, table)


@cache
def read_again(reference: ReferenceColumn) -> bytes:
    """Return the statement that requeues each record whose column refers to these surviving records."""
    check_column(reference)
    return on_table(_READ_AGAIN.replace("{column}", reference.column), reference.table)


@cache
def follow(reference: ReferenceColumn) -> bytes:
    """Return the statement that points one column's references at the surviving records."""
    check_column(reference)
    return on_table(_FOLLOW.replace("{column}", reference.column), reference.table)
