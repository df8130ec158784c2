"""Compares a complete listing with the stored records, in both directions.

All statements are set-based, so memory stays flat for any church. A record that was created, changed or
moved during the pass never counts as missing: only rows older than the pass that have not been written
to since are compared.
"""

from datetime import datetime

from psycopg.types.json import Jsonb

from openfaith_sync.domain.ids import UNIDENTIFIED, EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.deletions import Candidate, ComparedPart, Unproven
from openfaith_sync.domain.passes.erasures import ERASED
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.store.pages.evidence_sql import with_explained
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import on_table, table_of

# `absent` is what we hold, or set aside, and the listing lacks; a row that named no id cannot be read by one.
# A candidate that is not absent has reappeared, was written to, was deleted, or was merged.
_COMPARE = """
WITH began AS MATERIALIZED (
  SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s
), absent AS MATERIALIZED (
  SELECT held.external_id FROM {table} held
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
    AND held.synced_at < (SELECT started_at FROM began) {and_in_part}
    AND NOT EXISTS (
      SELECT FROM sync.listed_ids listed
      WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s AND listed.external_id = held.external_id)
  UNION
  SELECT dead.external_id FROM sync.dead_letters dead
  WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
    AND dead.resolved_at IS NULL AND dead.last_seen_at < (SELECT started_at FROM began) AND %(is_whole)s
    AND NOT starts_with(dead.external_id, %(unidentified)s)
    AND NOT EXISTS (
      SELECT FROM {table} held
      WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
        AND held.external_id = dead.external_id AND (held.deleted_at IS NULL {or_merged}))
    AND NOT EXISTS (
      SELECT FROM sync.listed_ids listed
      WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s AND listed.external_id = dead.external_id)
), missed AS (
  INSERT INTO sync.deletion_candidates AS known (org_id, adapter, entity, external_id, first_pass_id, last_pass_id)
  SELECT %(org)s, %(adapter)s, %(entity)s, external_id, %(pass)s, %(pass)s FROM absent ORDER BY external_id
  ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
  SET times_missed = known.times_missed + 1, last_pass_id = EXCLUDED.last_pass_id
  WHERE known.last_pass_id < EXCLUDED.last_pass_id
)
DELETE FROM sync.deletion_candidates known
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND NOT EXISTS (SELECT FROM absent WHERE absent.external_id = known.external_id)
  {and_not_outside}
"""
# In a comparison of a part, what lies outside it keeps its evidence: a live row that was not listed, and a record that
# was set aside, of which no column says where it lies. What was read and is alive needs none.
_NOT_OUTSIDE = """AND (known.answer = 'alive' OR NOT EXISTS (
    SELECT FROM {table} held
    WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
      AND held.external_id = known.external_id AND held.deleted_at IS NULL AND ({in_part}) IS NOT TRUE
      AND NOT EXISTS (
        SELECT FROM sync.listed_ids listed
        WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s AND listed.external_id = held.external_id)))
  AND NOT EXISTS (
    SELECT FROM sync.dead_letters dead
    WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
      AND dead.external_id = known.external_id AND dead.resolved_at IS NULL)"""
