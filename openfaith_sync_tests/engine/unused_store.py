"""The concerns of a store that nothing fills in a church of campuses: nothing is merged, and no webhook comes."""

from collections.abc import Mapping, Sequence

from openfaith_sync.domain.dead_letters.dead_letter import LetterFilter, WaitingLetter
from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import MergeCommit, ReferenceColumn, Revival
from openfaith_sync.domain.webhooks.inbox import DueRecord, Wait


class NoRedirects:
    """Redirects of a church where nothing is merged."""

    def commit_merges(self, lease: Lease, page: MergeCommit) -> int:
        assert lease
        assert not page.merges
        return 0

    def follow_merges(self, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
        assert key or references
        return 0

    def load_merged(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> Mapping[ExternalId, ExternalId]:
        assert key or external_ids
        return {}

    def revive(self, lease: Lease, revival: Revival) -> None:
        assert lease
        assert not revival.external_ids


class NoDeadLetters:
    """The dead letters of a church whose records can all be mapped."""

    def load_waiting_letters(
        self, key: SyncKey, chosen: LetterFilter, after: ExternalId | None, most: int
    ) -> Sequence[WaitingLetter]:
        assert key
        assert chosen.not_mapped_by
        assert not after
        assert most
        return ()


class EmptyInbox:
    """The inbox of a church without webhooks."""

    def load_due_records(self, key: SyncKey, most: int) -> Sequence[DueRecord]:
        assert key
        assert most
        return ()

    def load_parent(
        self, key: SyncKey, parent: EntityName, reference: ReferenceColumn, external_id: ExternalId
    ) -> ExternalId | None:
        raise NotImplementedError

    def postpone_events(self, lease: Lease, waits: Mapping[str, Wait]) -> None:
        assert lease
        assert not waits

    def count_waiting(self, key: SyncKey) -> int:
        assert key
        return 0
