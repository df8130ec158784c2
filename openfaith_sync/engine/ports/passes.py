"""What the engine needs of a store to run a pass: its lease, its checkpoint and its report."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Checkpoint, Lease, OpenPass, PassId, PassStart, RiderPass
from openfaith_sync.domain.passes.walk_place import WalkPlace


class Passes(Protocol):
    """Leases, checkpoints and passes."""

    def hold_lease(self, key: SyncKey, holder: str) -> AbstractContextManager[Lease]:
        """Hold the right to write under a key; it ends with the process, however that ends.

        Raises:
            LeaseHeld: Another live worker has it.
        """
        ...

    def load_checkpoint(self, key: SyncKey) -> Checkpoint:
        """Return the durable place to resume from; an empty one for a new key."""
        ...

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        """Begin a pass and one for each of its riders; an open one before it is abandoned."""
        ...

    def close_pass(self, lease: Lease, pass_id: PassId, watermark: datetime | None, requests: int) -> None:
        """Mark a pass complete and move the watermark up to the given one, never back.

        Law 3: only here does a watermark move. ``requests`` adds those made outside pages.
        """
        ...

    def abandon_pass(self, lease: Lease, pass_id: PassId) -> None:
        """End a pass that will not be finished; the watermark stays."""
        ...

    def abandon_riders(self, lease: Lease, pass_id: PassId) -> None:
        """End the passes of the children that did not ride along after all: they walk themselves."""
        ...

    def reset_watermark(self, lease: Lease) -> None:
        """Forget a watermark that lies past the source's own clock: the next pass reads everything.

        The one way back for a watermark (law 3).
        """
        ...

    def load_rider(self, key: SyncKey) -> RiderPass | None:
        """Return the open rider pass of a child whose parent's pass is complete, the newest one."""
        ...

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        """Add to what a pass reports."""
        ...

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        """Return what a pass has reported so far."""
        ...
