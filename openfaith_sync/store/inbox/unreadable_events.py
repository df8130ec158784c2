"""Store unreadable parts of deliveries as they came, marked as processed, for a person to inspect."""

from collections.abc import Sequence

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.mapping.unstorable_text import storable_json, storable_text
from openfaith_sync.domain.webhooks.delivery import UNREADABLE, Unreadable
from openfaith_sync.store.postgres.statements import Connection

MALFORMED = "malformed"
"""Their outcome in the inbox."""

_KEEP = """
INSERT INTO sync.webhook_events
  (org_id, adapter, event_id, name, entity, external_id, action, payload, done_at, outcome)
SELECT %(org)s, %(adapter)s, given.event_id, given.name, %(entity)s, '', 'check', given.payload::jsonb, now(),
       %(outcome)s
FROM unnest(%(ids)s::text[], %(names)s::text[], %(payloads)s::text[]) AS given (event_id, name, payload)
ORDER BY given.event_id
ON CONFLICT (org_id, adapter, event_id) DO NOTHING
"""


def keep_unreadable_on(connection: Connection, org: OrgId, adapter: AdapterName, parts: Sequence[Unreadable]) -> int:
    """Store unreadable parts with the reason, equal content only once, and return how many were new."""
    payloads = [storable_json({"reason": part.reason, "content": part.content}).decode() for part in parts]
    parameters = {
        "org": org,
        "adapter": adapter,
        "entity": UNREADABLE,
        "outcome": MALFORMED,
        "ids": [part.event_id for part in parts],
        "names": [storable_text(part.name) for part in parts],
        "payloads": payloads,
    }
    return connection.execute(_KEEP, parameters).rowcount
