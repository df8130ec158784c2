"""Which parents of a nested entity are read next, and what their lists say is missing."""

from functools import cache

from openfaith_sync.domain.ids import EntityId, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.domain.records.nesting import Nesting, ParentPlace
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.passes.riders import differs_from_named
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import on_table

# `named` are the members in the parent's own record, `held` those in our records.
_TO_READ = """
SELECT parent.external_id, parent.content_hash, listing.listed, {named}, {held}
FROM {parents} parent
LEFT JOIN sync.parent_listings listing
  ON listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
  AND listing.parent_id = parent.external_id
WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
  AND parent.deleted_at IS NULL AND parent.external_id > %(after)s
  AND {is_due}
ORDER BY parent.external_id LIMIT %(limit)s
"""
_NAMED = """
CASE WHEN jsonb_typeof(parent.custom_fields -> %(members)s) = 'array'
  THEN ARRAY(SELECT jsonb_array_elements_text(parent.custom_fields -> %(members)s)) END
"""
_HELD = """
ARRAY(SELECT nested."{member}" FROM {table} nested
      WHERE nested.org_id = %(org)s AND nested."{under}" = parent.id AND nested.deleted_at IS NULL)
"""
_COUNT = """
SELECT count(*), count(*) FILTER (WHERE listing.pass_id = %(pass)s)
FROM {parents} parent
LEFT JOIN sync.parent_listings listing
  ON listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
  AND listing.parent_id = parent.external_id
WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
  AND parent.deleted_at IS NULL AND ({is_due} OR listing.pass_id = %(pass)s)
"""
# In a full walk, parents that this pass has not read yet; else those that changed since their list was read.
_IS_DUE = {
    True: "listing.pass_id IS DISTINCT FROM %(pass)s",
    False: "listing.parent_hash IS DISTINCT FROM parent.content_hash",
}
# The list of a tombstoned parent says nothing; when the parent comes back, it is read again.
_DROP_GONE_PARENTS = """
WITH gone AS (
  DELETE FROM sync.parent_listings listing
  WHERE listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
    AND NOT EXISTS (
      SELECT FROM {parents} parent
      WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
        AND parent.external_id = listing.parent_id AND parent.deleted_at IS NULL)
  RETURNING parent_id, listed
), absent AS (
  SELECT DISTINCT ON (external_id) external_id, parent_id FROM gone, unnest(listed) AS external_id
)
INSERT INTO sync.deletion_candidates AS known
  (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id)
SELECT held.org_id, held.adapter, held.type, held.external_id, absent.parent_id, %(pass)s, %(pass)s
FROM absent JOIN {table} held USING (external_id)
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET times_missed = known.times_missed + 1, last_pass_id = EXCLUDED.last_pass_id, parent_id = EXCLUDED.parent_id
WHERE known.last_pass_id < EXCLUDED.last_pass_id
"""
# After a full walk: records in no list that were stored before the walk and not written to since.
_COMPARE = """
WITH listed AS MATERIALIZED (
  SELECT unnest(listed) AS external_id FROM sync.parent_listings
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
), absent AS (
  SELECT held.external_id, parent.external_id AS parent_id
  FROM {table} held
  LEFT JOIN {parents} parent
    ON parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
    AND parent.id = held."{under}" {parent_not_merged}
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
    AND held.synced_at < (SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)
    AND NOT EXISTS (SELECT FROM listed WHERE listed.external_id = held.external_id)
)
INSERT INTO sync.deletion_candidates AS known
  (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id)
SELECT %(org)s, %(adapter)s, %(entity)s, external_id, parent_id, %(pass)s, %(pass)s FROM absent
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET times_missed = known.times_missed + 1, last_pass_id = EXCLUDED.last_pass_id,
    parent_id = COALESCE(EXCLUDED.parent_id, known.parent_id)
WHERE known.last_pass_id < EXCLUDED.last_pass_id
"""
# A record that moved to another parent is listed there; a deleted or merged one is resolved.
_TAKE_OFF = """
DELETE FROM sync.deletion_candidates known
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND (known.external_id IN (
         SELECT unnest(listed) FROM sync.parent_listings
         WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s)
       OR NOT EXISTS (
         SELECT FROM {table} held
         WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
           AND held.external_id = known.external_id AND held.deleted_at IS NULL))
"""


def load_parents(
    connection: Connection, key: SyncKey, nesting: Nesting, pass_id: PassId, after: str, limit: int, *, is_full: bool
) -> list[ParentPlace]:
    """Return parents whose lists are to be read, in the order of their ids, after this one."""
    parameters = {**_parameters(key, nesting, pass_id), "members": nesting.members_key, "after": after, "limit": limit}
    rows = connection.execute(_to_read(nesting, is_full), parameters)
    return [
        ParentPlace(
            external_id=ExternalId(external_id),
            content_hash=bytes(content_hash),
            listed=None if listed is None else tuple(map(ExternalId, listed)),
            named=None if named is None else frozenset(named),
            held=frozenset(EntityId(member) for member in held),
        )
        for external_id, content_hash, listed, named, held in rows
    ]


def count_parents(
    connection: Connection, key: SyncKey, nesting: Nesting, pass_id: PassId, *, is_full: bool
) -> tuple[int, int]:
    """Count the parents whose lists this pass reads, and those that it has already read."""
    query = on_table(_COUNT.replace("{is_due}", _is_due(nesting, is_full)), nesting.table, nesting.parent_table)
    row = connection.execute(query, _parameters(key, nesting, pass_id)).fetchone() or (0, 0)
    return int(row[0]), int(row[1])


def compare_parents(connection: Connection, key: SyncKey, nesting: Nesting, pass_id: PassId, *, is_full: bool) -> None:
    """Make what no parent's list holds a candidate; may be repeated.

    After a walk of only some parents, what these lists lost are candidates already, and
    the records below parents that are gone become some.
    """
    parameters = _parameters(key, nesting, pass_id)
    for query in (_DROP_GONE_PARENTS, _COMPARE, _TAKE_OFF) if is_full else (_DROP_GONE_PARENTS, _TAKE_OFF):
        query_under = query.replace("{under}", nesting.under)
        connection.execute(on_table(query_under, nesting.table, nesting.parent_table), parameters)


@cache
def _is_due(nesting: Nesting, is_full: bool) -> str:
    if nesting.riding is None:
        return _IS_DUE[is_full]
    return f"{_IS_DUE[is_full]} AND {differs_from_named(nesting.riding)}".replace("{under}", nesting.under)


@cache
def _to_read(nesting: Nesting, is_full: bool) -> bytes:
    named, held = "NULL", "ARRAY[]::text[]"
    if not is_full and nesting.members_key is not None and nesting.member is not None:
        named, held = _NAMED, _HELD.replace("{member}", nesting.member).replace("{under}", nesting.under)
    query = _TO_READ.replace("{named}", named).replace("{held}", held).replace("{is_due}", _is_due(nesting, is_full))
    return on_table(query, nesting.table, nesting.parent_table)


def _parameters(key: SyncKey, nesting: Nesting, pass_id: PassId) -> dict[str, object]:
    org, adapter, entity = key_parameters(key)
    return {"org": org, "adapter": adapter, "entity": entity, "parent": nesting.parent, "pass": pass_id}
