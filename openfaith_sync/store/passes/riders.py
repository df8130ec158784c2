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
  {namer_not_merged}{only_namers}"""
_LIST_IDS = """
CROSS JOIN LATERAL jsonb_array_elements_text(
  CASE WHEN jsonb_typeof(namer.custom_fields -> '{key}') = 'array' THEN namer.custom_fields -> '{key}' END)
  AS ids (id)"""
_NAMED_IN_LIST = f"""
SELECT namer."{{place}}" AS parent_id, ids.id AS external_id {_NAMER.replace("{ids}", _LIST_IDS)}"""
_NAMED_ALONE = f"""
SELECT namer."{{place}}" AS parent_id, namer.custom_fields ->> '{{key}}' AS external_id {_NAMER.replace("{ids}", "")}
  AND namer.custom_fields ->> '{{key}}' IS NOT NULL"""
# The source left the relationship out: the record says nothing of its riders.
_SILENT = f"""
SELECT namer."{{place}}" AS parent_id {_NAMER.replace("{ids}", "")}
  AND NOT namer.custom_fields ? '{{key}}' AND namer."{{place}}" IS NOT NULL"""
# Grouped, never joined: of a table that was just filled, the planner expects a handful of rows and joins them pair by
# pair. That took 207 s for 45,000 gifts; this takes 0.4 s.
_DIFFERENCES = """
SELECT {parents_of} AS parent_ids, external_id, bool_or(is_named) AS is_named
FROM (
  SELECT named.parent_id, named.external_id, true AS is_named FROM ({named}) named
  UNION ALL
  SELECT held."{under}", held.external_id, false FROM {table} held
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
    {only_held}
) either
GROUP BY {group} HAVING bool_and(is_named) OR NOT bool_or(is_named)"""
_UNNAMED = _DIFFERENCES.replace("{parents_of}", "array_agg(parent_id)").replace("{group}", "external_id")
# One with a dead letter is known, and its parent's list would bring the same. As an array, here and below: the planner
# then expects few and looks each up in a hash, where it would compare each with each of what it expects to be many.
_SET_ASIDE = """
SELECT unnest(ARRAY(
  SELECT dead.external_id FROM sync.dead_letters dead
  WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
    AND dead.resolved_at IS NULL))"""
_DIFFERING = f"""
SELECT unnest(differs.parent_ids) FROM ({_DIFFERENCES}) differs
WHERE NOT (differs.is_named AND differs.external_id IN ({_SET_ASIDE}))
UNION ALL {{silent}}"""  # noqa: S608  joined of our own constants
# After a few events, only the parents just written are compared: all of a large church's take half a second.
_JUST_WRITTEN = """ IN (SELECT unnest(ARRAY(
  SELECT written.id FROM {parents} written
  WHERE written.org_id = %(org)s AND written.adapter = %(adapter)s AND written.type = %(parent)s
    AND written.synced_at > now() - interval '1 hour')))"""
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
_COMPARE = f"""
WITH unnamed AS MATERIALIZED (
  SELECT differs.external_id FROM ({_UNNAMED}) differs WHERE NOT differs.is_named
), absent AS (
  SELECT held.external_id, parent.external_id AS parent_id
  FROM unnamed JOIN {{table}} held
    ON held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
    AND held.external_id = unnamed.external_id AND held.deleted_at IS NULL
  LEFT JOIN {{parents}} parent
    ON parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
    AND parent.id = held."{{under}}" {{parent_not_merged}}
  LEFT JOIN sync.parent_listings listing
    ON listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
    AND listing.parent_id = parent.external_id AND listing.pass_id = %(pass)s
  WHERE held.synced_at < (SELECT started_at FROM sync.passes WHERE org_id = %(org)s AND pass_id = %(pass)s)
    AND (parent.id IS NULL OR parent.deleted_at IS NOT NULL OR held.external_id <> ALL (listing.listed))
)
INSERT INTO sync.deletion_candidates AS known
  (org_id, adapter, entity, external_id, parent_id, first_pass_id, last_pass_id)
