"""Sync riders, whose records came with others' pages: read the lists only of parents that name others.

Whatever the mode, a parent whose riders are those that its record names costs no request and no row. A list that is
read is the proof of what is there and what is gone; what merely came with pages, or did not, proves nothing.
"""

from dataclasses import replace

from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.records.nesting import ParentCounts
from openfaith_sync.engine.nested.nested_sync import NestedSync
from openfaith_sync.engine.ports.evidence import Evidence


class RiderSync(NestedSync):
    """One pass over the parents of riders that differ from what is stored."""

    def run(self) -> PassResult:
        """Read the lists of parents that name other riders than are stored, then confirm what left them.

        The pass in which the riders came is complete with this one.

        Raises:
            SyncError: As for every nested entity.
        """
        came_with = self._session.store.load_rider(self._session.key)
        result = super().run()
        if came_with is None:
            return result
        return replace(result, counts=came_with.counts + result.counts)

    def _decide_mode(self) -> SyncMode:
        """Return the mode; only where all records came anew have they been mapped by the present manifest."""
        key, version, store = self._session.key, self._session.version, self._session.store
        checkpoint = store.load_checkpoint(key)
        opened = checkpoint.open_pass
        if self._asked is SyncMode.AUTO and opened is not None and opened.start.manifest_version == version:
            return opened.start.mode
        have_ridden = store.has_ridden(key, version)
        if self._asked is SyncMode.RECONCILIATION or (self._asked is SyncMode.FULL and not have_ridden):
            return SyncMode.RECONCILIATION
        if self._asked is SyncMode.FULL:
            return SyncMode.FULL
        return SyncMode.FULL if have_ridden and checkpoint.manifest_version != version else SyncMode.DELTA

    def _count_parents(self, evidence: Evidence) -> ParentCounts:
        """Return the parents to compare: all of them, and those that agree are done at once."""
        counts = super()._count_parents(evidence)
        spared = evidence.count_living_parents(self._nesting) - counts.to_read
        evidence.note_report({"parents_spared": spared})
        return replace(counts, to_read=counts.to_read + spared, done=counts.done + spared)

    def _compare(self, evidence: Evidence) -> None:
        evidence.compare_riders(self._nesting)

    def _note_complete(self, evidence: Evidence) -> None:
        """Report how many riders there are, as the records that have them name them."""
        key, store = self._session.key, self._session.store
        lacked = evidence.count_lacked_riders(self._nesting)
        missing = evidence.check_deletions(self._session.entity.parent).missing
        stored = store.count_live(key) + store.count_set_aside(key)
        evidence.note_report({"source_count": stored - missing + lacked, "named_not_stored": lacked})

    def _end(self, evidence: Evidence) -> None:
        self._note_complete(evidence)
        came_with = self._session.store.load_rider(self._session.key)
        if came_with is not None:
            self._session.store.close_pass(self._session.lease, came_with.pass_id, came_with.watermark_to, 0)
