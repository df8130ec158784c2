"""Evidence and holds of one org, as the engine needs them."""

from collections.abc import Sequence

from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.passes.deletions import Candidate, DeletionCheck, Hold
from openfaith_sync.domain.passes.passes import Lease, PassId
from openfaith_sync.store.database.org_connection import OrgConnection
from openfaith_sync.store.deletions import holds
from openfaith_sync.store.deletions.evidence import PostgresEvidence
from openfaith_sync.store.passes.leases import check_lease


class DeletionStore(OrgConnection):
    """Implements ``engine.ports.deletions.Deletions``."""

    def open_evidence(self, lease: Lease, pass_id: PassId) -> PostgresEvidence:
        """Return what an open pass proves."""
        self._require_own(lease.key)
        self._rest()
        return PostgresEvidence(self._connection, lease, pass_id, self._on_step)

    def check_deletions(self, key: SyncKey, parent: EntityName | None) -> DeletionCheck:
        """Return how much of an entity is missing and was lost lately, how much may be, and the hold that stands."""
        with self._using(key) as connection:
            return holds.check_deletions(connection, key, parent)

    def hold_deletions(
        self, lease: Lease, pass_id: PassId, key: SyncKey, candidates: Sequence[Candidate], reason: str
    ) -> Hold:
        """Store these records as deletion candidates behind an open hold, for a person to decide; repeatable."""
        with self._using(key) as connection, connection.transaction():
            check_lease(connection, lease)
            return holds.hold_candidates(connection, key, pass_id, candidates, reason)
