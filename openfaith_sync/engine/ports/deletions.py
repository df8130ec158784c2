"""What the engine needs of a store to decide about deletions."""

from collections.abc import Sequence
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.passes.deletions import Candidate, DeletionCheck, Hold
from openfaith_sync.domain.passes.passes import Lease, PassId
from openfaith_sync.engine.ports.evidence import Evidence


class Deletions(Protocol):
    """Evidence of deletions, and the holds that wait for a person."""

    def open_evidence(self, lease: Lease, pass_id: PassId) -> Evidence:
        """Return what an open pass proves about what is gone."""
        ...

    def check_deletions(self, key: SyncKey, parent: EntityName | None) -> DeletionCheck:
        """Return how much of an entity is missing and was lost lately, how much may be, and the hold that stands."""
        ...

    def hold_deletions(
        self, lease: Lease, pass_id: PassId, key: SyncKey, candidates: Sequence[Candidate], reason: str
    ) -> Hold:
        """Have these records wait for a person as candidates for deletion, behind an open hold; may be repeated."""
        ...
