"""Passes and checkpoints: where a walk is, and what its end means."""

from contextlib import nullcontext
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from openfaith_sync.domain.defaults import REJECTED_SHARE
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import UNIDENTIFIED, EntityName, SyncKey
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.passes import (
    Checkpoint,
    Counts,
    Lease,
    OpenPass,
    PassId,
    PassStart,
    Rider,
    RiderPass,
    SyncMode,
)
from openfaith_sync.domain.passes.rejections import RejectedRecords
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.store.passes.leases import LEASED, check_lease, key_parameters, lease_parameters
from openfaith_sync.store.passes.table_statistics import analyze_what_grew
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import on_table, table_of

_CHECKPOINT = """
SELECT held.watermark, held.completed_at, held.manifest_version, walk.pass_id, walk.mode, walk.trigger,
       walk.manifest_version, walk.run_id, walk.watermark_from, walk.watermark_to, walk.place,
       walk.created, walk.updated, walk.unchanged, walk.tombstoned, walk.dead, walk.pages, walk.requests, walk.newest,
       riders.entities, riders.newest, riders.manifests
FROM (SELECT %(org)s AS org_id, %(adapter)s AS adapter, %(entity)s AS entity) AS asked
LEFT JOIN sync.checkpoints held USING (org_id, adapter, entity)
LEFT JOIN sync.passes walk ON (walk.org_id, walk.adapter, walk.entity) = (asked.org_id, asked.adapter, asked.entity)
  AND walk.status = 'open' AND walk.parent_pass_id IS NULL
LEFT JOIN LATERAL (
  SELECT array_agg(entity ORDER BY pass_id) AS entities, array_agg(watermark_to ORDER BY pass_id) AS newest,
         array_agg(manifest_version ORDER BY pass_id) AS manifests
  FROM sync.passes rider WHERE rider.org_id = walk.org_id AND rider.parent_pass_id = walk.pass_id) riders ON true
"""
_ABANDON = """
UPDATE sync.passes SET status = 'abandoned', ended_at = now()
WHERE org_id = %(org)s AND status = 'open' AND (pass_id = %(pass)s OR parent_pass_id = %(pass)s)
"""
_ABANDON_RIDERS = """
UPDATE sync.passes SET status = 'abandoned', ended_at = now()
WHERE org_id = %(org)s AND status = 'open' AND parent_pass_id = %(pass)s
"""
_RESET_WATERMARK = """
UPDATE sync.checkpoints SET watermark = NULL WHERE org_id = %s AND adapter = %s AND entity = %s
"""
# An earlier open pass ends first: a key has one open pass.
_BEGIN = f"""
WITH {LEASED},
earlier AS (
  SELECT pass_id FROM leased, sync.passes
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
    AND status = 'open' AND parent_pass_id IS NULL),
abandoned AS (
  UPDATE sync.passes SET status = 'abandoned', ended_at = now() FROM earlier
  WHERE passes.org_id = %(org)s AND passes.status = 'open' AND earlier.pass_id IN (passes.pass_id, parent_pass_id)
  RETURNING 1),
begun AS (
  INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, manifest_version, run_id, watermark_from,
                           watermark_to, place)
  SELECT %(org)s, %(adapter)s, %(entity)s, %(mode)s, %(trigger)s, %(manifest)s, %(run)s, %(from)s::timestamptz,
         %(to)s::timestamptz, %(place)s
  FROM leased, (SELECT count(*) FROM abandoned) ended
  RETURNING pass_id),
riding AS (
  INSERT INTO sync.passes (org_id, adapter, entity, parent_pass_id, mode, trigger, manifest_version, run_id,
                           watermark_to, place)
  SELECT %(org)s, %(adapter)s, rider.entity, begun.pass_id, 'sideload', %(trigger)s, rider.manifest, %(run)s,
         rider.newest, %(no_place)s
  FROM begun, unnest(%(riders)s::text[], %(rider_manifests)s::text[], %(rider_newest)s::timestamptz[])
    AS rider (entity, manifest, newest))
SELECT pass_id FROM begun
"""  # noqa: S608  every part is a constant
# After a full listing its manifest version has mapped everything stored. A delta keeps
# that true only with the same version. The first pass leaves nothing to compare. What was sideloaded
# before a complete pass of the child is part of that pass, or older.
_CLOSE = f"""
WITH {LEASED},
closed AS (
  UPDATE sync.passes
  SET status = 'complete', ended_at = now(), requests = requests + %(requests)s,
      watermark_to = COALESCE(%(watermark)s::timestamptz, watermark_to)
  FROM leased
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND pass_id = %(pass)s AND status = 'open'
  RETURNING manifest_version, created + updated + tombstoned AS written, report ? 'scope' AS is_in_part, COALESCE(
    (SELECT parent.mode FROM sync.passes parent
     WHERE parent.org_id = passes.org_id AND parent.pass_id = passes.parent_pass_id), mode) AS mode),
advanced AS (
  INSERT INTO sync.checkpoints AS held
    (org_id, adapter, entity, watermark, completed_at, completed_pass_id, changed_at,
     source_count, stored_count, set_aside_count, counted_at, compared_at, whole_at, manifest_version)
  SELECT %(org)s, %(adapter)s, %(entity)s, %(watermark)s::timestamptz, now(), %(pass)s,
         CASE WHEN written > 0 THEN now() END,
         %(source)s::int, %(stored)s::int, %(set_aside)s::int, CASE WHEN %(source)s::int IS NOT NULL THEN now() END,
         now(), now(), CASE WHEN mode = 'full' THEN manifest_version END
  FROM closed
  ON CONFLICT (org_id, adapter, entity) DO UPDATE
  SET watermark = GREATEST(held.watermark, EXCLUDED.watermark), completed_at = now(),
      changed_at = COALESCE(EXCLUDED.changed_at, held.changed_at),
      source_count = COALESCE(EXCLUDED.source_count, held.source_count),
      stored_count = COALESCE(EXCLUDED.stored_count, held.stored_count),
      set_aside_count = COALESCE(EXCLUDED.set_aside_count, held.set_aside_count),
      counted_at = COALESCE(EXCLUDED.counted_at, held.counted_at),
      compared_at = CASE WHEN (SELECT mode FROM closed) = 'reconciliation' THEN now() ELSE held.compared_at END,
      whole_at = CASE WHEN (SELECT mode = 'reconciliation' AND NOT is_in_part FROM closed) THEN now()
                      ELSE held.whole_at END,
      completed_pass_id = GREATEST(held.completed_pass_id, EXCLUDED.completed_pass_id),
      manifest_version = COALESCE(EXCLUDED.manifest_version,
        CASE WHEN held.manifest_version = (SELECT manifest_version FROM closed) THEN held.manifest_version END)),
outdated AS (
  UPDATE sync.passes rider SET status = 'abandoned', ended_at = now() FROM closed
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND pass_id < %(pass)s
    AND status = 'open' AND parent_pass_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM sync.passes parent WHERE parent.org_id = rider.org_id
                    AND parent.pass_id = rider.parent_pass_id AND parent.status = 'open'))
SELECT written FROM leased LEFT JOIN closed ON true
"""  # noqa: S608  every part is a constant
_RIDER = """
SELECT rider.pass_id, rider.watermark_to, rider.created, rider.updated, rider.unchanged, rider.tombstoned, rider.dead,
       (parent.place #>> ARRAY['counted_children', rider.entity])::bigint
FROM sync.passes rider
JOIN sync.passes parent ON parent.org_id = rider.org_id AND parent.pass_id = rider.parent_pass_id
WHERE rider.org_id = %(org)s AND rider.adapter = %(adapter)s AND rider.entity = %(entity)s
  AND rider.status = 'open' AND parent.status = 'complete'
  AND rider.pass_id > COALESCE((SELECT completed_pass_id FROM sync.checkpoints
                                WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s), 0)
ORDER BY rider.pass_id DESC LIMIT 1
"""
# Of a walk that the source served without them too: what its records name then differs from what is stored.
_HAS_RIDDEN = """
SELECT EXISTS (
  SELECT FROM sync.checkpoints
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND manifest_version = %(version)s
) OR EXISTS (
  SELECT FROM sync.passes rider
  JOIN sync.passes carrier ON carrier.org_id = rider.org_id AND carrier.pass_id = rider.parent_pass_id
  WHERE rider.org_id = %(org)s AND rider.adapter = %(adapter)s AND rider.entity = %(entity)s
    AND rider.manifest_version = %(version)s AND carrier.mode = 'full' AND carrier.status = 'complete'
)
"""
# A full listing meets again every row that still has no id, and every place that is still not served;
# the others were repaired or removed.
_FORGET_UNIDENTIFIED = """
UPDATE sync.dead_letters SET resolved_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = ANY (%(entities)s::text[]) AND resolved_at IS NULL
  AND starts_with(external_id, %(unidentified)s)
"""
_COUNT_LIVE = """
SELECT count(*) FROM {table} WHERE org_id = %s AND adapter = %s AND type = %s AND deleted_at IS NULL
"""
_COUNT_SET_ASIDE = """
SELECT (
  SELECT count(*) FROM sync.dead_letters dead
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND resolved_at IS NULL AND NOT EXISTS (
    SELECT FROM {table} held
    WHERE (held.org_id, held.adapter, held.type, held.external_id)
        = (dead.org_id, dead.adapter, dead.entity, dead.external_id) AND held.deleted_at IS NULL)
) + (
  SELECT count(*) FROM sync.erased_records
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND is_listed
)
"""
_REJECTED = """
SELECT (SELECT count(*) FROM sync.dead_letters
        WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND resolved_at IS NULL),
       (SELECT rejected_share FROM sync.orgs WHERE org_id = %(org)s)
"""


