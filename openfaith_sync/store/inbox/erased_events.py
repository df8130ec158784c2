"""Keep events about erased records out of the inbox."""

from collections.abc import Sequence
from dataclasses import replace

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.erasures.erasures import load_erasures
from openfaith_sync.store.postgres.statements import Connection


def without_erased(
    connection: Connection, keys: SecretKeys, org: OrgId, adapter: AdapterName, events: Sequence[InboxEvent]
) -> list[InboxEvent]:
    """Return the events without those about erased records; others keep no payload that names one.

    An event says only which record to read, so a record that belongs to an erased one is recognised when it is read.
    """
    erasures = load_erasures(connection, keys, org, adapter)
    if not erasures:
        return list(events)
    return [
        replace(event, payload=None) if event.payload is not None and erasures.is_named_in(event.payload) else event
        for event in events
        if not erasures.has(event.entity, event.external_id)
    ]
