"""Passes and checkpoints: where a walk is, and what its end means."""

from datetime import datetime

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
from openfaith_sync.store.passes.leases import check_lease, key_parameters
from openfaith_sync.store.passes.table_statistics import analyze_what_grew
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import on_table, table_of

_CHECKPOINT = """
SELECT watermark, completed_at, manifest_version FROM sync.checkpoints
WHERE org_id = %s AND adapter = %s AND entity = %s
"""
_OPEN = """
SELECT pass_id, mode, trigger, manifest_version, run_id, watermark_from, watermark_to, place,
       created, updated, unchanged, tombstoned, dead, pages, requests, newest
FROM sync.passes
WHERE org_id = %s AND adapter = %s AND entity = %s AND status = 'open' AND parent_pass_id IS NULL
"""
_RIDERS = """
SELECT entity, watermark_to, manifest_version FROM sync.passes
WHERE org_id = %s AND parent_pass_id = %s ORDER BY pass_id
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
_INSERT = """
INSERT INTO sync.passes (org_id, adapter, entity, parent_pass_id, mode, trigger, manifest_version, run_id,
                         watermark_from, watermark_to, place)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING pass_id
"""
_CLOSE = """
UPDATE sync.passes
SET status = 'complete', ended_at = now(), requests = requests + %(requests)s,
    watermark_to = COALESCE(%(watermark)s, watermark_to)
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND pass_id = %(pass)s AND status = 'open'
RETURNING manifest_version, COALESCE(
    (SELECT parent.mode FROM sync.passes parent
     WHERE parent.org_id = passes.org_id AND parent.pass_id = passes.parent_pass_id), mode),
  created + updated + tombstoned
"""
# After a full listing its manifest version has mapped everything stored. A delta keeps
# that true only with the same version.
_ADVANCE = """
INSERT INTO sync.checkpoints AS held
  (org_id, adapter, entity, watermark, completed_at, completed_pass_id, changed_at,
   source_count, stored_count, set_aside_count, counted_at, manifest_version)
VALUES (%(org)s, %(adapter)s, %(entity)s, %(watermark)s, now(), %(pass)s, CASE WHEN %(written)s > 0 THEN now() END,
  %(source)s, %(stored)s, %(set_aside)s, CASE WHEN %(source)s::int IS NOT NULL THEN now() END,
  CASE WHEN %(is_full)s THEN %(manifest)s END)
ON CONFLICT (org_id, adapter, entity) DO UPDATE
SET watermark = GREATEST(held.watermark, EXCLUDED.watermark), completed_at = now(),
    changed_at = COALESCE(EXCLUDED.changed_at, held.changed_at),
    source_count = COALESCE(EXCLUDED.source_count, held.source_count),
    stored_count = COALESCE(EXCLUDED.stored_count, held.stored_count),
    set_aside_count = COALESCE(EXCLUDED.set_aside_count, held.set_aside_count),
    counted_at = COALESCE(EXCLUDED.counted_at, held.counted_at),
    completed_pass_id = GREATEST(held.completed_pass_id, EXCLUDED.completed_pass_id),
    manifest_version = CASE WHEN %(is_full)s OR held.manifest_version = %(manifest)s THEN %(manifest)s END
"""
# What was sideloaded before a complete pass of the child is part of that pass, or older.
_ABANDON_STALE_RIDERS = """
UPDATE sync.passes rider SET status = 'abandoned', ended_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND pass_id < %(pass)s
  AND status = 'open' AND parent_pass_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM sync.passes parent WHERE parent.org_id = rider.org_id
                  AND parent.pass_id = rider.parent_pass_id AND parent.status = 'open')
"""
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
    row = connection.execute(_CHECKPOINT, key_parameters(key)).fetchone() or (None, None, None)
    return Checkpoint(row[0], row[1], row[2], _load_open(connection, key))


def _load_open(connection: Connection, key: SyncKey) -> OpenPass | None:
    row = connection.execute(_OPEN, key_parameters(key)).fetchone()
    if row is None:
        return None
    pass_id, mode, trigger, manifest, run_id, watermark_from, watermark_to, place, *figures = row
    riders = connection.execute(_RIDERS, (key.org, pass_id)).fetchall()
    start = PassStart(
        mode=SyncMode(mode),
        trigger=trigger,
        manifest_version=manifest,
        run_id=run_id,
        watermark_from=watermark_from,
        watermark_to=watermark_to,
        riders=tuple(Rider(EntityName(entity), newest, version) for entity, newest, version in riders),
    )
    *counts, pages, requests, newest = figures
    return OpenPass(PassId(pass_id), start, WalkPlace.from_json(place), Counts(*counts), pages, requests, newest)


def open_pass(connection: Connection, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
    """Begin a pass and one for each of its riders; an earlier open pass is abandoned.

    Dead letters of rows without an id are resolved where everything is listed anew: what
    is still there comes back with its page.
    """
    key = lease.key
    with connection.transaction():
        check_lease(connection, lease)
        held = _load_open(connection, key)
        if held is not None:
            connection.execute(_ABANDON, {"org": key.org, "pass": held.pass_id})
        if start.mode in {SyncMode.FULL, SyncMode.RECONCILIATION}:
            entities = [key.entity, *(rider.entity for rider in start.riders)]
            parameters = {"org": key.org, "adapter": key.adapter, "entities": entities, "unidentified": UNIDENTIFIED}
            connection.execute(_FORGET_UNIDENTIFIED, parameters)
        pass_id = _insert(connection, key, start, place, None)
        for rider in start.riders:
            ridden = PassStart(
                mode=SyncMode.SIDELOAD,
                trigger=start.trigger,
                manifest_version=rider.manifest_version,
                run_id=start.run_id,
                watermark_to=rider.watermark_to,
            )
            _insert(connection, SyncKey(key.org, key.adapter, rider.entity), ridden, WalkPlace(()), pass_id)
    return OpenPass(pass_id, start, place, Counts(), pages=0, requests=0, newest=None)


def _insert(connection: Connection, key: SyncKey, start: PassStart, place: WalkPlace, parent: PassId | None) -> PassId:
    parameters = (
        start.mode,
        start.trigger,
        start.manifest_version,
        start.run_id,
        start.watermark_from,
        start.watermark_to,
    )
    row = fetch_one(connection, _INSERT, (*key_parameters(key), parent, *parameters, Jsonb(place.to_json())))
    return PassId(row[0])


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
    org, adapter, entity = key_parameters(lease.key)
    given = {"org": org, "adapter": adapter, "entity": entity, "pass": pass_id}
    with connection.transaction():
        check_lease(connection, lease)
        row = connection.execute(_CLOSE, given | {"watermark": watermark, "requests": requests}).fetchone()
        if row is None:
            raise DefinitionError(f"{lease.key} has no open pass {pass_id} to close")
        manifest, mode, written = row
        is_full = mode == SyncMode.FULL
        figures = {
            "written": written,
            "source": counted and counted.source,
            "stored": counted and counted.stored,
            "set_aside": counted and counted.set_aside,
        }
        advance = given | figures | {"watermark": watermark, "manifest": manifest, "is_full": is_full}
        connection.execute(_ADVANCE, advance)
        connection.execute(_ABANDON_STALE_RIDERS, given)
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
