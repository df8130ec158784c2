"""The statements of a page's commit about what is gone, what was listed and which events are handled."""

from functools import cache

from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.store.schema.record_tables import EntityTable, on_table

# A row is made even where none was: a page that was read before the record
# went, and is committed after, then meets the tombstone (see page_sql.py).
# A merged record's row is one already. Of a record never held, nothing is lost.
# What was written to a row since the proof began is newer than the proof.
_TOMBSTONE = """
WITH gone AS (
  INSERT INTO {table} AS held (org_id, adapter, type, external_id, id, content_hash, deleted_at, is_loss)
  SELECT %(org)s, %(adapter)s, %(entity)s, given.external_id, given.id, '', now(),
         given.is_loss AND EXISTS (
           SELECT FROM {table} known
           WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.type = %(entity)s
             AND known.external_id = given.external_id)
  FROM unnest(%(ids)s::text[], %(entity_ids)s::text[], %(losses)s::boolean[]) AS given (external_id, id, is_loss)
  ORDER BY given.external_id
  ON CONFLICT (org_id, external_id, type, adapter) DO UPDATE
  SET deleted_at = now(), synced_at = now(), is_loss = EXCLUDED.is_loss
  WHERE held.deleted_at IS NULL AND (held.synced_at <= %(proven_at)s::timestamptz) IS NOT FALSE
  RETURNING xmax <> 0 AS was_live
), settled AS (
  DELETE FROM sync.deletion_candidates
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
), resolved AS (
  UPDATE sync.dead_letters SET resolved_at = now()
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
    AND resolved_at IS NULL
)
UPDATE sync.passes
SET tombstoned = tombstoned + (SELECT count(*) FROM gone WHERE was_live)
WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint
"""

NOTE_ANSWERS = b"""
UPDATE sync.deletion_candidates known
SET read_at = now(), read_pass_id = %(pass)s::bigint, answer = given.answer
FROM unnest(%(ids)s::text[], %(answers)s::text[]) AS given (external_id, answer)
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND known.external_id = given.external_id
"""

STILL_MISSING = "(known.answer IS DISTINCT FROM 'alive' OR known.read_pass_id < known.last_pass_id)"
"""Whether a candidate was not seen alive since a listing last lacked it."""

EXPLAINED = """EXISTS (
  SELECT FROM {parents} parent
  WHERE parent.org_id = known.org_id AND parent.adapter = known.adapter AND parent.type = %(parent)s
    AND parent.external_id = known.parent_id AND (parent.deleted_at IS NOT NULL OR EXISTS (
      SELECT FROM sync.deletion_candidates above
      JOIN sync.holds USING (org_id, adapter, entity)
      WHERE above.org_id = parent.org_id AND above.adapter = parent.adapter AND above.entity = parent.type
        AND above.external_id = parent.external_id AND holds.kind = 'deletions' AND holds.status = 'approved')))"""
"""Whether a nested candidate's parent takes it with it: it is a tombstone, or a person approved that it goes."""

# What was deleted or seen alive meanwhile is behind the hold no more, whoever found it.
FOLLOW_HOLD = f"""
UPDATE sync.holds held
SET missing = rest.missing,
    approved_up_to = CASE WHEN held.approved_up_to > rest.missing THEN rest.missing ELSE held.approved_up_to END,
    status = CASE WHEN rest.missing = 0 THEN 'settled' ELSE held.status END
FROM (SELECT count(*)::int AS missing FROM sync.deletion_candidates known
      WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
        AND {STILL_MISSING}) rest
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.entity = %(entity)s
  AND held.kind = 'deletions' AND held.status IN ('open', 'approved') AND rest.missing < held.missing
""".encode()  # noqa: S608  joined of our own constants

# Noted before the page's records are stored, so that the end of the pass can tell
# what was undeleted, and what had changed without a new version. Looked up id by id (page_sql.py).
NOTE_LISTED = """
WITH back AS (
  DELETE FROM sync.deletion_candidates
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
)
INSERT INTO sync.listed_ids (org_id, pass_id, external_id, listed_version, held_hash, held_version, was_deleted)
SELECT %(org)s, %(pass)s::bigint, given.external_id, given.version, held.content_hash, held.source_version,
       held.deleted_at IS NOT NULL
FROM unnest(%(ids)s::text[], %(versions)s::timestamptz[]) AS given (external_id, version)
LEFT JOIN LATERAL (
  SELECT own.content_hash, own.source_version, own.deleted_at FROM {table} own
  WHERE own.org_id = %(org)s AND own.adapter = %(adapter)s AND own.type = %(entity)s
    AND own.external_id = given.external_id OFFSET 0) held ON true
ON CONFLICT DO NOTHING
"""

