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
        """Return the evidence of an open pass."""
        ...

    def check_deletions(self, key: SyncKey, parent: EntityName | None) -> DeletionCheck:
        """Return an entity's missing and live records, recent losses, limits, and the open or approved hold."""
        ...

    def hold_deletions(
        self, lease: Lease, pass_id: PassId, key: SyncKey, candidates: Sequence[Candidate], reason: str
    ) -> Hold:
        """Make these records candidates for deletion behind an open hold; can be repeated."""
        ...
