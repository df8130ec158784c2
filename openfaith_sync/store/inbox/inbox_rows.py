"""Read and update the inbox during a sync: which records to read, and which events wait.

Waiting is a row with an earliest time, never a sleeping process.
"""

from collections.abc import Mapping

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.domain.webhooks.inbox import DueRecord, EventAction, InboxEvent, RecordStatus, Wait
from openfaith_sync.store.inbox import inbox_sql
from openfaith_sync.store.passes.leases import lease_parameters
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import find_table, on_table, table_of


def load_due_records(connection: Connection, key: SyncKey, most: int) -> list[DueRecord]:
    """Return the records with due events, the longest waiting first, each with all its waiting events."""
    parameters = {"org": key.org, "adapter": key.adapter, "most": most}
    due = connection.execute(inbox_sql.DUE_RECORDS, parameters, prepare=True).fetchall()
    found: dict[tuple[str, str], DueRecord] = {}
    for entity in sorted({entity for entity, _ in due}):
        ids = [external_id for of, external_id in due if of == entity]
        found |= _load_readings_of(connection, key, EntityName(entity), ids)
    # Records whose events another worker has handled meanwhile have none left.
    return [found[record] for record in due if record in found]


def _load_readings_of(
    connection: Connection, key: SyncKey, entity: EntityName, ids: list[str]
) -> dict[tuple[str, str], DueRecord]:
    parameters = {"org": key.org, "adapter": key.adapter, "entity": entity, "ids": ids}
    events: dict[str, list[InboxEvent]] = {}
    for external_id, event_id, name, action, *more in connection.execute(inbox_sql.EVENTS, parameters, prepare=True):
        event = InboxEvent(event_id, name, entity, external_id, EventAction(action), *more)
        events.setdefault(external_id, []).append(event)
    held: dict[str, bool] = {}
    merged: dict[str, ExternalId] = {}
    table = find_table(connection, key, entity)
    if table is not None:
        held = dict(connection.execute(on_table(inbox_sql.HELD, table), parameters, prepare=True).fetchall())
    if table is not None and table.has_merges:
        merged = dict(connection.execute(inbox_sql.MERGED, parameters, prepare=True).fetchall())
    handled = {row[0]: row[1:] for row in connection.execute(inbox_sql.HANDLED, parameters, prepare=True)}
    return {
        (entity, external_id): DueRecord(
            entity,
            ExternalId(external_id),
            tuple(waiting),
            _status(held.get(external_id), is_merged=external_id in merged),
            merged.get(external_id),
            *handled.get(external_id, ()),
        )
        for external_id, waiting in events.items()
    }


def _status(is_gone: bool | None, *, is_merged: bool) -> RecordStatus:
    if is_merged:
        return RecordStatus.MERGED
    if is_gone is None:
        return RecordStatus.NEVER
    return RecordStatus.GONE if is_gone else RecordStatus.LIVE


def load_parent(
    connection: Connection, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
) -> ExternalId | None:
    """Return the source's id of the parent that our row of a nested record references."""
    parameters = {"org": key.org, "adapter": key.adapter, "entity": key.entity, "parent": parent, "id": external_id}
    statement = inbox_sql.parent(reference, table_of(connection, key, parent))
    row = connection.execute(statement, parameters).fetchone()
    return ExternalId(row[0]) if row else None


def postpone_events(connection: Connection, lease: Lease, waits: Mapping[str, Wait]) -> None:
    """Postpone events to a later time."""
    parameters = {
        "ids": list(waits),
        "seconds": [wait.seconds for wait in waits.values()],
        "reasons": [wait.reason for wait in waits.values()],
    }
    connection.execute(inbox_sql.POSTPONE, lease_parameters(lease) | parameters)


def count_waiting(connection: Connection, key: SyncKey) -> int:
    """Return the number of an org's unhandled events."""
    row = connection.execute(inbox_sql.WAITING, {"org": key.org, "adapter": key.adapter}).fetchone()
    return int(row[0]) if row else 0
