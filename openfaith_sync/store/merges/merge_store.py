"""Merges of one org, as the engine needs them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.passes.erasures import Erasures
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.records.merges import Merge, MergeCommit, ReferenceColumn, Revival
from openfaith_sync.store.database.org_connection import OrgConnection
from openfaith_sync.store.erasures.erasures import load_erasures
from openfaith_sync.store.merges import merges


class MergeStore(OrgConnection):
    """Implements ``engine.ports.redirects.Redirects``, and which records ``Records`` holds."""

    def commit_merges(self, lease: Lease, page: MergeCommit) -> int:
        """Apply merges and move their watermark in one transaction; return how many were new."""
        with self._using(lease.key) as connection:
            erasures = load_erasures(connection, self._keys, lease.key.org, lease.key.adapter)
            known = [one for one in page.merges if not erasures or not _names_erased(erasures, page.entity, one)]
            return merges.commit_merges(connection, lease, replace(page, merges=tuple(known)))

    def follow_merges(self, key: SyncKey, references: Sequence[ReferenceColumn]) -> int:
        """Point references to merged records at the surviving record; return how many were changed."""
        with self._using(key) as connection:
            return merges.follow_merges(connection, key, references)

    def load_merged(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> Mapping[ExternalId, ExternalId]:
        """Return the surviving record of each of these records that is merged."""
        with self._using(key) as connection:
            return merges.load_merged(connection, key, external_ids)

    def load_live(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are stored and live."""
        with self._using(key) as connection:
            return merges.load_live(connection, key, external_ids)

    def load_gone(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        """Return those of these records that are tombstoned."""
        with self._using(key) as connection:
            return merges.load_gone(connection, key, external_ids)

    def revive(self, lease: Lease, revival: Revival) -> None:
        """Take back merges of records that live; what led through them leads to them."""
        with self._using(lease.key) as connection:
            merges.revive(connection, lease, revival)


def _names_erased(erasures: Erasures, entity: EntityName, merge: Merge) -> bool:
    """Return whether a merge is one of a record that was erased: its redirect would hold the source's id again."""
    return erasures.has(entity, merge.removed) or erasures.has(entity, merge.kept)
