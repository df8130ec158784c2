"""Which parents' lists a pass of a nested entity reads, as SQL on the parents' rows.

Everything is decided in the database, for all parents of an org at once: a church has tens of thousands of them, and
most are quiet. Times are the database's; they only choose what is read, and never how far a watermark moves.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from openfaith_sync.domain.defaults import HISTORY_MONTHS
from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.passes.passes import PassId
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.records.nesting import Nesting, ParentScope, StoredCondition, StoredReference, StoredValue
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.passes.riders import differs_from_named
from openfaith_sync.store.schema.record_tables import on_table

_OFFSET = re.compile(r"(-?\d+)([dm])")
_UNITS = {"d": "days", "m": "months"}
_HISTORY = (
    "make_interval(months => -COALESCE((SELECT org.history_months FROM sync.orgs org "  # noqa: S608  a constant of ours
    f"WHERE org.org_id = %(org)s), {HISTORY_MONTHS}))"
)
_LISTING = """
LEFT JOIN sync.parent_listings listing
  ON listing.org_id = %(org)s AND listing.adapter = %(adapter)s AND listing.entity = %(entity)s
  AND listing.parent_id = parent.external_id"""
# Looked up parent by parent, by the index of the reference: of a whole join, the planner may compare every parent with
# every record, which took seconds for 2,000 plans.
_WATCHED = """
LEFT JOIN LATERAL (
  SELECT max(watching.synced_at) AS changed_at FROM {watching} watching
  WHERE watching.org_id = %(org)s AND watching."{column}" = parent.id AND watching.adapter = %(adapter)s
    AND watching.type = '{entity}' OFFSET 0) watched ON true"""
_IS_MISSING_ONE = """
parent.external_id IN (
  SELECT known.parent_id FROM sync.deletion_candidates known
  WHERE known.org_id = %(org)s AND known.adapter = %(adapter)s AND known.entity = %(entity)s
    AND known.parent_id IS NOT NULL AND known.times_missed < 2)"""
_LIVING = """
WHERE parent.org_id = %(org)s AND parent.adapter = %(adapter)s AND parent.type = %(parent)s
  AND parent.deleted_at IS NULL"""


def parent_parameters(key: SyncKey, nesting: Nesting, pass_id: PassId | None = None) -> dict[str, object]:
    """Return the parameters of every statement made by ``about_parents``; without a pass, for one that is to come."""
    org, adapter, entity = key_parameters(key)
    return {"org": org, "adapter": adapter, "entity": entity, "parent": nesting.parent, "pass": pass_id or 0}


@cache
def about_parents(query: str, nesting: Nesting, scope: ParentScope = ParentScope.ALL) -> bytes:
    """Return a statement about the parents of a nested entity, and their lists as they were last read.

    ``{from}`` are the parents' rows with their lists; ``{living}`` keeps those of the org that are not tombstones.
    ``{ancestors}`` and ``{own}`` are the ids on the paths of the list and of the parent itself, ``{has_path}`` whether
    those of the list are all known, ``{is_wanted}`` whether the conditions hold, ``{is_frozen}`` whether the list is
    final, ``{content}`` what makes the list due when it changes, ``{is_named}`` whether something beside the parent's
    own record makes it due, and ``{is_due}`` whether this pass reads the list.
    """
    parts = {
        "is_due": _is_due(nesting, scope),
        "from": f"FROM {{parents}} parent {_LISTING} {_joins(nesting)}",
        "living": _LIVING,
        "ancestors": _array(_ids(nesting.ancestors, "path", 0)),
        "own": _own_place(nesting),
        "has_path": _all_known(_ids(nesting.ancestors, "path", 0)),
        "is_wanted": _all_hold(nesting.conditions),
        "is_frozen": _is_frozen(nesting),
        "is_named": _is_named(nesting, scope),
        "content": _content(nesting),
    }
    # The first ones are made of those behind them.
    for name, part in parts.items():
        query = query.replace(f"{{{name}}}", part)
    query = query.replace("{under}", nesting.under)
    return on_table(query, nesting.table, nesting.parent_table)


def _is_due(nesting: Nesting, scope: ParentScope) -> str:
    """Return whether a pass reads a list: never again one that it has read."""
    # A list that was never read has no hash.
    is_triggered = "(listing.parent_hash IS DISTINCT FROM {content} OR {is_named})"
    is_unread = "listing.pass_id IS DISTINCT FROM %(pass)s"
    chosen = {
        ParentScope.ALL: is_unread,
        ParentScope.LIVING: f"{is_unread} AND ({is_triggered} OR NOT {{is_frozen}})",
        ParentScope.ASKED: f"{is_unread} AND ({is_triggered} OR NOT {{is_frozen}})",
        ParentScope.TRIGGERED: is_triggered,
    }
    if not nesting.asks_every_parent:
        chosen[ParentScope.ASKED] = f"{is_unread} AND {is_triggered}"
    # Riders came with other records: only a parent that names others than those that are stored has its list read.
    if nesting.riding is not None:
        differs = differs_from_named(nesting.riding, is_just_written=scope is ParentScope.TRIGGERED)
        chosen[scope] += f" AND {differs}"
    return f"({{has_path}} AND {{is_wanted}} AND {chosen[scope]})"


def _is_named(nesting: Nesting, scope: ParentScope) -> str:
    """Return whether an event, a watched record or the manifest makes a list due, whatever its parent's record says."""
    named = ["listing.due_at IS NOT NULL"]
    if nesting.watched:
        named.append("COALESCE(watched.changed_at > listing.listed_at, false)")
    # Riders leave it to the next comparison.
    if not nesting.is_readable and nesting.riding is None:
        named.append(_IS_MISSING_ONE)
    # What is asked at every delta is no news by itself.
    if nesting.polled and scope is not ParentScope.TRIGGERED:
        named.append(_all_hold(nesting.polled))
    return f"({' OR '.join(named)})"


