"""The inbox of one org, as the engine needs it."""

from collections.abc import Mapping, Sequence

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.domain.webhooks.inbox import DueRecord, Wait
from openfaith_sync.store.database.org_connection import OrgConnection
from openfaith_sync.store.inbox import inbox_rows


class InboxStore(OrgConnection):
    """Implements ``engine.ports.inbox.Inbox``."""

    def load_due_records(self, key: SyncKey, most: int) -> Sequence[DueRecord]:
        """Return the records with due events, the longest waiting first, each with all its waiting events."""
        with self._using(key) as connection:
            return inbox_rows.load_due_records(connection, key, most)

    def load_parent(
        self, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
    ) -> ExternalId | None:
        """Return the source's id of the parent that our row of a nested record references."""
        with self._using(key) as connection:
            return inbox_rows.load_parent(connection, key, parent, reference, external_id)

    def postpone_events(self, lease: Lease, waits: Mapping[str, Wait]) -> None:
        """Postpone events."""
        with self._using(lease.key) as connection:
            inbox_rows.postpone_events(connection, lease, waits)

    def count_waiting(self, key: SyncKey) -> int:
        """Count the events that are not handled yet."""
        with self._using(key) as connection:
            return inbox_rows.count_waiting(connection, key)
