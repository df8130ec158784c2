"""What of an org's giving does not add up: compared in one statement, when a reconciliation ends or a person asks.

Only living rows count. What cannot be compared yet is left out: a batch that changed since the gifts were last read,
and a refund of the last day whose parts were not read yet.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.canonical_tables import GIFTS
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.problems.giving_differences import GivingDifference
from openfaith_sync.domain.record_tables import NAME
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import load_tables, on_table, table_of

COMPARED = frozenset({GIFTS, "designations", "refunds", "designation_refunds", "batches"})
"""The canonical tables whose rows are compared."""

_LIVING = "org_id = %(org)s AND adapter = %(adapter)s AND deleted_at IS NULL"
# In one snapshot. A gift without parts is one that is not their sum, unless it is of nothing.
_DIFFERENCES = f"""
WITH gifts AS MATERIALIZED (
  SELECT id, external_id, type, batch_id, amount_cents, currency FROM openfaith.donations WHERE {_LIVING}),
parts AS MATERIALIZED (
  SELECT donation_id, sum(amount_cents) AS cents, count(*) AS parts, min(currency) AS least, max(currency) AS greatest
  FROM openfaith.designations WHERE {_LIVING} GROUP BY donation_id),
backs AS MATERIALIZED (
  SELECT id, external_id, type, donation_id, amount_cents, currency, synced_at FROM openfaith.refunds WHERE {_LIVING}),
pieces AS (
  SELECT refund_id, sum(amount_cents) AS cents FROM openfaith.designation_refunds WHERE {_LIVING} GROUP BY refund_id),
batched AS (
  SELECT batch_id, sum(amount_cents) AS cents FROM gifts WHERE batch_id IS NOT NULL GROUP BY batch_id)
SELECT 'parts', gifts.type, gifts.external_id, gifts.amount_cents, COALESCE(parts.cents, 0), gifts.currency
FROM gifts LEFT JOIN parts ON parts.donation_id = gifts.id
WHERE gifts.amount_cents <> COALESCE(parts.cents, 0)
UNION ALL
SELECT 'currency', gifts.type, gifts.external_id, gifts.amount_cents, parts.cents, gifts.currency
FROM gifts JOIN parts ON parts.donation_id = gifts.id
WHERE gifts.currency <> parts.least OR gifts.currency <> parts.greatest
UNION ALL
SELECT 'refund', backs.type, backs.external_id, backs.amount_cents, -gifts.amount_cents, backs.currency
FROM backs JOIN gifts ON gifts.id = backs.donation_id WHERE abs(backs.amount_cents) > gifts.amount_cents
UNION ALL
SELECT 'refund_parts', backs.type, backs.external_id, backs.amount_cents, COALESCE(pieces.cents, 0), backs.currency
FROM backs
JOIN gifts ON gifts.id = backs.donation_id
LEFT JOIN pieces ON pieces.refund_id = backs.id
WHERE backs.amount_cents <> COALESCE(pieces.cents, 0)
  AND (pieces.refund_id IS NOT NULL OR backs.synced_at < now() - interval '1 day')
UNION ALL
SELECT 'batch', held.type, held.external_id, held.total_cents, COALESCE(batched.cents, 0), held.currency
FROM openfaith.batches held LEFT JOIN batched ON batched.batch_id = held.id
WHERE held.{_LIVING.replace("AND ", "AND held.")} AND held.state = 'committed'
  AND held.total_cents <> COALESCE(batched.cents, 0)
  AND held.synced_at < (
    SELECT read.completed_at FROM sync.checkpoints read
    WHERE read.org_id = %(org)s AND read.adapter = %(adapter)s AND read.entity = %(gifts)s)
"""  # noqa: S608  joined of our own constants, here and below
_STORE = """
WITH given AS (SELECT * FROM unnest(%(kinds)s::text[], %(counts)s::integer[]) AS one (kind, records)),
over AS (
  DELETE FROM sync.giving_differences held
  WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.kind = ANY (%(compared)s)
    AND held.kind <> ALL (%(kinds)s))
