"""What the engine needs of a store to run a pass: its lease, its checkpoint and its report."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, SyncKey
from openfaith_sync.domain.mapping.drift import Drift
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.passes import Checkpoint, Lease, OpenPass, PassId, PassStart, RiderPass
from openfaith_sync.domain.passes.walk_place import WalkPlace


class Passes(Protocol):
    """Leases, checkpoints and passes."""

    def hold_lease(self, key: SyncKey, holder: str) -> AbstractContextManager[Lease]:
        """Hold the right to write under a key; it ends with the process, however that ends.

        Raises:
            LeaseHeld: Another live worker holds it.
        """
        ...

    def load_now(self, key: SyncKey) -> datetime:
        """Return the store's time, which is the same for all processes."""
        ...

    def load_checkpoint(self, key: SyncKey) -> Checkpoint:
        """Return the durable place to resume from; an empty one for a new key."""
        ...

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        """Begin a pass and one for each of its riders; an earlier open pass is abandoned."""
        ...

    def close_pass(
        self,
        lease: Lease,
        pass_id: PassId,
        watermark: datetime | None,
        requests: int,
        counted: CountedRecords | None = None,
    ) -> None:
        """Mark a pass complete and move the watermark up to the given one, never back.

        Law 3: a watermark moves up only here. ``requests`` adds those made outside pages; ``counted`` is what the
        source counted at its end.
        """
        ...

    def abandon_pass(self, lease: Lease, pass_id: PassId) -> None:
        """End a pass that will not be finished; the watermark stays."""
        ...

    def abandon_riders(self, lease: Lease, pass_id: PassId) -> None:
        """End the passes of children that were not included after all: they are walked by themselves."""
        ...

    def reset_watermark(self, lease: Lease) -> None:
        """Delete a watermark that is later than the source's clock: the next pass reads everything.

        One of the two ways in which a watermark moves back (law 3).
        """
        ...

    def load_rider(self, key: SyncKey) -> RiderPass | None:
        """Return the open rider pass of a child whose parent's pass is complete, the newest one."""
        ...

    def has_ridden(self, key: SyncKey, manifest_version: str) -> bool:
        """Return whether a full walk of its carrier has brought a rider, as this manifest version maps it."""
        ...

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        """Add to the report of a pass."""
        ...

    def note_drift(self, lease: Lease, found: Sequence[Drift], listed: Collection[EntityName]) -> None:
        """Store where records differ from the manifest; of entities that were listed whole, nothing else remains."""
        ...

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        """Return the report of a pass so far."""
        ...