def load_checkpoint(connection: Connection, key: SyncKey) -> Checkpoint:
    """Return the durable place to resume from; an empty one for a new key."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity}
    watermark, completed_at, manifest, *opened = fetch_one(connection, _CHECKPOINT, parameters)
    return Checkpoint(watermark, completed_at, manifest, None if opened[0] is None else _read_open(*opened))


def _read_open(pass_id: int, *columns: Any) -> OpenPass:
    mode, trigger, manifest, run_id, watermark_from, watermark_to, place, *figures, entities, newest_of, versions = (
        columns
    )
    start = PassStart(
        mode=SyncMode(mode),
        trigger=trigger,
        manifest_version=manifest,
        run_id=run_id,
        watermark_from=watermark_from,
        watermark_to=watermark_to,
        riders=tuple(map(Rider, map(EntityName, entities or ()), newest_of or (), versions or ())),
    )
    *counts, pages, requests, newest = figures
    return OpenPass(PassId(pass_id), start, WalkPlace.from_json(place), Counts(*counts), pages, requests, newest)


def open_pass(connection: Connection, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
    """Begin a pass and one for each of its riders; an earlier open pass is abandoned.

    Dead letters of rows without an id are resolved where everything is listed anew: what
    is still there comes back with its page.
    """
    key = lease.key
    is_listed_anew = start.is_listed_anew and start.mode in {SyncMode.FULL, SyncMode.RECONCILIATION}
    with connection.transaction() if is_listed_anew else nullcontext():
        pass_id = PassId(fetch_one(connection, _BEGIN, lease_parameters(lease) | _start_parameters(start, place))[0])
        if is_listed_anew:
            entities = [key.entity, *(rider.entity for rider in start.riders)]
            parameters = {"org": key.org, "adapter": key.adapter, "entities": entities, "unidentified": UNIDENTIFIED}
            connection.execute(_FORGET_UNIDENTIFIED, parameters)
    return OpenPass(pass_id, start, place, Counts(), pages=0, requests=0, newest=None)


def _start_parameters(start: PassStart, place: WalkPlace) -> dict[str, Any]:
    return {
        "mode": start.mode,
        "trigger": start.trigger,
        "manifest": start.manifest_version,
        "run": start.run_id,
        "from": start.watermark_from,
        "to": start.watermark_to,
        "place": Jsonb(place.to_json()),
        "riders": [rider.entity for rider in start.riders],
        "rider_manifests": [rider.manifest_version for rider in start.riders],
        "rider_newest": [rider.watermark_to for rider in start.riders],
        "no_place": Jsonb(WalkPlace(()).to_json()),
    }


def close_pass(
    connection: Connection,
    lease: Lease,
    pass_id: PassId,
    watermark: datetime | None,
    requests: int,
    counted: CountedRecords | None = None,
) -> None:
    """Mark a pass complete and move the watermark up to the given one, never back (law 3).

    What the source counted stays with the checkpoint until a later pass is counted.
    """
    parameters = {
        "pass": pass_id,
        "watermark": watermark,
        "requests": requests,
        "source": counted and counted.source,
        "stored": counted and counted.stored,
        "set_aside": counted and counted.set_aside,
    }
    (written,) = fetch_one(connection, _CLOSE, lease_parameters(lease) | parameters)
    if written is None:
        raise DefinitionError(f"{lease.key} has no open pass {pass_id} to close")
    analyze_what_grew(connection, lease.key, written)


def abandon_pass(connection: Connection, lease: Lease, pass_id: PassId) -> None:
    """End a pass that will not be finished, and its riders; the watermark stays."""
    with connection.transaction():
        check_lease(connection, lease)
        connection.execute(_ABANDON, {"org": lease.key.org, "pass": pass_id})


def abandon_riders(connection: Connection, lease: Lease, pass_id: PassId) -> None:
    """End the passes of children that were not included after all: they are walked by themselves."""
    with connection.transaction():
        check_lease(connection, lease)
        connection.execute(_ABANDON_RIDERS, {"org": lease.key.org, "pass": pass_id})


def reset_watermark(connection: Connection, lease: Lease) -> None:
    """Forget a watermark that cannot be right, so that the next pass reads everything."""
    with connection.transaction():
        check_lease(connection, lease)
        connection.execute(_RESET_WATERMARK, key_parameters(lease.key))


def load_rider(connection: Connection, key: SyncKey) -> RiderPass | None:
    """Return the newest open rider pass whose parent's pass is complete, when no later pass of its own is."""
    org, adapter, entity = key_parameters(key)
    row = connection.execute(_RIDER, {"org": org, "adapter": adapter, "entity": entity}).fetchone()
    return RiderPass(PassId(row[0]), row[1], Counts(*row[2:7]), row[7]) if row else None


