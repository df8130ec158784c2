"""The SQL statements of the inbox."""

from functools import cache

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.store.passes.leases import LEASED
from openfaith_sync.store.schema.record_tables import EntityTable, on_table

RECEIVE = """
INSERT INTO sync.webhook_events
  (org_id, adapter, event_id, name, entity, external_id, action, parent_id, payload, event_time)
SELECT %(org)s, %(adapter)s, event_id, name, entity, external_id, action, parent_id, payload::jsonb, event_time
FROM unnest(%(ids)s::text[], %(names)s::text[], %(entities)s::text[], %(external_ids)s::text[], %(actions)s::text[],
            %(parents)s::text[], %(payloads)s::text[], %(times)s::timestamptz[])
  AS event (event_id, name, entity, external_id, action, parent_id, payload, event_time)
ON CONFLICT (org_id, adapter, event_id) DO NOTHING
"""

_FIGURES = """
SELECT org_id, adapter, count(*), count(*) FILTER (WHERE not_before <= now()),
       min(received_at) FILTER (WHERE not_before <= now())
FROM sync.webhook_events
WHERE done_at IS NULL"""
STATUS = f"{_FIGURES} AND (%(org)s::text IS NULL OR org_id = %(org)s) GROUP BY org_id, adapter ORDER BY 5, 1, 2"

PRUNE = "DELETE FROM sync.webhook_events WHERE done_at < now() - %s"

WAITING = """
SELECT count(*) FROM sync.webhook_events WHERE org_id = %(org)s AND adapter = %(adapter)s AND done_at IS NULL
"""

DUE_RECORDS = """
SELECT entity, external_id FROM sync.webhook_events
WHERE org_id = %(org)s AND adapter = %(adapter)s AND done_at IS NULL AND not_before <= now()
GROUP BY entity, external_id ORDER BY min(received_at), entity, external_id LIMIT %(most)s
"""

# One statement per question and entity: each is one index scan for all ids, whatever the planner knows of tables that
# have just grown. Joined into one, they took 40 s under a plan made too early.
_OF_THESE = """
WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND external_id = ANY (%(ids)s::text[])"""

# A read handles every event of its record that was there before it began, due or not.
EVENTS = f"""
SELECT external_id, event_id, name, action, parent_id, payload, event_time, attempts FROM sync.webhook_events
{_OF_THESE} AND done_at IS NULL
ORDER BY event_time NULLS FIRST, received_at, event_id
"""  # noqa: S608  every part is a constant of this file
HELD = """
SELECT held.external_id, held.deleted_at IS NOT NULL FROM {these} held
"""
MERGED = f"""
SELECT external_id, survivor_id FROM sync.redirects {_OF_THESE} AND survivor_id IS NOT NULL
"""  # noqa: S608  every part is a constant of this file
HANDLED = f"""
SELECT external_id, max(event_time), max(event_time) FILTER (WHERE action IN ('destroyed', 'merged'))
FROM sync.webhook_events {_OF_THESE} AND done_at IS NOT NULL GROUP BY external_id
"""  # noqa: S608  every part is a constant of this file

POSTPONE = f"""
WITH {LEASED}
UPDATE sync.webhook_events event
SET not_before = now() + waits.seconds * interval '1 second', attempts = event.attempts + 1, outcome = waits.reason
FROM leased, unnest(%(ids)s::text[], %(seconds)s::int[], %(reasons)s::text[]) AS waits (event_id, seconds, reason)
WHERE event.org_id = %(org)s AND event.adapter = %(adapter)s AND event.event_id = waits.event_id
  AND event.done_at IS NULL
"""  # noqa: S608  every part is a constant

_PARENT = """
SELECT parent.external_id
FROM {table} held
JOIN {parents} parent ON parent.org_id = held.org_id AND parent.adapter = held.adapter
  AND parent.type = %(parent)s AND parent.id = held."{column}" {parent_not_merged}
WHERE held.org_id = %(org)s AND held.adapter = %(adapter)s AND held.type = %(entity)s AND held.external_id = %(id)s
"""


@cache
def parent(reference: ReferenceColumn, parents: EntityTable) -> bytes:
    """Return the statement that finds the parent that a row references."""
    check_column(reference)
    return on_table(_PARENT.replace("{column}", reference.column), reference.table, parents)


def check_column(reference: ReferenceColumn) -> None:
    """Check that a table has the column.

    Raises:
        DefinitionError: There is no such column.
    """
    if reference.column not in {column.name for column in reference.table.columns}:
        raise DefinitionError(f"{reference.table.quoted} has no column {reference.column!r}")