# `before` is what the parent's list held when it was last read, and what was missing then already. What made the list
# due while it was read makes it due again.
NOTE_PARENT = """
WITH before AS (
  SELECT unnest(listed) AS external_id FROM sync.parent_listings
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND parent_id = %(parent)s
  UNION
  SELECT external_id FROM sync.deletion_candidates
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND parent_id = %(parent)s
), missing AS (
  INSERT INTO sync.deletion_candidates AS known
    (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id)
  SELECT held.org_id, held.adapter, held.type, held.external_id, %(parent)s, %(pass)s::bigint, %(pass)s::bigint
  FROM before JOIN {table} held USING (external_id)
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
    AND before.external_id <> ALL (%(listed)s::text[])
  ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
  SET times_missed = known.times_missed + 1, last_pass_id = EXCLUDED.last_pass_id, parent_id = EXCLUDED.parent_id
  WHERE known.last_pass_id < EXCLUDED.last_pass_id
), back AS (
  DELETE FROM sync.deletion_candidates
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(listed)s::text[])
)
INSERT INTO sync.parent_listings AS known
  (org_id, adapter, entity, parent_id, parent_hash, listed, pass_id, listed_at, watermark)
VALUES (%(org)s, %(adapter)s, %(entity)s, %(parent)s, %(hash)s, %(listed)s::text[], %(pass)s::bigint,
        COALESCE(%(began)s::timestamptz, now()), %(watermark)s::timestamptz)
ON CONFLICT (org_id, adapter, entity, parent_id) DO UPDATE
SET parent_hash = EXCLUDED.parent_hash, listed = EXCLUDED.listed, pass_id = EXCLUDED.pass_id,
    listed_at = EXCLUDED.listed_at, watermark = GREATEST(known.watermark, EXCLUDED.watermark),
    due_at = CASE WHEN known.due_at >= EXCLUDED.listed_at THEN known.due_at END
"""

# Only what changed in a list was read: nothing can be missing from it.
NOTE_CHANGES = b"""
WITH back AS (
  DELETE FROM sync.deletion_candidates
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(listed)s::text[])
)
UPDATE sync.parent_listings known
SET parent_hash = %(hash)s, pass_id = %(pass)s::bigint, listed_at = %(began)s::timestamptz,
    listed = ARRAY(SELECT unnest(known.listed) UNION SELECT unnest(%(listed)s::text[])),
    watermark = GREATEST(known.watermark, %(watermark)s::timestamptz),
    due_at = CASE WHEN known.due_at >= %(began)s::timestamptz THEN known.due_at END
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND parent_id = %(parent)s
"""

NOTE_REPORT = b"""
UPDATE sync.passes SET report = COALESCE(report, '{}') || (
  SELECT jsonb_object_agg(key, COALESCE((report ->> key)::bigint, 0) + value::bigint)
  FROM jsonb_each_text(%(found)s::jsonb))
WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint
"""

# Whose list was never read has no hash: its parent counts as changed, and is listed.
NOTE_MEMBERS = b"""
INSERT INTO sync.parent_listings AS known (org_id, adapter, entity, parent_id, listed, pass_id)
SELECT %(org)s, %(adapter)s, %(entity)s, parent_id, array_agg(external_id), %(pass)s::bigint
FROM unnest(%(parents)s::text[], %(ids)s::text[]) AS joined (parent_id, external_id)
GROUP BY parent_id ORDER BY parent_id
ON CONFLICT (org_id, adapter, entity, parent_id) DO UPDATE
SET listed = ARRAY(SELECT unnest(known.listed) UNION SELECT unnest(EXCLUDED.listed))
WHERE NOT known.listed @> EXCLUDED.listed
"""

# Of a list that was never read there is no row; it is due by itself. Locked in the order of their ids, as above.
MAKE_DUE = b"""
UPDATE sync.parent_listings listing SET due_at = now()
FROM (SELECT parent_id FROM sync.parent_listings
      WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND parent_id = ANY (%(parents)s::text[])
      ORDER BY parent_id FOR UPDATE) named
WHERE listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
  AND listing.parent_id = named.parent_id
"""

HANDLE_EVENTS = b"""
UPDATE sync.webhook_events event SET done_at = now(), outcome = settled.outcome
FROM unnest(%(ids)s::text[], %(outcomes)s::text[]) AS settled (event_id, outcome)
WHERE event.org_id = %(org)s AND event.adapter = %(adapter)s AND event.event_id = settled.event_id
  AND event.done_at IS NULL
"""


@cache
def with_explained(query: str, table: EntityTable, parents: EntityTable | None) -> bytes:
    """Return a statement about one entity's candidates; ``{explained}`` is false where it has no parents."""
    return on_table(query.replace("{explained}", EXPLAINED if parents else "false"), table, parents)


@cache
def tombstone(table: RecordTable) -> bytes:
    """Return the statement that tombstones records of a table."""
    return " ".join(_TOMBSTONE.format(table=table.quoted).split()).encode()
