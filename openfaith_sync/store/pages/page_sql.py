"""The statements of a page's commit.

One statement stores all records of one entity of a page. Its rows come as one
array a column, which measured a third quicker than JSON and than COPY into a
temporary table; see ``docs/decisions/0002-page-commit.md``.
"""

from functools import cache

from openfaith_sync.domain.record_tables import Column, ColumnType, RecordTable

_ARRAYS = {
    ColumnType.TEXT: "text[]",
    ColumnType.BOOLEAN: "boolean[]",
    ColumnType.INTEGER: "integer[]",
    ColumnType.BIGINT: "bigint[]",
    ColumnType.FLOAT: "double precision[]",
    ColumnType.DATE: "date[]",
    ColumnType.TIMESTAMP: "timestamptz[]",
    ColumnType.LOCAL_TIMESTAMP: "timestamp[]",
    ColumnType.REFERENCE: "text[]",
    # As text: an array of JSON would have to be escaped twice.
    ColumnType.JSON: "text[]",
}

CHECK_LEASE = b"""
SELECT sync.check_lease(%(org)s, %(adapter)s, %(entity)s, %(token)s::bigint, %(pass)s::bigint)
"""

ADVANCE = b"""
UPDATE sync.passes
SET pages = pages + %(pages)s,
    requests = requests + %(requests)s, waited = waited + %(waited)s, newest = GREATEST(newest, %(newest)s),
    place = %(place)s::jsonb
WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint
"""

RIDERS = b"SELECT entity, pass_id FROM sync.passes WHERE org_id = %s AND parent_pass_id = %s"

_OF_LETTER = (
    "field", "value_type", "reason", "raw", "is_whole", "parent_id", "manifest_version", "pass_id", "page",
    "read_since",
)  # fmt: skip
# A listing of ids shows only that a record is still damaged: what was read of it whole is kept for its replay.
_KEPT_WHOLE = "held.is_whole AND NOT EXCLUDED.is_whole AND held.resolved_at IS NULL"

STORE_DEAD_LETTERS = f"""
WITH letters AS (
  INSERT INTO sync.dead_letters AS held (org_id, adapter, entity, external_id, {", ".join(_OF_LETTER)})
  SELECT %(org)s, %(adapter)s, %(entity)s, bad.external_id, bad.field, bad.value_type, bad.reason, bad.raw,
         bad.is_whole, bad.parent_id, COALESCE(%(manifest)s, walked.manifest_version), walked.pass_id,
         CASE WHEN walked.mode <> 'record' THEN 1 + COALESCE(
           (SELECT parent.pages FROM sync.passes parent
            WHERE parent.org_id = walked.org_id AND parent.pass_id = walked.parent_pass_id), walked.pages) END,
         walked.started_at
  FROM ROWS FROM (unnest(%(c0)s::text[], %(c1)s::text[], %(c2)s::text[], %(c3)s::text[], %(c4)s::text[],
                         %(c5)s::boolean[]), jsonb_array_elements(%(raw)s::jsonb))
         AS bad (external_id, field, value_type, reason, parent_id, is_whole, raw),
       sync.passes walked
  WHERE walked.org_id = %(org)s AND walked.pass_id = %(pass)s::bigint
  ORDER BY bad.external_id
  ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
  SET {", ".join(f"{one} = CASE WHEN {_KEPT_WHOLE} THEN held.{one} ELSE EXCLUDED.{one} END" for one in _OF_LETTER)},
      last_seen_at = now(), occurrences = held.occurrences + 1, resolved_at = NULL
)
UPDATE sync.passes SET dead = dead + %(count)s WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint
""".encode()  # noqa: S608  joined of our own constants

