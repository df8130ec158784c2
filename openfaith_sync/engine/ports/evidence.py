"""What a store must keep and compare to tell deleted records from records that were merely not listed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.deletions import Candidate, ComparedPart, DeletionCheck, Hold, HoldKind, Unproven
from openfaith_sync.domain.passes.listing import Ancestors
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import Report
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.domain.records.nesting import Nesting, ParentCounts, ParentPlace, ParentScope


class CountedMonths(Protocol):
    """The numbers of stored records by month."""

    def count_between(self, column: str, bounds: Sequence[datetime]) -> Sequence[int]:
        """Count the living records of which a time lies between each two neighbours among these bounds."""
        ...

    def note_months(self, differing: int) -> None:
        """Store for how many months the source counts another number of records than are stored."""
        ...


class Evidence(CountedMonths, Protocol):
    """The evidence of one open pass. Everything that writes checks the lease and can be repeated."""

    def load_report(self) -> Report:
        """Return what the pass has reported so far."""
        ...

    def note_report(self, report: Report) -> None:
        """Store these figures in the pass's report, in place of those of the same name."""
        ...

    def count_listed(self) -> int:
        """Count the different ids that the pass has listed."""
        ...

    def count_unidentified(self) -> int:
        """Count the listed rows without an id: each may be any record that is missing."""
        ...

    def digest_listed(self) -> str:
        """Return a digest of the listed ids, equal only for listings of the same ids."""
        ...

    def restart_listing(self, place: WalkPlace) -> None:
        """Forget the listed ids and resume at this place; the report and stored records stay."""
        ...

    def compare_listing(self, part: ComparedPart | None = None) -> None:
        """Make records that the complete listing lacks candidates, if they were stored and alive before the pass.

        With a ``part``, only records of which the stored attribute lies within it.

        Records that were listed, written to, or resolved otherwise are no longer candidates.
        """
        ...

    def count_within(self, part: ComparedPart) -> int:
        """Count the live records of which the stored attribute lies within a part."""
        ...

    def load_missing(self, after: ExternalId | None, limit: int) -> Sequence[ExternalId]:
        """Return listed ids of which nothing is stored, in their order, after this one."""
        ...

    def load_parents(
        self, nesting: Nesting, after: ExternalId | None, limit: int, scope: ParentScope
    ) -> Sequence[ParentPlace]:
        """Return live parents whose lists this pass still has to read, in the order of their ids, after this one."""
        ...

    def count_parents(self, nesting: Nesting, scope: ParentScope) -> ParentCounts:
        """Count the parents by what becomes of their lists in this pass."""
        ...

    def compare_parents(self, nesting: Nesting, scope: ParentScope) -> None:
        """Make records in no parent's list candidates; after a delta, records that left the lists that were read.

        A record below a living parent whose list this pass did not read is no candidate.
        """
        ...

    def load_ancestors(self, nesting: Nesting, of: Iterable[ExternalId]) -> Mapping[ExternalId, Ancestors]:
        """Return what fills the further path parameters below these parents; unknown ones are left out."""
        ...

    def compare_riders(self, nesting: Nesting) -> None:
        """Make riders candidates that no living record names, where a list read by this pass lacks them.

        Those below parents that are gone too, unless another record names them.
        """
        ...

    def count_lacked_riders(self, nesting: Nesting) -> int:
        """Count the riders that living records name, that are neither stored nor set aside, and that no list denies."""
        ...

    def count_living_parents(self, nesting: Nesting) -> int:
        """Count the parents that are stored and no tombstones."""
        ...

    def check_deletions(self, parent: EntityName | None) -> DeletionCheck:
        """Return the missing and live records, recent losses, the limits, and the open or approved hold.

        What hung below a ``parent`` that is a tombstone, or that a person approved to go, is explained.
        Losses are counted by the database's clock, whatever deleted the records.
        """
        ...

    def open_hold(self, check: DeletionCheck, reason: str, kind: HoldKind = HoldKind.DELETIONS) -> Hold:
        """Open a hold, or update the open one; an approval that is exceeded ends."""
        ...

    def close_hold(self, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Close the hold of this kind, if there is one."""
        ...

    def lower_ceiling(self, missing: int, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Lower an approval to what is still missing."""
        ...

    def load_candidates(self, parent: EntityName | None, limit: int) -> tuple[Sequence[Candidate], datetime | None]:
        """Return candidates that this pass has not read yet, and the database's time when they were loaded.

        Those never read come first, then those read longest ago, so that every candidate is read in the
        end. With a ``parent``, only those whose parent is known: the others have no address.
        """
        ...

    def load_without_address(
        self, parent: EntityName, after: ExternalId | None, limit: int, *, is_readable: bool
    ) -> tuple[Sequence[Candidate], datetime | None]:
        """Return nested candidates that cannot be read by id, in the order of their ids, after this one.

        Those whose parent is unknown; all of them where ``is_readable`` is false.
        """
        ...

    def count_unproven(self, parent: EntityName | None, *, is_readable: bool) -> Unproven:
        """Count the candidates that can be read by id and are not proven gone: none if ``is_readable`` is false."""
        ...

    def compare_versions(self) -> None:
        """Store which records the complete listing shows in an older version than ours.

        Only records that were stored before the pass and not written to since. Those stored earlier keep their
        evidence, unless the source or the database has another version by now.
        """
        ...

    def check_older_versions(self) -> DeletionCheck:
        """Return the records that are older at the source, the limits, and the open or approved hold."""
        ...

    def load_older(
        self, after: ExternalId | None, limit: int, *, overlap: timedelta, is_held: bool
    ) -> Sequence[OlderVersion]:
        """Return older versions to read by id, in the order of their ids, after this one.

        Those are the ones that were never read, and those that are ripe; behind a hold only the former.
        """
        ...

    def note_reads(self, agreed: Sequence[ExternalId], contradicted: Sequence[ExternalId]) -> None:
        """Store which single reads agreed with the listing, and forget the contradicted ones."""
        ...

    def count_taken(self) -> int:
        """Count the older versions that this pass stored over newer ones."""
        ...

    def bring_back_watermark(self, overlap: timedelta, *, is_whole: bool = True) -> datetime | None:
        """Move back a watermark that is beyond what the complete listing shows; return the new one, if it moved.

        It also moves below records that the source lists newer than ours, so that the next delta reads them. After a
        part of the listing, it moves for that reason only.
        """
        ...

    def note_findings(self) -> Report:
        """Store what was undeleted and what had changed unseen, and return the whole report."""
        ...

    def note_dangling(self, references: Sequence[ReferenceColumn]) -> None:
        """Store how many of the entity's references lead to records that are not stored, though they should be."""
        ...

    def forget_listed(self) -> None:
        """Delete the listed ids of ended passes; those of an open pass are its evidence."""
        ...
