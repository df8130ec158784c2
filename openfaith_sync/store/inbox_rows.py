"""The inbox from inside: which records are to be read, and which events wait.

Waiting is a row with a time before which it is left alone, never a sleeping process.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.inbox import EventAction, Held, InboxEvent, Reading, Wait
from openfaith_sync.domain.merges import ReferenceColumn
from openfaith_sync.domain.passes import Lease
from openfaith_sync.store import inbox_sql
from openfaith_sync.store.leases import check_lease
from openfaith_sync.store.rows import Connection


def load_readings(connection: Connection, key: SyncKey, most: int) -> list[Reading]:
    """Give the records with due events, the longest waiting first, each with all its waiting events."""
    rows = connection.execute(
        inbox_sql.READINGS, {"org": key.org, "adapter": key.adapter, "most": most}, prepare=True
    ).fetchall()
    return [_reading(list(events)) for _, events in groupby(rows, key=lambda row: row[:2])]


def _reading(rows: list[tuple[Any, ...]]) -> Reading:
    entity, external_id, is_known, is_gone, merged_into, applied_to, destroyed_at, *_ = rows[0]
    held = Held.MERGED if merged_into else Held.GONE if is_gone else Held.LIVE if is_known else Held.NEVER
    events = (InboxEvent(row[7], row[8], entity, external_id, EventAction(row[9]), *row[10:]) for row in rows)
    return Reading(
        EntityName(entity), ExternalId(external_id), tuple(events), held, merged_into, applied_to, destroyed_at
    )


def load_parent(
    connection: Connection, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
) -> ExternalId | None:
    """Give the source's id of the parent that our row of a nested record refers to."""
    told = {"org": key.org, "adapter": key.adapter, "entity": key.entity, "parent": parent, "id": external_id}
    row = connection.execute(inbox_sql.parent(reference), told).fetchone()
    return ExternalId(row[0]) if row else None


def postpone_events(connection: Connection, lease: Lease, waits: Mapping[str, Wait]) -> None:
    """Have events looked at again later."""
    told = {
        "org": lease.key.org,
        "adapter": lease.key.adapter,
        "ids": list(waits),
        "seconds": [wait.seconds for wait in waits.values()],
        "reasons": [wait.reason for wait in waits.values()],
    }
    with connection.transaction():
        check_lease(connection, lease)
        connection.execute(inbox_sql.POSTPONE, told)


def count_waiting(connection: Connection, key: SyncKey) -> int:
    """Count the events of an org that are not settled."""
    row = connection.execute(inbox_sql.WAITING, {"org": key.org, "adapter": key.adapter}).fetchone()
    return int(row[0]) if row else 0