def _is_frozen(nesting: Nesting) -> str:
    frozen = nesting.frozen
    if frozen is None:
        return "false"
    is_past = _compared(frozen.value, "<", f"make_interval(days => -{frozen.after.days})")
    return f"(listing.parent_hash IS NOT NULL AND COALESCE({is_past}, false))"


def _content(nesting: Nesting) -> str:
    """Return a hash of what makes a list due when it changes."""
    if not nesting.triggers:
        return "parent.content_hash"
    values = ", ".join(_as_json(value) for value in nesting.triggers)
    return f"sha256(convert_to(jsonb_build_array({values})::text, 'UTF8'))"


def _all_hold(conditions: Sequence[StoredCondition]) -> str:
    return f"COALESCE({' AND '.join(map(_holds, conditions))}, false)" if conditions else "true"


def _holds(condition: StoredCondition) -> str:
    if condition.before is not None:
        return _compared(condition.value, "<", _interval(condition.before))
    if condition.after is not None:
        return _compared(condition.value, ">=", _interval(condition.after))
    wanted = condition.equals
    literal = (
        f"to_jsonb({str(wanted).lower()})" if isinstance(wanted, bool | int) else f"to_jsonb({_text(wanted)}::text)"
    )
    return f"{_as_json(condition.value)} = {literal}"


def _compared(value: StoredValue, operator: str, interval: str) -> str:
    """Return the comparison of a time with one that lies so far from now; unknown where there is no time."""
    if value.column is not None and value.is_time:
        return f'parent."{value.column}" {operator} now() + {interval}'
    # The source's text, in ISO 8601: to cast what is no time would fail the statement for all parents.
    text = (
        f'parent."{value.column}"' if value.column is not None else f"parent.custom_fields ->> '{value.custom_field}'"
    )
    moment = f"to_char((now() + {interval}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    return f'({text}) COLLATE "C" {operator} {moment}'


def _as_json(value: StoredValue) -> str:
    """Return a value as the source sent it: a column that does not give it back has a custom field beside it."""
    custom = f"parent.custom_fields -> '{value.custom_field}'"
    return custom if value.column is None else f'COALESCE({custom}, to_jsonb(parent."{value.column}"))'


def _interval(offset: str) -> str:
    match = _OFFSET.fullmatch(offset)
    return f"make_interval({_UNITS[match[2]]} => {match[1]})" if match else _HISTORY


def _text(value: object) -> str:
    quoted = str(value).replace("'", "''").replace("%", "%%")
    return f"'{quoted}'"


def _joins(nesting: Nesting) -> str:
    joins = [*_joins_above(nesting), *_joins_of(nesting.ancestors, "path", 0)]
    if nesting.above is not None:
        joins += _joins_of(nesting.above.ancestors, "own", 1)
    if nesting.watched is not None:
        watched = _WATCHED.replace("{watching}", nesting.watched.table.quoted)
        joins.append(watched.replace("{column}", nesting.watched.column).replace("{entity}", nesting.watched.entity))
    return " ".join(joins)


def _joins_above(nesting: Nesting) -> Iterator[str]:
    """Yield the joins of the records above the parent, as far up as something is read of them."""
    own = (1, *(1 + one.level for one in nesting.above.ancestors)) if nesting.above else (0,)
    highest = max(*own, *(one.level for one in nesting.ancestors), 0)
    above, level = nesting.above, 1
    while above is not None and level <= highest:
        yield _join(above.parent_table, above.parent, _holder(level), f'{_holder(level - 1)}."{above.under}"')
        above, level = above.above, level + 1


def _joins_of(references: tuple[StoredReference, ...], alias: str, of: int) -> Iterator[str]:
    for n, one in enumerate(references):
        if one.table is not None:
            yield _join(one.table, one.target, f"{alias}{n}", f'{_holder(of + one.level)}."{one.column}"')


def _holder(level: int) -> str:
    return f"up{level}" if level else "parent"


def _join(table: RecordTable, entity: EntityName, alias: str, column: str) -> str:
    return (
        f"LEFT JOIN {table.quoted} {alias} ON {alias}.org_id = %(org)s AND {alias}.adapter = %(adapter)s "
        f"AND {alias}.type = '{entity}' AND {alias}.id = {column}"
    )


def _ids(references: tuple[StoredReference, ...], alias: str, of: int) -> list[str]:
    return [
        f"{alias}{n}.external_id"
        if one.table is not None
        else f"({_holder(of + one.level)}.custom_fields ->> '{one.custom_field}')"
        for n, one in enumerate(references)
    ]


def _own_place(nesting: Nesting) -> str:
    if nesting.above is None:
        return _array([])
    return _array([f"{_holder(1)}.external_id", *_ids(nesting.above.ancestors, "own", 1)])


def _array(expressions: list[str]) -> str:
    return f"ARRAY[{', '.join(expressions)}]::text[]"


def _all_known(expressions: list[str]) -> str:
    return "(" + (" AND ".join(f"{one} IS NOT NULL" for one in expressions) or "true") + ")"
