"""What the engine needs of a store to apply merges."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import MergeCommit, ReferenceColumn, Revival


class Redirects(Protocol):
    """Redirects from merged records to those that they became part of."""

    def commit_merges(self, lease: Lease, page: MergeCommit) -> int:
        """Apply merges and move their watermark in one transaction; return how many were new.

        Chains are followed to their ends. References to what is removed lead
        to the end, its row is tombstoned, and the inbox is asked to have the end read.

        Raises:
            LeaseLost: Another worker took over; nothing was written.
        """
        ...

    def follow_merges(self, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
        """Redirect references to merged records to the records that were kept; return how many changed.

        A page read before a merge may be stored after it.
        """
        ...

    def load_merged(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> Mapping[ExternalId, ExternalId]:
        """Return, for each of these records that was merged, the record that was kept."""
        ...

    def revive(self, lease: Lease, revival: Revival) -> None:
        """Undo merges of records that still exist: each becomes a tombstone again, which the next write undeletes.

        What refers to the records that they became part of may have referred to them: it is read again.
        """
        ...
