"""References that should have healed: their records are not stored, though their entity was completely read since.

Counted when a reconciliation ends, of its entity alone: one look-up in an index for each reference, about a tenth of a
second for 20,000 records. What a tombstone or a merged record is referred to by leads somewhere.
"""

from collections.abc import Sequence
from functools import cache

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.store.inbox.inbox_sql import check_column
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.record_tables import EntityTable, on_table, table_of

# An id begins with its entity; the rest of it has 26 digits and an underscore before them. A target that was never
# completely read may not be available to the org, and is no reason to worry.
_COUNT = """
SELECT count(*) FROM {table} held
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.deleted_at IS NULL
  AND held."{column}" IS NOT NULL AND left(held."{column}", -27) = %(target)s
  AND held.synced_at < (
    SELECT completed_at FROM sync.checkpoints
    WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(target)s)
  AND NOT EXISTS (SELECT FROM {parents} target WHERE target.org_id = held.org_id AND target.id = held."{column}")
"""
_NOTE = """
UPDATE sync.checkpoints SET dangling_references = %(dangling)s, references_checked_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s
"""


def note_dangling(connection: Connection, key: SyncKey, references: Sequence[ReferenceColumn]) -> None:
    """Store how many of an entity's references lead to records that are not stored."""
    org, adapter, entity = key_parameters(key)
    parameters = {"org": org, "adapter": adapter, "entity": entity}
    dangling = 0
    for reference in references:
        statement = _count(reference, table_of(connection, key, reference.target))
        dangling += int(fetch_one(connection, statement, parameters | {"target": reference.target})[0])
    connection.execute(_NOTE, parameters | {"dangling": dangling})


@cache
def _count(reference: ReferenceColumn, targets: EntityTable) -> bytes:
    check_column(reference)
    return on_table(_COUNT.replace("{column}", reference.column), reference.table, targets)
