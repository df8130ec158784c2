"""The statements about records that the source shows in an older version than the one held."""

from functools import cache

from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.store.schema.record_tables import on_table

# What was written to a row since the pass began may be newer than the listing. When the source
# shows another version than last time, or another one is held, the evidence begins anew.
COMPARE = """
WITH seen AS MATERIALIZED (
  SELECT listed.external_id, listed.listed_version, held.source_version
  FROM sync.listed_ids listed
  JOIN {table} held
    ON held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
    AND held.external_id = listed.external_id
  WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s
    AND listed.listed_version < held.source_version {not_merged}
    AND held.synced_at < (
      SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)
), noted AS (
  INSERT INTO sync.older_versions AS known
    (org_id, adapter, entity, external_id, version, held_version, first_pass_id)
  SELECT %(org)s, %(adapter)s, %(entity)s, external_id, listed_version, source_version, %(pass)s
  FROM seen ORDER BY external_id
  ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
  SET version = EXCLUDED.version, held_version = EXCLUDED.held_version, first_pass_id = EXCLUDED.first_pass_id,
      first_seen_at = now(), agreed_at = NULL
  WHERE (known.version, known.held_version) <> (EXCLUDED.version, EXCLUDED.held_version)
)
DELETE FROM sync.older_versions known
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND NOT EXISTS (SELECT FROM seen WHERE seen.external_id = known.external_id)
"""

WEIGH = """
SELECT (SELECT count(*) FROM sync.older_versions
        WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s),
       (SELECT count(*) FROM {table}
        WHERE org_id = %(org)s AND adapter = %(adapter)s AND type = %(entity)s AND deleted_at IS NULL),
       (SELECT deletion_count FROM sync.orgs WHERE org_id = %(org)s),
       (SELECT deletion_share FROM sync.orgs WHERE org_id = %(org)s)
"""

# Those that agreed once and are not ripe need no reading now.
LOAD = """
SELECT external_id, version, held_version, is_ripe
FROM (SELECT known.*, COALESCE(known.agreed_at + %(overlap)s::interval <= walked.started_at, false) AS is_ripe
      FROM sync.older_versions known, sync.passes walked
      WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
        AND walked.org_id = %(org)s AND walked.pass_id = %(pass)s) known
WHERE external_id > %(after)s AND (agreed_at IS NULL OR is_ripe AND NOT %(is_held)s)
ORDER BY external_id LIMIT %(limit)s
"""

NOTE_AGREED = """
UPDATE sync.older_versions SET agreed_at = clock_timestamp()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
"""

FORGET = """
DELETE FROM sync.older_versions
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])
"""

COUNT_TAKEN = """
SELECT count(*) FROM sync.superseded_records WHERE org_id = %(org)s AND pass_id = %(pass)s
"""

# What the source lists newer than it is held here though the watermark has passed it, no delta would bring:
# a source that was restored shows such stamps. A dead letter is why some are held older; those stay out.
BRING_BACK_WATERMARK = """
WITH listed AS (
  SELECT listed.listed_version AS version,
         listed.listed_version > held.source_version {not_merged} AND held.synced_at < (
           SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)
         AND NOT EXISTS (
           SELECT FROM sync.dead_letters dead
           WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
             AND dead.external_id = listed.external_id AND dead.resolved_at IS NULL) AS is_behind
  FROM sync.listed_ids listed
  LEFT JOIN {table} held
    ON held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
    AND held.external_id = listed.external_id
  WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s
), shown AS (
  SELECT LEAST(CASE WHEN %(is_whole)s THEN max(version) END, min(version) FILTER (WHERE is_behind)) AS newest
  FROM listed
)
UPDATE sync.checkpoints known SET watermark = shown.newest FROM shown
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND shown.newest < known.watermark - %(overlap)s::interval
RETURNING shown.newest
"""

# The one way by which an older version comes to overwrite a newer one (law 2). The lock on the row is held
# until the commit, and what was written to it since the pass began is newer than the evidence: such a row is
# left alone, and the record stored behind this statement is refused as any older one is.
_STEP_BACK = """
WITH judged AS MATERIALIZED (
  SELECT held.external_id, held.id, held.source_version, held.deleted_at, given.version, to_jsonb(held) AS record
  FROM {table} held
  JOIN unnest(%(ids)s::text[], %(versions)s::timestamptz[], %(held)s::timestamptz[])
    AS given (external_id, version, held_version) USING (external_id)
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
    AND held.source_version = given.held_version {not_merged}
    AND held.synced_at < (SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint)
  ORDER BY held.external_id FOR UPDATE OF held
), kept AS (
  INSERT INTO sync.superseded_records
    (org_id, adapter, entity, external_id, entity_id, version, taken_version, deleted_at, pass_id, record)
  SELECT %(org)s, %(adapter)s, %(entity)s, external_id, id, source_version, version, deleted_at,
         %(pass)s::bigint, record
  FROM judged
), stepped AS (
  UPDATE {table} held SET source_version = judged.version, content_hash = ''
  FROM judged
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
    AND held.external_id = judged.external_id
)
DELETE FROM sync.older_versions known USING judged
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND known.external_id = judged.external_id
"""


@cache
def step_back(table: RecordTable) -> bytes:
    """Return the statement that lets the older versions of a table's records be stored."""
    return on_table(" ".join(_STEP_BACK.split()), table)
