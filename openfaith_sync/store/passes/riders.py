"""Which parents name other riders than those that are stored, as SQL.

All parents of an org are compared in one statement, from what their records and the riders' rows say: a church has
45,000 gifts, and nothing is stored for those that agree.
"""

from functools import cache

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.domain.records.nesting import Nesting
from openfaith_sync.domain.records.riding import Namer, Riding
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import on_table

_NAMER = """
FROM {namers} namer{ids}
WHERE namer.org_id = %(org)s AND namer.adapter = %(adapter)s AND namer.type = '{namer}' AND namer.deleted_at IS NULL
  {namer_not_merged}"""
_LIST_IDS = """
CROSS JOIN LATERAL jsonb_array_elements_text(
  CASE WHEN jsonb_typeof(namer.custom_fields -> '{key}') = 'array' THEN namer.custom_fields -> '{key}' END)
  AS ids (id)"""
_NAMED_IN_LIST = f"""
SELECT namer."{{place}}" AS parent_id, ids.id AS external_id {_NAMER.replace("{ids}", _LIST_IDS)}"""
_NAMED_ALONE = f"""
SELECT namer."{{place}}", namer.custom_fields ->> '{{key}}' {_NAMER.replace("{ids}", "")}
  AND namer.custom_fields ->> '{{key}}' IS NOT NULL"""
# The source left the relationship out: the record says nothing of its riders.
_SILENT = f"""
SELECT namer."{{place}}" {_NAMER.replace("{ids}", "")}
  AND NOT namer.custom_fields ? '{{key}}'"""
_HELD = """
SELECT held."{under}" AS parent_id, held.external_id FROM {table} held
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL"""
# One with a dead letter is known, and its parent's list would bring the same.
_SET_ASIDE = """
SELECT dead.external_id FROM sync.dead_letters dead
WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s AND dead.resolved_at IS NULL"""
_LACKED = f"""
SELECT named.parent_id, named.external_id FROM ({{named}}) named
WHERE NOT EXISTS (SELECT FROM ({_HELD}) held WHERE {{same}}) AND named.external_id NOT IN ({_SET_ASIDE})"""  # noqa: S608
_UNNAMED = f"""
SELECT held.parent_id FROM ({_HELD}) held
WHERE NOT EXISTS (SELECT FROM ({{named}}) named WHERE {{same}})"""  # noqa: S608  joined of our own constants
_DIFFERING = f"""
SELECT lacked.parent_id FROM ({_LACKED}) lacked WHERE lacked.parent_id IS NOT NULL
UNION ALL SELECT unnamed.parent_id FROM ({_UNNAMED}) unnamed WHERE unnamed.parent_id IS NOT NULL
UNION ALL SELECT silent.parent_id FROM ({{silent}}) silent (parent_id) WHERE silent.parent_id IS NOT NULL"""  # noqa: S608
_DROP_GONE_PARENTS = """
DELETE FROM sync.parent_listings listing
WHERE listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
  AND NOT EXISTS (
    SELECT FROM {parents} parent
    WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
      AND parent.external_id = listing.parent_id AND parent.deleted_at IS NULL)
"""
# Nothing that lives names them, and either a list that this pass read lacks them, or their parent does not live.
# Lists read earlier say nothing here: where a parent's record agrees with what is stored, its list grows old.
_COMPARE = """
WITH absent AS (
  SELECT held.external_id, parent.external_id AS parent_id
  FROM {table} held
  LEFT JOIN {parents} parent
    ON parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
    AND parent.id = held."{under}" {parent_not_merged}
  LEFT JOIN sync.parent_listings listing
    ON listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
    AND listing.parent_id = parent.external_id AND listing.pass_id = %(pass)s
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
    AND held.synced_at < (SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)
    AND (parent.id IS NULL OR parent.deleted_at IS NOT NULL OR held.external_id <> ALL (listing.listed))
    AND NOT EXISTS (SELECT FROM ({named}) named WHERE named.external_id = held.external_id)
)
INSERT INTO sync.deletion_candidates AS known
  (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id)
SELECT %(org)s, %(adapter)s, %(entity)s, external_id, parent_id, %(pass)s, %(pass)s FROM absent
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET times_missed = known.times_missed + 1, last_pass_id = EXCLUDED.last_pass_id,
    parent_id = COALESCE(EXCLUDED.parent_id, known.parent_id)
WHERE known.last_pass_id < EXCLUDED.last_pass_id
"""
_TAKE_OFF = """
DELETE FROM sync.deletion_candidates known
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND (EXISTS (SELECT FROM ({named}) named WHERE named.external_id = known.external_id)
       OR NOT EXISTS (
         SELECT FROM {table} held
         WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
           AND held.external_id = known.external_id AND held.deleted_at IS NULL))
"""
# A list that was read since the parent's record came is newer than what that record names.
_COUNT_LACKED = f"""
SELECT count(DISTINCT lacked.external_id) FROM ({_LACKED}) lacked
LEFT JOIN {{parents}} parent
  ON parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
  AND parent.id = lacked.parent_id
LEFT JOIN sync.parent_listings listing
  ON listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
  AND listing.parent_id = parent.external_id AND listing.parent_hash IS NOT NULL
WHERE listing.listed_at IS NULL OR listing.listed_at < parent.synced_at
"""  # noqa: S608  joined of our own constants
_COUNT_PARENTS = """
SELECT count(*) FROM {parents} parent
WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
  AND parent.deleted_at IS NULL
"""