_COUNT_WITHIN = """
SELECT count(*) FROM {table} held
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
  {and_in_part}
"""
# Erased records that the source still lists count as records that it has.
_COMPARE_ERASED = """
UPDATE sync.erased_records known SET is_listed = NOT known.is_listed
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND (%(is_whole)s OR NOT known.is_listed) AND known.is_listed <> EXISTS (
    SELECT FROM sync.listed_ids listed
    WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s
      AND listed.external_id = %(erased)s || known.record_hash)
"""
# A record that was tombstoned after the pass began may have been listed before that. One that is listed in an
# older version than its tombstone's is left to the evidence about older versions.
_MISSING_HERE = """
SELECT listed.external_id FROM sync.listed_ids listed
WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s AND listed.external_id > %(after)s
  AND NOT starts_with(listed.external_id, %(unidentified)s) AND NOT starts_with(listed.external_id, %(erased)s)
  AND NOT EXISTS (
    SELECT FROM {table} held
    WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
      AND held.external_id = listed.external_id
      AND (held.deleted_at IS NULL OR listed.listed_version < held.source_version {not_merged}
           OR held.deleted_at >= (
        SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)))
  AND NOT EXISTS (
    SELECT FROM sync.dead_letters dead
    WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
      AND dead.external_id = listed.external_id AND dead.resolved_at IS NULL)
ORDER BY listed.external_id LIMIT %(limit)s
"""
_OF_THE_KEY = "known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s"
# A nested record without a known parent has no URL to read it at, and some entities have none for single records.
_HAS_ADDRESS = "(%(readable)s AND (%(parent)s::text IS NULL OR known.parent_id IS NOT NULL))"
# The longest waiting candidate is read first, so that none starves behind candidates that are reread.
_CANDIDATES = f"""
SELECT known.external_id, known.times_missed, known.parent_id, {{explained}}, clock_timestamp()
FROM sync.deletion_candidates known
WHERE {_OF_THE_KEY} AND {_HAS_ADDRESS} AND known.read_pass_id IS DISTINCT FROM %(pass)s
ORDER BY known.read_at NULLS FIRST, known.external_id LIMIT %(limit)s
"""  # noqa: S608  joined of our own constants
_WITHOUT_ADDRESS = f"""
SELECT known.external_id, known.times_missed, known.parent_id, {{explained}}, clock_timestamp()
FROM sync.deletion_candidates known
WHERE {_OF_THE_KEY} AND NOT {_HAS_ADDRESS} AND known.external_id > %(after)s
ORDER BY known.external_id LIMIT %(limit)s
"""  # noqa: S608  joined of our own constants
_COUNT_UNPROVEN = f"""
SELECT count(*) FILTER (WHERE known.answer IS NULL), count(*) FILTER (WHERE known.answer = 'refused'), count(*)
FROM sync.deletion_candidates known WHERE {_OF_THE_KEY} AND {_HAS_ADDRESS}
"""  # noqa: S608  joined of our own constants
_FINDINGS = """
SELECT count(*) FILTER (WHERE listed.was_deleted AND held.deleted_at IS NULL),
       count(*) FILTER (WHERE NOT listed.was_deleted AND held.content_hash <> listed.held_hash
                        AND held.source_version IS NOT DISTINCT FROM listed.held_version)
FROM sync.listed_ids listed
LEFT JOIN {table} held
  ON held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
  AND held.external_id = listed.external_id
WHERE listed.org_id = %(org)s AND listed.pass_id = %(pass)s
"""
_COUNT_LISTED = "SELECT count(*) FROM sync.listed_ids WHERE org_id = %s AND pass_id = %s"
_COUNT_UNIDENTIFIED = f"{_COUNT_LISTED} AND starts_with(external_id, %s)"
_DIGEST = """
SELECT md5(count(*) || COALESCE(string_agg(external_id, ' ' ORDER BY external_id), ''))
FROM sync.listed_ids WHERE org_id = %s AND pass_id = %s
"""
# What this listing counted; what was counted of records stored stays with the pass.
_RESTART = """
WITH forgotten AS (DELETE FROM sync.listed_ids WHERE org_id = %(org)s AND pass_id = %(pass)s)
UPDATE sync.passes SET place = %(place)s, report = report - 'rows_listed' - 'places_stepped_over' - 'counted_before'
WHERE org_id = %(org)s AND pass_id = %(pass)s
"""
_FORGET = """
DELETE FROM sync.listed_ids listed USING sync.passes walked
WHERE listed.org_id = %(org)s AND walked.org_id = %(org)s AND walked.pass_id = listed.pass_id
  AND walked.adapter = %(adapter)s AND walked.entity = %(entity)s AND walked.status <> 'open'
"""


def compare_listing(connection: Connection, key: SyncKey, pass_id: PassId, part: ComparedPart | None = None) -> None:
    """Make exactly the records missing from this pass's complete listing candidates; repeatable.

    With a ``part``, only records within it are compared: those outside are neither candidates nor cleared.
    """
    parameters = {**_parameters(key, pass_id), **_span(part)}
    connection.execute(on_table(_with_part(_COMPARE, part), table_of(connection, key)), parameters)
    connection.execute(_COMPARE_ERASED, parameters)


def count_within(connection: Connection, key: SyncKey, part: ComparedPart) -> int:
    """Count the live records within a part."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, **_span(part)}
    statement = on_table(_with_part(_COUNT_WITHIN, part), table_of(connection, key))
    return int(fetch_one(connection, statement, parameters)[0])


def load_missing(connection: Connection, key: SyncKey, pass_id: PassId, after: str, limit: int) -> list[ExternalId]:
    """Return ids that were listed but are not stored, in order, after this one."""
    statement = on_table(_MISSING_HERE, table_of(connection, key))
    rows = connection.execute(statement, {**_parameters(key, pass_id), "after": after, "limit": limit})
    return [ExternalId(row[0]) for row in rows]


def load_candidates(
    connection: Connection, key: SyncKey, pass_id: PassId, parent: EntityName | None, limit: int
) -> tuple[list[Candidate], datetime | None]:
    """Return candidates that this pass has not read yet, never-read ones first, with the database's time."""
    tables = table_of(connection, key), table_of(connection, key, parent) if parent else None
    parameters = {**_parameters(key, pass_id), "parent": parent, "readable": True, "limit": limit}
    return _candidates(connection, with_explained(_CANDIDATES, *tables), parameters)


