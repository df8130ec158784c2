"""Passes, checkpoints and reports of one org, as the engine needs them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.mapping.drift import Drift
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.listing import Ancestors
from openfaith_sync.domain.passes.passes import Checkpoint, Lease, OpenPass, PassId, PassStart, RiderPass
from openfaith_sync.domain.passes.rejections import RejectedRecords
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.nesting import Nesting, ParentPlace, ParentScope
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.store.database.org_connection import OrgConnection
from openfaith_sync.store.erasures.erasures import load_erasures
from openfaith_sync.store.passes import change_detection, nested_parents, pass_reports, passes, schema_drift
from openfaith_sync.store.postgres.statements import fetch_one


class PassStore(OrgConnection):
    """Implements ``engine.ports.passes.Passes`` but for leases, and what ``Records`` counts."""

    def load_now(self, key: SyncKey) -> datetime:
        """Return the database's time."""
        with self._using(key) as connection:
            found: datetime = fetch_one(connection, "SELECT now()", ())[0]
        return found

    def load_checkpoint(self, key: SyncKey) -> Checkpoint:
        """Return the durable place to resume from; an empty one for a new key."""
        with self._using(key) as connection:
            return passes.load_checkpoint(connection, key)

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        """Begin a pass and one for each of its riders; an earlier open pass is abandoned."""
        with self._using(lease.key) as connection:
            return passes.open_pass(connection, lease, start, place)

    def close_pass(
        self,
        lease: Lease,
        pass_id: PassId,
        watermark: datetime | None,
        requests: int,
        counted: CountedRecords | None = None,
    ) -> None:
        """Mark a pass complete and move the watermark up to the given one, never back."""
        with self._using(lease.key) as connection:
            passes.close_pass(connection, lease, pass_id, watermark, requests, counted)

    def abandon_pass(self, lease: Lease, pass_id: PassId) -> None:
        """End a pass that will not be finished; the watermark stays."""
        with self._using(lease.key) as connection:
            passes.abandon_pass(connection, lease, pass_id)

    def abandon_riders(self, lease: Lease, pass_id: PassId) -> None:
        """End the passes of children that were not included after all."""
        with self._using(lease.key) as connection:
            passes.abandon_riders(connection, lease, pass_id)

    def reset_watermark(self, lease: Lease) -> None:
        """Forget a watermark that cannot be right, so that the next pass reads everything."""
        with self._using(lease.key) as connection:
            passes.reset_watermark(connection, lease)

    def load_rider(self, key: SyncKey) -> RiderPass | None:
        """Return the open rider pass of a child whose parent's pass is complete, the newest one."""
        with self._using(key) as connection:
            return passes.load_rider(connection, key)

    def has_ridden(self, key: SyncKey, manifest_version: str) -> bool:
        """Return whether a full walk of its carrier has brought a rider, as this manifest version maps it."""
        with self._using(key) as connection:
            return passes.has_ridden(connection, key, manifest_version)

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        """Add to the report of a pass."""
        with self._using(lease.key) as connection:
            pass_reports.write_report(connection, lease, pass_id, report)

    def note_drift(self, lease: Lease, found: Sequence[Drift], listed: Collection[EntityName]) -> None:
        """Store where records differ from the manifest; of entities that were listed whole, nothing else remains."""
        with self._using(lease.key) as connection:
            schema_drift.note_drift(connection, lease.key, found, listed)

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        """Return the report of a pass so far."""
        with self._using(lease.key) as connection:
            return pass_reports.load_report(connection, lease.key, pass_id)

    def load_announced(self, lease: Lease, pass_id: PassId) -> Mapping[str, int]:
        """Return how many records this pass changed, and how many of them a webhook had announced."""
        with self._using(lease.key) as connection:
            return change_detection.load_announced(connection, lease, pass_id)

    def count_changes(self, key: SyncKey, batch: MappedBatch) -> int:
        """Count the records of a batch that storing would change; nothing is written."""
        with self._using(key) as connection:
            erasures = load_erasures(connection, self._keys, key.org, key.adapter)
            return change_detection.count_changes(
                connection, key, erasures.without_erased(batch) if erasures else batch
            )

    def has_due_parents(self, key: SyncKey, nesting: Nesting, scope: ParentScope) -> bool:
        """Return whether a new pass over this scope would read the list of a stored parent."""
        with self._using(key) as connection:
            return nested_parents.has_due_parents(connection, key, nesting, scope)

    def load_due_parents(self, key: SyncKey, nesting: Nesting, scope: ParentScope, most: int) -> Sequence[ParentPlace]:
        """Return the first parents whose lists a new pass over this scope would read."""
        with self._using(key) as connection:
            return nested_parents.load_parents(connection, key, nesting, None, "", most, scope)

    def load_ancestors(
        self, key: SyncKey, nesting: Nesting, of: Iterable[ExternalId]
    ) -> Mapping[ExternalId, Ancestors]:
        """Return what fills the further path parameters below these parents; unknown ones are left out."""
        with self._using(key) as connection:
            return nested_parents.load_ancestors(connection, key, nesting, of)

    def note_checked(self, key: SyncKey) -> None:
        """Store that the source was checked for changes now."""
        with self._using(key) as connection:
            change_detection.note_checked(connection, key)

    def count_live(self, key: SyncKey) -> int:
        """Count the stored records that are not tombstoned."""
        with self._using(key) as connection:
            return passes.count_live(connection, key)

    def count_set_aside(self, key: SyncKey) -> int:
        """Count the records of the source that are not stored: those with a dead letter, and erased ones."""
        with self._using(key) as connection:
            return passes.count_set_aside(connection, key)

    def count_rejected(self, key: SyncKey) -> RejectedRecords:
        """Return how many records are dead letters, of how many, and which share the org allows."""
        with self._using(key) as connection:
            return passes.count_rejected(connection, key)
