"""Which parents of a nested entity are read next, and what their lists say is missing."""

from collections.abc import Iterable, Sequence
from functools import cache

from openfaith_sync.domain.ids import EntityId, ExternalId, SyncKey
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.domain.records.nesting import Nesting, ParentCounts, ParentPlace, ParentScope, RecordPlace
from openfaith_sync.store.passes.due_parents import about_parents, parent_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one

# `named` are the members in the parent's own record, `held` those in our records.
_TO_READ = """
SELECT parent.external_id, {content}, listing.listed, {named}, {held}, {ancestors}, {own}, listing.watermark,
       {is_named}, statement_timestamp()
{from} {living} AND parent.external_id > %(after)s AND {is_due}
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
SELECT count(*) FILTER (WHERE {is_due} OR listing.pass_id = %(pass)s),
       count(*) FILTER (WHERE listing.pass_id = %(pass)s), count(*) FILTER (WHERE NOT {has_path}),
       count(*) FILTER (WHERE {has_path} AND NOT {is_wanted}),
       count(*) FILTER (WHERE {has_path} AND {is_wanted} AND {is_frozen})
{from} {living}
"""
_HAS_DUE = "SELECT EXISTS (SELECT {from} {living} AND {is_due})"
_ANCESTORS = """
SELECT parent.external_id, {ancestors} {from}
WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
  AND parent.external_id = ANY (%(ids)s::text[]) AND {has_path}
"""
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
# After a full walk: records in no list that were stored before the walk and not written to since. What stands below a
# living parent whose list this pass did not read proves nothing by its absence; nor does, while there is such a parent,
# a record whose own is unknown.
_COMPARE = """
WITH listed AS MATERIALIZED (
  SELECT unnest(listed) AS external_id FROM sync.parent_listings
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
), unread AS MATERIALIZED (
  SELECT parent.id {from} {living} AND listing.pass_id IS DISTINCT FROM %(pass)s
), absent AS (
  SELECT held.external_id, parent.external_id AS parent_id
  FROM {table} held
  LEFT JOIN {parents} parent
    ON parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
    AND parent.id = held."{under}" {parent_not_merged}
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
    AND held.synced_at < (SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)
    AND NOT EXISTS (SELECT FROM listed WHERE listed.external_id = held.external_id)
    AND NOT EXISTS (SELECT FROM unread WHERE unread.id = held."{under}")
    AND (parent.id IS NOT NULL OR NOT EXISTS (SELECT FROM unread))
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
    connection: Connection,
    key: SyncKey,
    nesting: Nesting,
    pass_id: PassId | None,
    after: str,
    limit: int,
    scope: ParentScope,
) -> list[ParentPlace]:
    """Return parents whose lists are to be read, by a new pass if none is given, in the order of their ids."""
    wanted = {"members": nesting.members_key, "after": after, "limit": limit}
    rows = connection.execute(_to_read(nesting, scope), parent_parameters(key, nesting, pass_id) | wanted)
    return [
        ParentPlace(
            external_id=ExternalId(external_id),
            content_hash=bytes(content_hash),
            listed=None if listed is None else tuple(map(ExternalId, listed)),
            named=None if named is None else frozenset(named),
            held=frozenset(EntityId(member) for member in held),
            ancestors=_named_ids(nesting, ancestors),
            own=_own_place(nesting, own),
            watermark=watermark,
            is_named=is_named,
            loaded_at=loaded_at,
        )
        for external_id, content_hash, listed, named, held, ancestors, own, watermark, is_named, loaded_at in rows
    ]


def count_parents(
    connection: Connection, key: SyncKey, nesting: Nesting, pass_id: PassId, scope: ParentScope
) -> ParentCounts:
    """Count the parents by what becomes of their lists in this pass."""
    query = about_parents(_COUNT, nesting, scope)
    return ParentCounts(*fetch_one(connection, query, parent_parameters(key, nesting, pass_id)))


def has_due_parents(connection: Connection, key: SyncKey, nesting: Nesting, scope: ParentScope) -> bool:
    """Return whether a parent's list would be read by a new pass."""
    query = about_parents(_HAS_DUE, nesting, scope)
    return bool(fetch_one(connection, query, parent_parameters(key, nesting))[0])


def load_ancestors(
    connection: Connection, key: SyncKey, nesting: Nesting, parents: Iterable[ExternalId]
) -> dict[ExternalId, Ancestors]:
    """Return what fills the further path parameters below these parents; unknown ones are left out."""
    wanted = sorted(set(parents))
    if not nesting.ancestors or not wanted:
        return dict.fromkeys(wanted, NO_ANCESTORS)
    rows = connection.execute(about_parents(_ANCESTORS, nesting), parent_parameters(key, nesting) | {"ids": wanted})
    return {ExternalId(external_id): _named_ids(nesting, ids) for external_id, ids in rows}


def compare_parents(
    connection: Connection, key: SyncKey, nesting: Nesting, pass_id: PassId, scope: ParentScope
) -> None:
    """Make what no parent's list holds a candidate; may be repeated.

    After a walk of only some parents, what these lists lost are candidates already, and
    the records below parents that are gone become some.
    """
    parameters = parent_parameters(key, nesting, pass_id)
    for query in (_DROP_GONE_PARENTS, _COMPARE, _TAKE_OFF) if scope.is_whole else (_DROP_GONE_PARENTS, _TAKE_OFF):
        connection.execute(about_parents(query, nesting, scope), parameters)


@cache
def _to_read(nesting: Nesting, scope: ParentScope) -> bytes:
    named, held = "NULL", "ARRAY[]::text[]"
    if not scope.is_whole and nesting.members_key is not None and nesting.member is not None:
        named, held = _NAMED, _HELD.replace("{member}", nesting.member)
    return about_parents(_TO_READ.replace("{named}", named).replace("{held}", held), nesting, scope)


def _named_ids(nesting: Nesting, ids: Sequence[str]) -> Ancestors:
    return {one.name: ExternalId(found) for one, found in zip(nesting.ancestors, ids, strict=True)}


def _own_place(nesting: Nesting, ids: Sequence[str | None]) -> RecordPlace | None:
    """Return where a parent is read by its own id; ``None`` if something on its path is unknown."""
    if nesting.above is None:
        return RecordPlace()
    known = [ExternalId(found) for found in ids if found is not None]
    if len(known) < len(ids):
        return None
    return RecordPlace(known[0], _named_ids(nesting.above, known[1:]))