# Of a letter that was replayed and failed again, only the reason is new: nothing was read from the source.
# Not inserted: a letter that is gone meanwhile was erased, and must not come back.
KEEP_DEAD_LETTERS = b"""
WITH letters AS (
  UPDATE sync.dead_letters held
  SET field = bad.field, value_type = bad.value_type, reason = bad.reason, manifest_version = walked.manifest_version
  FROM unnest(%(ids)s::text[], %(fields)s::text[], %(types)s::text[], %(reasons)s::text[], %(occurrences)s::integer[])
         AS bad (external_id, field, value_type, reason, occurrences),
       sync.passes walked
  WHERE walked.org_id = %(org)s AND walked.pass_id = %(pass)s::bigint
    AND held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.entity = %(entity)s
    AND held.external_id = ANY (%(ids)s::text[]) AND held.resolved_at IS NULL
    AND (held.external_id, held.occurrences) = (bad.external_id, bad.occurrences)
)
UPDATE sync.passes SET dead = dead + %(count)s WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint
"""

# Behind the records, in the order in which every page locks: a page that brought a newer raw record of a letter has
# counted it once more, and that one stays. With `ANY` the planner looks the ids up, where it would join all that wait:
# 5,000 letters were replayed in 0.4 s of the server's time, and in 3.4 s without.
RESOLVE_DEAD_LETTERS = b"""
UPDATE sync.dead_letters held SET resolved_at = now()
FROM unnest(%(ids)s::text[], %(occurrences)s::integer[]) AS mapped (external_id, occurrences)
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.entity = %(entity)s
  AND held.external_id = ANY (%(ids)s::text[]) AND held.resolved_at IS NULL
  AND (held.external_id, held.occurrences) = (mapped.external_id, mapped.occurrences)
"""

