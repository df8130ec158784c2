"""Detect changes without writing: what is new in a page, and what webhooks had announced."""

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Lease, PassId
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import on_table, table_of

# The same comparison as in page_sql.py.
_COUNT_CHANGES = """
SELECT count(*) FROM unnest(%(ids)s::text[], %(hashes)s::bytea[], %(versions)s::timestamptz[])
  AS page (external_id, content_hash, source_version)
LEFT JOIN {these} held USING (external_id)
WHERE held.external_id IS NULL
   OR (page.source_version >= held.source_version) IS NOT FALSE {not_merged}
      AND (held.content_hash <> page.content_hash OR held.deleted_at IS NOT NULL)
"""
_COUNT_NEW_REFUSALS = """
SELECT count(*) FROM unnest(%(ids)s::text[]) AS bad (external_id)
WHERE NOT EXISTS (
  SELECT FROM sync.dead_letters dead
  WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = %(entity)s
    AND dead.external_id = bad.external_id AND dead.resolved_at IS NULL)
"""
# A change is announced when an event about the record came within a day before it was stored.
_ANNOUNCED = """
SELECT count(*), count(*) FILTER (WHERE EXISTS (
  SELECT FROM sync.webhook_events event
  WHERE event.org_id = held.org_id AND event.adapter = held.adapter AND event.entity = held.type
    AND event.external_id = held.external_id AND event.action <> 'check'
    AND event.received_at > held.synced_at - interval '1 day'))
FROM {table} held, sync.passes walked
WHERE walked.org_id = %(org)s AND walked.pass_id = %(pass)s
  AND held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s
  AND held.synced_at >= walked.started_at
  AND EXISTS (SELECT FROM sync.webhook_subscriptions asked
              WHERE asked.org_id = %(org)s AND asked.adapter = %(adapter)s AND asked.is_active)
"""
_CHECKED = """
UPDATE sync.checkpoints SET checked_at = now() WHERE org_id = %s AND adapter = %s AND entity = %s
"""


def count_changes(connection: Connection, key: SyncKey, batch: MappedBatch) -> int:
    """Count the records of a batch that storing would change, dead letters that are known left out."""
    parameters = {"org": key.org, "adapter": key.adapter, "entity": batch.entity}
    records = {
        "ids": [record.external_id for record in batch.records],
        "hashes": [record.content_hash for record in batch.records],
        "versions": [record.version for record in batch.records],
    }
    statement = on_table(_COUNT_CHANGES, table_of(connection, key, batch.entity))
    changes = int(fetch_one(connection, statement, parameters | records)[0])
    if batch.rejected:
        refused = {"ids": [bad.external_id for bad in batch.rejected]}
        changes += int(fetch_one(connection, _COUNT_NEW_REFUSALS, parameters | refused)[0])
    return changes


def load_announced(connection: Connection, lease: Lease, pass_id: PassId) -> dict[str, int]:
    """Return how many records a pass changed and how many of them were announced; empty without subscriptions."""
    org, adapter, entity = key_parameters(lease.key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "pass": pass_id}
    changed, announced = fetch_one(connection, on_table(_ANNOUNCED, table_of(connection, lease.key)), parameters)
    return {"changed": changed, "announced": announced} if changed else {}


def note_checked(connection: Connection, key: SyncKey) -> None:
    """Store that the source was checked for changes now."""
    connection.execute(_CHECKED, key_parameters(key))