def has_ridden(connection: Connection, key: SyncKey, manifest_version: str) -> bool:
    """Return whether a full walk of a rider's carrier was completed with it, as this manifest version maps it."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "version": manifest_version}
    return bool(fetch_one(connection, _HAS_RIDDEN, parameters)[0])


def count_live(connection: Connection, key: SyncKey) -> int:
    """Count the stored records that are not tombstoned."""
    return int(fetch_one(connection, on_table(_COUNT_LIVE, table_of(connection, key)), key_parameters(key))[0])


def count_set_aside(connection: Connection, key: SyncKey) -> int:
    """Count the records of the source that are not stored: those with a dead letter, and erased ones."""
    org, adapter, entity = key_parameters(key)
    statement = on_table(_COUNT_SET_ASIDE, table_of(connection, key))
    return int(fetch_one(connection, statement, {"org": org, "adapter": adapter, "entity": entity})[0])


def count_rejected(connection: Connection, key: SyncKey) -> RejectedRecords:
    """Return how many records are dead letters, of how many, and which share the org allows."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity}
    waiting, share = fetch_one(connection, _REJECTED, parameters)
    # Most syncs have no dead letters, and counting the live records takes longest.
    known = count_live(connection, key) + count_set_aside(connection, key) if waiting else 0
    return RejectedRecords(waiting, known, REJECTED_SHARE if share is None else share)