SELECT %(org)s, %(adapter)s, %(entity)s, external_id, parent_id, %(pass)s, %(pass)s FROM absent
ON CONFLICT (org_id, adapter, entity, external_id) DO UPDATE
SET times_missed = known.times_missed + 1, last_pass_id = EXCLUDED.last_pass_id,
    parent_id = COALESCE(EXCLUDED.parent_id, known.parent_id)
WHERE known.last_pass_id < EXCLUDED.last_pass_id
"""  # noqa: S608  joined of our own constants
_TAKE_OFF = """
DELETE FROM sync.deletion_candidates known
WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
  AND (known.external_id = ANY (ARRAY(
         SELECT external_id FROM (
           SELECT named.external_id, true AS is_named FROM ({named}) named
           UNION ALL
           SELECT missing.external_id, false FROM sync.deletion_candidates missing
           WHERE missing.org_id = %(org)s AND missing.adapter = %(adapter)s AND missing.entity = %(entity)s) either
         GROUP BY external_id HAVING bool_or(is_named) AND NOT bool_and(is_named)))
       OR NOT EXISTS (
         SELECT FROM {table} held
         WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
           AND held.external_id = known.external_id AND held.deleted_at IS NULL))
"""
_COUNT_LACKED = f"""
SELECT count(DISTINCT lacked.external_id)
FROM (SELECT unnest(differs.parent_ids) AS parent_id, differs.external_id FROM ({_DIFFERENCES}) differs
      WHERE differs.is_named AND differs.external_id NOT IN ({_SET_ASIDE})) lacked
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


def differs_from_named(riding: Riding, *, is_just_written: bool) -> str:
    """Return whether a parent's riders are not those that the records name, as SQL.

    ``{table}`` and ``{under}`` are the riders', ``{parents}`` their parents'. With ``is_just_written``, it is false for
    parents that were not written within the last hour.
    """
    only = _JUST_WRITTEN if is_just_written else ""
    # As a condition of its own it would become a join.
    return f"COALESCE(parent.id IN (SELECT unnest(ARRAY({_with_named(_DIFFERING, riding, only)}))), false)"


@cache
def _about_riders(query: str, nesting: Nesting) -> bytes:
    assert nesting.riding is not None
    query = _with_named(query, nesting.riding).replace("{under}", nesting.under)
    return on_table(query, nesting.table, nesting.parent_table)


def _with_named(query: str, riding: Riding, only: str = "") -> str:
    parents, group = (
        ("ARRAY[parent_id]", "parent_id, external_id")
        if riding.is_exclusive
        else ("array_agg(parent_id)", "external_id")
    )
    named = "\nUNION ALL".join(
        _of(namer, _NAMED_IN_LIST if namer.is_list else _NAMED_ALONE, only) for namer in riding.namers
    )
    silent = "\nUNION ALL".join(_of(namer, _SILENT, only) for namer in riding.namers)
    query = query.replace("{only_held}", f'AND held."{{under}}"{only}' if only else "")
    query = query.replace("{parents_of}", parents).replace("{group}", group)
    return query.replace("{named}", named).replace("{silent}", silent)


def _of(namer: Namer, query: str, only: str) -> str:
    query = query.replace("{only_namers}", f' AND namer."{{place}}"{only}' if only else "")
    not_merged = "AND namer.merged_into_id IS NULL" if namer.table.has_merges else ""
    query = query.replace("{namers}", namer.table.quoted).replace("{namer_not_merged}", not_merged)
    return query.replace("{namer}", namer.entity).replace("{key}", namer.key).replace("{place}", namer.place)


def _parameters(key: SyncKey, nesting: Nesting, pass_id: PassId | None) -> dict[str, object]:
    org, adapter, entity = key_parameters(key)
    return {"org": org, "adapter": adapter, "entity": entity, "parent": nesting.parent, "pass": pass_id}
