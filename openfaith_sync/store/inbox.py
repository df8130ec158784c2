"""The inbox: events wait here until their records were read fresh."""

from collections.abc import Sequence

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.inbox import InboxEvent
from openfaith_sync.domain.storable import storable_json
from openfaith_sync.store.database import Database
from openfaith_sync.store.rows import Connection

_RECEIVE = """
INSERT INTO sync.webhook_events
  (org_id, adapter, event_id, name, entity, external_id, parent_id, action, payload, event_time)
SELECT %(org)s, %(adapter)s, given.event_id, given.name, given.entity, given.external_id, given.parent_id,
       given.action, given.payload::jsonb, given.event_time
FROM unnest(%(ids)s::text[], %(names)s::text[], %(entities)s::text[], %(external_ids)s::text[],
            %(parents)s::text[], %(actions)s::text[], %(payloads)s::text[], %(times)s::timestamptz[])
  AS given (event_id, name, entity, external_id, parent_id, action, payload, event_time)
ORDER BY given.event_id
ON CONFLICT (org_id, adapter, event_id) DO NOTHING
"""


def receive(database: Database, org: OrgId, adapter: AdapterName, events: Sequence[InboxEvent]) -> int:
    """Put events into the inbox and say how many were new."""
    with database.connect() as connection:
        return receive_on(connection, org, adapter, events)


def receive_on(connection: Connection, org: OrgId, adapter: AdapterName, events: Sequence[InboxEvent]) -> int:
    """Put events into the inbox over this connection and say how many were new."""
    return connection.execute(
        _RECEIVE,
        {
            "org": org,
            "adapter": adapter,
            "ids": [event.event_id for event in events],
            "names": [event.name for event in events],
            "entities": [event.entity for event in events],
            "external_ids": [event.external_id for event in events],
            "parents": [event.parent_id for event in events],
            "actions": [event.action.value for event in events],
            "payloads": [None if e.payload is None else storable_json(e.payload).decode() for e in events],
            "times": [event.event_time for event in events],
        },
    ).rowcount