# Read from top to bottom:
# `held` is what the rows say now, looked up id by id. Where most orgs are small the planner would rather
#   read all rows of an org by another index: 350 ms a page, not 30, at 30,000 rows of one org among
#   2,000 orgs of ten. `OFFSET 0` keeps it from that; it costs 0.2 ms a page.
# `changed` leaves out what is unchanged or older, so that it costs no lock and no write.
#   Its conditions on tombstones are one column of `held`, since the planner then expects rows to
#   be left and joins by hash; as conditions of their own they made it join pair by pair, which
#   took 1.5 ms more a page.
# `conflicts`: a record that was found gone after this pass began may have been read before that.
#   The page does not bring it back; the inbox has it read once more by its id. So for a merged one:
#   a page may be older than the merge, and the merge may be wrong. The same holds for a record that
#   comes without its version where we hold one (law 2): it is stored only when nobody wrote to it
#   since this pass began, since all that we hold was then read before it. Else it may be the older
#   of the two, and is read once more. It leaves the version that is known, so that what is older
#   than that stays out.
# `stored` locks each row, and compares the version again under the lock (law 2).
# `resolved` takes dead letters off the list whose records came well this time; those that a replay
#   mapped are resolved by a statement of its own.
# A replay's records were read before its pass began: `since` says when, at the earliest. Of a record
#   without versions, what was written since then stays as well.
# A newer version of equal content is written, though it counts as unchanged: were the
# row to keep the older version, a version between the two could overwrite it later.
_STORE_RECORDS = """
WITH pass AS MATERIALIZED (
  SELECT COALESCE(%(since)s::timestamptz, started_at) AS started_at, %(since)s::timestamptz IS NOT NULL AS is_replay
  FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s::bigint
), page AS MATERIALIZED (
  SELECT * FROM ROWS FROM (unnest({arrays}), jsonb_array_elements(%(custom)s::jsonb)) AS page ({names})
), held AS MATERIALIZED (
  SELECT found.*
  FROM unnest(%(c0)s::text[]) AS given (external_id)
  CROSS JOIN LATERAL (
    SELECT external_id, content_hash, source_version, deleted_at,
           {is_merged}COALESCE(deleted_at >= (SELECT started_at FROM pass), false) AS is_barred,
           source_version IS NULL AND NOT (SELECT is_replay FROM pass)
             OR synced_at < (SELECT started_at FROM pass) AS is_settled
    FROM {table} own
    WHERE own.org_id = %(org)s AND own.adapter = %(adapter)s AND own.type = %(entity)s
      AND own.external_id = given.external_id OFFSET 0) found
), changed AS MATERIALIZED (
  SELECT page.*, held.content_hash = page.content_hash AND held.deleted_at IS NULL AS is_same
  FROM page LEFT JOIN held USING (external_id)
  WHERE held.content_hash IS NULL
     OR COALESCE(page.source_version >= held.source_version, held.is_settled)
        AND (held.content_hash <> page.content_hash OR held.deleted_at IS NOT NULL
             OR page.source_version > held.source_version)
        AND NOT held.is_barred
), conflicts AS (
  INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)
  SELECT %(org)s, %(adapter)s, concat_ws(':', 'conflict', %(pass)s::text, %(entity)s, external_id), 'conflict',
         %(entity)s, external_id, 'check'
  FROM held
  WHERE is_barred OR NOT is_settled AND external_id IN (SELECT external_id FROM page WHERE source_version IS NULL)
                     AND (external_id, content_hash) NOT IN (SELECT external_id, content_hash FROM page)
  ON CONFLICT DO NOTHING
), stored AS (
  INSERT INTO {table} AS held
    (org_id, adapter, type, external_id, id, source_version, content_hash, custom_fields, {own})
  SELECT %(org)s, %(adapter)s, %(entity)s, external_id, id, source_version, content_hash, custom_fields, {values}
  FROM changed c ORDER BY external_id
  ON CONFLICT (org_id, external_id, type, adapter) DO UPDATE
  SET source_version = COALESCE(EXCLUDED.source_version, held.source_version), content_hash = EXCLUDED.content_hash,
      custom_fields = EXCLUDED.custom_fields, {updates}, deleted_at = NULL, synced_at = now()
  WHERE COALESCE(EXCLUDED.source_version >= held.source_version,
                 held.source_version IS NULL AND NOT (SELECT is_replay FROM pass)
                   OR held.synced_at < (SELECT started_at FROM pass))
    {not_merged}AND (held.deleted_at IS NULL OR held.deleted_at < (SELECT started_at FROM pass))
  RETURNING external_id, xmax = 0 AS is_new
), resolved AS (
  UPDATE sync.dead_letters dead SET resolved_at = now() FROM page
  WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
    AND dead.external_id = page.external_id AND dead.resolved_at IS NULL AND %(since)s::timestamptz IS NULL
)
UPDATE sync.passes walked
SET created = walked.created + did.created, updated = walked.updated + did.updated,
    unchanged = walked.unchanged + %(count)s - did.created - did.updated
FROM (SELECT count(*) FILTER (WHERE is_new) AS created,
             count(*) FILTER (WHERE NOT is_new AND is_same IS NOT TRUE) AS updated
      FROM stored JOIN changed USING (external_id)) did
WHERE walked.org_id = %(org)s AND walked.pass_id = %(pass)s::bigint
RETURNING did.created, did.updated
"""


@cache
def store_records(table: RecordTable) -> bytes:
    """Return the statement that stores one page's records in a table."""
    kinds = ["text[]", "text[]", "timestamptz[]", "bytea[]", *(_ARRAYS[column.type] for column in table.columns)]
    own = [f'"{column.name}"' for column in table.columns]
    # Columns of a page are numbered: a source may name one of its own as the page's others are named.
    given = [f"own{place}" for place in range(len(own))]
    values = [_value(column, name) for column, name in zip(table.columns, given, strict=True)]
    statement = _STORE_RECORDS.format(
        table=table.quoted,
        arrays=", ".join(f"%(c{place})s::{kind}" for place, kind in enumerate(kinds)),
        names=", ".join(["external_id", "id", "source_version", "content_hash", *given, "custom_fields"]),
        own=", ".join(own),
        values=", ".join(values),
        updates=", ".join(f"{name} = EXCLUDED.{name}" for name in own),
        is_merged="merged_into_id IS NOT NULL OR " if table.has_merges else "",
        not_merged="AND held.merged_into_id IS NULL\n    " if table.has_merges else "",
    )
    return statement.encode()


def _value(column: Column, name: str) -> str:
    if column.type is ColumnType.JSON:
        return f"{name}::jsonb"
    return f"COALESCE({name}, 'active')" if column.name == "status" else name
