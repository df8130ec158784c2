"""What a store must keep and compare to tell what is gone from what was merely not seen."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.deletions import Candidate, DeletionCheck, Hold, HoldKind, Unproven
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import Report
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.nesting import Nesting, ParentPlace


class Evidence(Protocol):
    """The evidence of one open pass. Everything that writes checks the lease, and may be repeated."""

    def load_report(self) -> Report:
        """Return what the pass has found so far."""
        ...

    def note_report(self, report: Report) -> None:
        """Put these figures in the place of those of the same name."""
        ...

    def count_listed(self) -> int:
        """Count the different ids that the pass has listed."""
        ...

    def count_unidentified(self) -> int:
        """Count the rows that were listed and name no id: each may be any record that we miss."""
        ...

    def digest_listed(self) -> str:
        """Return what is equal for two listings of the same ids, and for no others."""
        ...

    def restart_listing(self, place: WalkPlace) -> None:
        """Forget what the pass has listed, and go on at this place; what it found and stored stays."""
        ...

    def compare_listing(self) -> None:
        """Make what the complete listing lacks a candidate: only what was held and alive before the pass.

        Candidates that were listed, written to, or settled otherwise are candidates no more.
        """
        ...

    def load_missing(self, after: ExternalId | None, limit: int) -> Sequence[ExternalId]:
        """Return ids that were listed and of which nothing is held, in their order, after this one."""
        ...

    def load_parents(
        self, nesting: Nesting, after: ExternalId | None, limit: int, *, is_full: bool
    ) -> Sequence[ParentPlace]:
        """Return live parents whose lists this pass has still to read, in the order of their ids, after this one."""
        ...

    def count_parents(self, nesting: Nesting, *, is_full: bool) -> tuple[int, int]:
        """Count the parents whose lists this pass reads, and those that it has read already."""
        ...

    def compare_parents(self, nesting: Nesting, *, is_full: bool) -> None:
        """Make what no parent's list holds a candidate; after a walk of some parents, what these lists lost."""
        ...

    def check_deletions(self, parent: EntityName | None) -> DeletionCheck:
        """Return how much is missing of how much, what was lost lately, how much may be, and the hold that stands.

        What hung below a ``parent`` that is a tombstone, or that a person approved to go, is explained.
        Losses are counted by the store's clock, whatever deleted the records.
        """
        ...

    def open_hold(self, check: DeletionCheck, reason: str, kind: HoldKind = HoldKind.DELETIONS) -> Hold:
        """Have an open hold; an approval that it goes beyond is over."""
        ...

    def close_hold(self, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Have no hold of this kind stand."""
        ...

    def lower_ceiling(self, missing: int, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Have an approval allow no more than what is still missing."""
        ...

    def load_candidates(self, parent: EntityName | None, limit: int) -> tuple[Sequence[Candidate], datetime | None]:
        """Return candidates that this pass has not read yet, and the store's time when they were loaded.

        Those never read come first, then those read longest ago, so that every candidate is read in the
        end. With a ``parent``, only those whose parent is known: the others have no address.
        """
        ...

    def load_without_address(
        self, parent: EntityName, after: ExternalId | None, limit: int
    ) -> tuple[Sequence[Candidate], datetime | None]:
        """Return nested candidates whose parent nobody knows, in the order of their ids, after this one."""
        ...

    def count_unproven(self, parent: EntityName | None) -> Unproven:
        """Count the candidates that can be read by their ids and are not proven gone."""
        ...

    def compare_versions(self) -> None:
        """Note what the complete listing shows in an older version than is held, and nothing else.

        Only what was held before the pass, and was not written to since. What is noted already keeps its
        evidence, unless the source shows another version now or another one is held.
        """
        ...

    def check_older_versions(self) -> DeletionCheck:
        """Return how many records are older at the source, of how many, how many may be, and the hold that stands."""
        ...

    def load_older(
        self, after: ExternalId | None, limit: int, *, overlap: timedelta, is_held: bool
    ) -> Sequence[OlderVersion]:
        """Return older versions to be read by their ids, in the order of these, after this one.

        They are those that were never read, and those that are ripe; behind a hold only the former.
        """
        ...

    def note_reads(self, agreed: Sequence[ExternalId], contradicted: Sequence[ExternalId]) -> None:
        """Note now which readings agreed with the listing; what is known of the contradicted ones is forgotten."""
        ...

    def count_taken(self) -> int:
        """Count the older versions that this pass stored over newer ones."""
        ...

    def bring_back_watermark(self, overlap: timedelta) -> datetime | None:
        """Move a watermark back that lies beyond what the complete listing shows; return where to, if it moved.

        It also moves below what the source lists newer than it is held, so that the next delta reads it.
        """
        ...

    def note_findings(self) -> Report:
        """Note what was undeleted and what had changed unseen, and give the whole report."""
        ...

    def forget_listed(self) -> None:
        """Empty what passes that are over listed: while one is open, what it listed is its evidence."""
        ...