def compare_riders(connection: Connection, key: SyncKey, nesting: Nesting, pass_id: PassId) -> None:
    """Make riders that nothing names any more candidates, where their parents' lists lack them; may be repeated."""
    for query in (_DROP_GONE_PARENTS, _COMPARE, _TAKE_OFF):
        connection.execute(_about_riders(query, nesting), _parameters(key, nesting, pass_id))


def count_lacked(connection: Connection, key: SyncKey, nesting: Nesting) -> int:
    """Count the riders that living records name, that are neither stored nor set aside, and that no list denies."""
    return int(fetch_one(connection, _about_riders(_COUNT_LACKED, nesting), _parameters(key, nesting, None))[0])


def count_living_parents(connection: Connection, key: SyncKey, nesting: Nesting) -> int:
    """Count the parents that are stored and no tombstones."""
    return int(fetch_one(connection, _about_riders(_COUNT_PARENTS, nesting), _parameters(key, nesting, None))[0])


def differing_parents(riding: Riding) -> str:
    """Return a query of the entity ids of parents whose riders are not those that the records name.

    ``{table}`` and ``{under}`` are the riders'.
    """
    return _with_named(_DIFFERING, riding)


@cache
def _about_riders(query: str, nesting: Nesting) -> bytes:
    assert nesting.riding is not None
    query = _with_named(query, nesting.riding).replace("{under}", nesting.under)
    return on_table(query, nesting.table, nesting.parent_table)


def _with_named(query: str, riding: Riding) -> str:
    same = "held.external_id = named.external_id"
    if riding.is_exclusive:
        same += " AND held.parent_id = named.parent_id"
    # A list of ids may be empty in SQL as well.
    named = "\nUNION ALL".join(_of(namer, _NAMED_IN_LIST if namer.is_list else _NAMED_ALONE) for namer in riding.namers)
    silent = "\nUNION ALL".join(_of(namer, _SILENT) for namer in riding.namers)
    first = "SELECT NULL::text AS parent_id, NULL::text AS external_id WHERE false UNION ALL"
    return query.replace("{named}", f"{first} {named}").replace("{silent}", silent).replace("{same}", same)


def _of(namer: Namer, query: str) -> str:
    not_merged = "AND namer.merged_into_id IS NULL" if namer.table.has_merges else ""
    query = query.replace("{namers}", namer.table.quoted).replace("{namer_not_merged}", not_merged)
    return query.replace("{namer}", namer.entity).replace("{key}", namer.key).replace("{place}", namer.place)


def _parameters(key: SyncKey, nesting: Nesting, pass_id: PassId | None) -> dict[str, object]:
    org, adapter, entity = key_parameters(key)
    return {"org": org, "adapter": adapter, "entity": entity, "parent": nesting.parent, "pass": pass_id}
