"""Detect changes without writing: what is new in a page, and what webhooks had announced."""

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Lease, PassId
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one

# The same comparison as in page_sql.py.
_COUNT_CHANGES = """
SELECT count(*) FROM unnest(%(ids)s::text[], %(hashes)s::bytea[], %(versions)s::timestamptz[])
  AS page (external_id, content_hash, source_version)
LEFT JOIN sync.external_links held
  ON held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.entity = %(entity)s
 AND held.external_id = page.external_id
WHERE held.external_id IS NULL
   OR held.merged_into IS NULL AND (page.source_version >= held.source_version) IS NOT FALSE
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
  WHERE event.org_id = link.org_id AND event.adapter = link.adapter AND event.entity = link.entity
    AND event.external_id = link.external_id AND event.action <> 'check'
    AND event.received_at > link.updated_at - interval '1 day'))
FROM sync.external_links link, sync.passes walked
WHERE walked.org_id = %(org)s AND walked.pass_id = %(pass)s
  AND link.org_id = %(org)s AND link.adapter = %(adapter)s AND link.entity = %(entity)s
  AND link.updated_at >= walked.started_at
  AND EXISTS (SELECT FROM sync.webhook_subscriptions asked
              WHERE asked.org_id = %(org)s AND asked.adapter = %(adapter)s AND asked.is_active)
"""
_CHECKED = """
UPDATE sync.checkpoints SET checked_at = now() WHERE org_id = %s AND adapter = %s AND entity = %s
"""

_CHANGED_PARENTS = """
SELECT EXISTS (
  SELECT FROM sync.external_links link
  LEFT JOIN sync.parent_listings listing
    ON (listing.org_id, listing.adapter, listing.entity, listing.parent_id)
     = (link.org_id, link.adapter, %(entity)s, link.external_id)
  WHERE link.org_id = %(org)s AND link.adapter = %(adapter)s AND link.entity = %(parent)s AND link.deleted_at IS NULL
    AND listing.parent_hash IS DISTINCT FROM link.content_hash)
"""


def count_changes(connection: Connection, key: SyncKey, batch: MappedBatch) -> int:
    """Count the records of a batch that storing would change, dead letters that are known left out."""
    parameters = {"org": key.org, "adapter": key.adapter, "entity": batch.entity}
    records = {
        "ids": [record.external_id for record in batch.records],
        "hashes": [record.content_hash for record in batch.records],
        "versions": [record.version for record in batch.records],
    }
    changes = int(fetch_one(connection, _COUNT_CHANGES, parameters | records)[0])
    if batch.rejected:
        refused = {"ids": [bad.external_id for bad in batch.rejected]}
        changes += int(fetch_one(connection, _COUNT_NEW_REFUSALS, parameters | refused)[0])
    return changes


def load_announced(connection: Connection, lease: Lease, pass_id: PassId) -> dict[str, int]:
    """Return how many records a pass changed and how many of them were announced; empty without subscriptions."""
    org, adapter, entity = key_parameters(lease.key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "pass": pass_id}
    changed, announced = fetch_one(connection, _ANNOUNCED, parameters)
    return {"changed": changed, "announced": announced} if changed else {}


def note_checked(connection: Connection, key: SyncKey) -> None:
    """Store that the source was checked for changes now."""
    connection.execute(_CHECKED, key_parameters(key))


def has_changed_parents(connection: Connection, key: SyncKey, parent: str) -> bool:
    """Return whether a parent is stored that was never listed, or differs from what it was when it was listed."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity, "parent": parent}
    return bool(fetch_one(connection, _CHANGED_PARENTS, parameters)[0])