def load_without_address(
    connection: Connection,
    key: SyncKey,
    pass_id: PassId,
    parent: EntityName,
    after: str,
    limit: int,
    *,
    is_readable: bool,
) -> tuple[list[Candidate], datetime | None]:
    """Return nested candidates that cannot be read by id, in id order, with the database's time."""
    tables = table_of(connection, key), table_of(connection, key, parent)
    parameters = {**_parameters(key, pass_id), "parent": parent, "readable": is_readable}
    statement = with_explained(_WITHOUT_ADDRESS, *tables)
    return _candidates(connection, statement, {**parameters, "after": after, "limit": limit})


def count_unproven(
    connection: Connection, key: SyncKey, parent: EntityName | None, *, is_readable: bool = True
) -> Unproven:
    """Count the candidates that can be read and are not proven gone."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "parent": parent, "readable": is_readable}
    return Unproven(*(connection.execute(_COUNT_UNPROVEN.encode(), parameters).fetchone() or (0, 0, 0)))


def _candidates(
    connection: Connection, query: bytes, parameters: dict[str, object]
) -> tuple[list[Candidate], datetime | None]:
    rows = connection.execute(query, parameters).fetchall()
    candidates = [Candidate(ExternalId(row[0]), row[1], row[2] and ExternalId(row[2]), row[3]) for row in rows]
    return candidates, rows[0][4] if rows else None


def count_listed(connection: Connection, key: SyncKey, pass_id: PassId) -> int:
    """Count the distinct listed ids."""
    return int(fetch_one(connection, _COUNT_LISTED, (key.org, pass_id))[0])


def count_unidentified(connection: Connection, key: SyncKey, pass_id: PassId) -> int:
    """Count the listed rows that name no id."""
    return int(fetch_one(connection, _COUNT_UNIDENTIFIED, (key.org, pass_id, UNIDENTIFIED))[0])


def digest_listed(connection: Connection, key: SyncKey, pass_id: PassId) -> str:
    """Return a digest that is equal for listings of the same ids."""
    return str(fetch_one(connection, _DIGEST, (key.org, pass_id))[0])


def restart_listing(connection: Connection, key: SyncKey, pass_id: PassId, place: WalkPlace) -> None:
    """Discard the ids that a pass listed, and restart it at this place."""
    connection.execute(_RESTART, {"org": key.org, "pass": pass_id, "place": Jsonb(place.to_json())})


def load_findings(connection: Connection, key: SyncKey, pass_id: PassId) -> dict[str, int]:
    """Count the listed records that were undeleted, and those that changed without a new version."""
    statement = on_table(_FINDINGS, table_of(connection, key))
    row = connection.execute(statement, _parameters(key, pass_id)).fetchone() or (0, 0)
    return {"undeleted": row[0], "changed_unseen": row[1]}


def forget_listed(connection: Connection, key: SyncKey) -> None:
    """Delete the listed ids of this key's finished passes, never those of an open one."""
    org, adapter, entity = key_parameters(key)
    connection.execute(_FORGET, {"org": org, "adapter": adapter, "entity": entity})


def _with_part(query: str, part: ComparedPart | None) -> str:
    """Return a statement that compares only the rows within a part; a row without a time is in none."""
    if part is None:
        return query.replace("{and_in_part}", "").replace("{and_not_outside}", "")
    in_part = (
        f'(%(begin)s::timestamptz IS NULL OR held."{part.column}" >= %(begin)s::timestamptz)'
        f' AND (%(end)s::timestamptz IS NULL OR held."{part.column}" < %(end)s::timestamptz)'
    )
    query = query.replace("{and_not_outside}", _NOT_OUTSIDE).replace("{and_in_part}", "AND {in_part}")
    return query.replace("{in_part}", in_part)


def _span(part: ComparedPart | None) -> dict[str, object]:
    within = part.within if part else None
    return {"is_whole": part is None, "begin": within and within.begin, "end": within and within.end}


def _parameters(key: SyncKey, pass_id: PassId) -> dict[str, object]:
    org, adapter, entity = key_parameters(key)
    marks = {"unidentified": UNIDENTIFIED, "erased": ERASED}
    return {"org": org, "adapter": adapter, "entity": entity, "pass": pass_id, **marks}