INSERT INTO sync.giving_differences AS held (org_id, adapter, kind, entity, records)
SELECT %(org)s, %(adapter)s, kind, %(gifts)s, records FROM given
ON CONFLICT (org_id, adapter, kind) DO UPDATE
SET records = EXCLUDED.records, entity = EXCLUDED.entity, checked_at = now()
"""
# A bucket for each span, from 1 on; 0 lies before the first bound.
_WITHIN = """
SELECT width_bucket(held."{column}", %(bounds)s::timestamptz[]), count(*) FROM {table} held
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(gifts)s AND held.deleted_at IS NULL
  AND held."{column}" >= %(first)s AND held."{column}" < %(last)s
GROUP BY 1
"""
BY_AMOUNTS = tuple(kind for kind in GivingDifference if kind is not GivingDifference.MONTH)
"""What this module compares; the numbers of gifts need the source."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Two amounts that should be equal; for a refund, the one that may not be the larger."""

    kind: GivingDifference
    entity: str
    external_id: str
    stated_cents: int
    """What the source states."""
    summed_cents: int
    """The sum of what belongs to it, or for a refund its gift."""
    currency: str | None


def find_differences(connection: Connection, key: SyncKey) -> list[Difference]:
    """Return the amounts of the key's org and adapter that differ; the key names the entity of gifts."""
    rows = connection.execute(_DIFFERENCES.encode(), _parameters(key))
    return [
        Difference(GivingDifference(kind), entity, external_id, int(stated), int(summed), currency)
        for kind, entity, external_id, stated, summed, currency in rows
    ]


def check_differences(database: Database, key: SyncKey) -> list[Difference]:
    """Compare an org's giving now, store how many amounts differ, and return them; the key names the gifts."""
    with database.connect(key.org) as connection:
        found = find_differences(connection, key)
        store_differences(connection, key, Counter(one.kind for one in found), BY_AMOUNTS)
    return found


def count_between(connection: Connection, key: SyncKey, column: str, bounds: Sequence[datetime]) -> list[int]:
    """Return how many living records have a time between each two neighbours among these bounds.

    Raises:
        DefinitionError: The entity's table has no such column.
    """
    if not NAME.fullmatch(column):
        raise DefinitionError(f"{column!r} is no column's name")
    statement = on_table(_WITHIN.replace("{column}", column), table_of(connection, key))
    span = {"bounds": list(bounds), "first": bounds[0], "last": bounds[-1]}
    found = {int(place): int(count) for place, count in connection.execute(statement, _parameters(key) | span)}
    return [found.get(place, 0) for place in range(1, len(bounds))]


def note_differences(connection: Connection, key: SyncKey) -> None:
    """Store how many amounts differ, if the key's entity is one of those that are compared."""
    tables = load_tables(connection)
    own = tables.get((key.adapter, key.entity))
    if own is None or own.schema != "openfaith" or own.name not in COMPARED:
        return
    # Another adapter's gifts are not this one's; an adapter may have parts of giving and no gifts.
    entities = [name for (adapter, name), table in tables.items() if (adapter, table.name) == (key.adapter, GIFTS)]
    for entity in entities:
        gifts = SyncKey(key.org, key.adapter, entity)
        counts = Counter(found.kind for found in find_differences(connection, gifts))
        store_differences(connection, gifts, counts, BY_AMOUNTS)


def store_differences(
    connection: Connection,
    key: SyncKey,
    counts: Mapping[GivingDifference, int],
    compared: Sequence[GivingDifference],
) -> None:
    """Store how many of each kind differ, of those that were compared; the key names the entity of gifts."""
    found = {kind: counts[kind] for kind in compared if counts.get(kind)}
    connection.execute(
        _STORE.encode(),
        _parameters(key)
        | {
            "kinds": [kind.value for kind in found],
            "counts": list(found.values()),
            "compared": [kind.value for kind in compared],
        },
    )


def _parameters(key: SyncKey) -> dict[str, object]:
    return {"org": key.org, "adapter": key.adapter, "gifts": key.entity}
