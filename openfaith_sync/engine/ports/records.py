"""What the engine asks a store about the records it holds."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.domain.passes.listing import Ancestors
from openfaith_sync.domain.passes.passes import Lease, PassId
from openfaith_sync.domain.passes.rejections import RejectedRecords
from openfaith_sync.domain.records.nesting import Nesting, ParentPlace, ParentScope
from openfaith_sync.domain.records.record import MappedBatch


class Records(Protocol):
    """Which records are stored, tombstoned or set aside, and which a page would change."""

    def count_live(self, key: SyncKey) -> int:
        """Count the stored records that are not tombstoned."""
        ...

    def count_set_aside(self, key: SyncKey) -> int:
        """Count the records with a dead letter and no stored version."""
        ...

    def count_rejected(self, key: SyncKey) -> RejectedRecords:
        """Return how many records are dead letters, of how many, and which share the org allows."""
        ...

    def load_live(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are stored and not tombstoned."""
        ...

    def load_gone(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are tombstoned."""
        ...

    def count_changes(self, key: SyncKey, batch: MappedBatch) -> int:
        """Count the records of a batch that storing would change; nothing is written."""
        ...

    def has_due_parents(self, key: SyncKey, nesting: Nesting, scope: ParentScope) -> bool:
        """Return whether a new pass over this scope would read the list of a stored parent."""
        ...

    def load_due_parents(self, key: SyncKey, nesting: Nesting, scope: ParentScope, most: int) -> Sequence[ParentPlace]:
        """Return the first parents whose lists a new pass over this scope would read."""
        ...

    def load_ancestors(
        self, key: SyncKey, nesting: Nesting, of: Iterable[ExternalId]
    ) -> Mapping[ExternalId, Ancestors]:
        """Return what fills the further path parameters below these parents; unknown ones are left out."""
        ...

    def note_checked(self, key: SyncKey) -> None:
        """Store that the source was checked for changes now."""
        ...

    def load_announced(self, lease: Lease, pass_id: PassId) -> Mapping[str, int]:
        """Return how many records this pass changed, and how many of them a webhook had announced.

        Empty for an org without subscriptions.
        """
        ...
