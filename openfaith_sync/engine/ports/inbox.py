"""What the engine needs of a store to process webhook events."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.domain.webhooks.inbox import DueRecord, Wait


class Inbox(Protocol):
    """The webhook events that wait to be processed."""

    def load_due_records(self, key: SyncKey, most: int) -> Sequence[DueRecord]:
        """Return the records with due events, the longest waiting first, each with all its waiting events."""
        ...

    def load_parent(
        self, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
    ) -> ExternalId | None:
        """Return the source's id of the parent that our row of a nested record refers to."""
        ...

    def postpone_events(self, lease: Lease, waits: Mapping[str, Wait]) -> None:
        """Postpone events."""
        ...

    def count_waiting(self, key: SyncKey) -> int:
        """Count the events that are not handled yet."""
        ...
