"""What the engine asks a store about the records it holds."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import Lease, PassId
from openfaith_sync.domain.passes.rejections import RejectedRecords
from openfaith_sync.domain.records.record import MappedBatch


class Records(Protocol):
    """Which records are stored, tombstoned or set aside, and which a page would change."""

    def count_live(self, key: SyncKey) -> int:
        """Count the records we hold that are not tombstoned."""
        ...

    def count_set_aside(self, key: SyncKey) -> int:
        """Count the records that wait as dead letters and of which no older version is held."""
        ...

    def count_rejected(self, key: SyncKey) -> RejectedRecords:
        """Return how many records wait as dead letters, of how many, and which share of them the org allows."""
        ...

    def load_live(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that live here."""
        ...

    def load_gone(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are tombstones here."""
        ...

    def count_changes(self, key: SyncKey, batch: MappedBatch) -> int:
        """Count the records of a batch that storing would change; nothing is written."""
        ...

    def has_changed_parents(self, key: SyncKey, parent: EntityName) -> bool:
        """Whether a stored parent of nested records was never listed, or has changed since."""
        ...

    def note_checked(self, key: SyncKey) -> None:
        """Note that the source was asked for changes now."""
        ...

    def load_announced(self, lease: Lease, pass_id: PassId) -> Mapping[str, int]:
        """Return how many records this pass changed, and how many of them a webhook had announced.

        Empty for an org without subscriptions.
        """
        ...
