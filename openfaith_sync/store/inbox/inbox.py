"""The inbox for other rooms: receive events, count those waiting, and prune old ones."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.mapping.unstorable_text import storable_json, storable_text
from openfaith_sync.domain.webhooks.inbox import InboxEvent, InboxStatus
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox import inbox_sql
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection


def receive(database: Database, org: OrgId, adapter: AdapterName, events: Sequence[InboxEvent]) -> int:
    """Store incoming events over a separate connection; see ``receive_on``."""
    with database.connect(org) as connection:
        return receive_on(connection, org, adapter, events)


def receive_on(connection: Connection, org: OrgId, adapter: AdapterName, events: Sequence[InboxEvent]) -> int:
    """Store events that have come in, all or none, and return how many were new.

    Law 7: once this returns they are stored, and may be acknowledged. An event whose
    id is known is the same event, and changes nothing.
    """
    if not events:
        return 0
    with translated():
        done = connection.execute(inbox_sql.RECEIVE, {"org": org, "adapter": adapter} | _columns(events), prepare=True)
        return done.rowcount


def _columns(events: Iterable[InboxEvent]) -> dict[str, Any]:
    # Rows are locked in the order of their ids, so that two deliveries of the same events never deadlock.
    rows = sorted(events, key=lambda event: event.event_id)
    return {
        "ids": [storable_text(event.event_id) for event in rows],
        "names": [storable_text(event.name) for event in rows],
        "entities": [event.entity for event in rows],
        "external_ids": [storable_text(event.external_id) for event in rows],
        "actions": [event.action.value for event in rows],
        "parents": [event.parent_id and storable_text(event.parent_id) for event in rows],
        "payloads": [None if event.payload is None else storable_json(event.payload).decode() for event in rows],
        "times": [event.event_time for event in rows],
    }


def list_inboxes(database: Database, org: OrgId | None = None) -> list[InboxStatus]:
    """Return the status of every org's inbox that has waiting events, the longest due first."""
    with database.connect_reading(org) as connection:
        rows = connection.execute(inbox_sql.STATUS, {"org": org}).fetchall()
    return [InboxStatus(OrgId(found), AdapterName(adapter), *figures) for found, adapter, *figures in rows]


def prune_events(database: Database, older_than: timedelta) -> int:
    """Delete events that were handled longer ago than this, and return how many. Waiting events stay.

    If the source repeats a deleted event, its record is read once more, which changes nothing.
    """
    with database.connect_fleet() as connection:
        return connection.execute(inbox_sql.PRUNE, (older_than,)).rowcount
