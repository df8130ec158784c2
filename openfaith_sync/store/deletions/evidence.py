"""The engine's ``Evidence``: one open pass, its lease checked in each transaction that writes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.deletions import Candidate, ComparedPart, DeletionCheck, Hold, HoldKind, Unproven
from openfaith_sync.domain.passes.listing import Ancestors
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import Lease, PassId, Report
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.problems.giving_differences import GivingDifference
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.domain.records.nesting import Nesting, ParentCounts, ParentPlace, ParentScope
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.deletions import holds
from openfaith_sync.store.deletions import listing_comparison as comparison
from openfaith_sync.store.deletions import older_versions as older
from openfaith_sync.store.deletions.dangling_references import note_dangling
from openfaith_sync.store.giving.differences import count_between, note_differences, store_differences
from openfaith_sync.store.passes import nested_parents as parents
from openfaith_sync.store.passes import pass_reports, riders
from openfaith_sync.store.passes.leases import check_lease
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection


class PostgresEvidence:
    """The evidence of one open pass; implements ``engine.evidence.Evidence``. Used from one thread."""

    def __init__(self, connection: Connection, lease: Lease, pass_id: PassId, on_step: OnStep | None) -> None:
        """Bind to one pass."""
        self._connection = connection
        self._lease = lease
        self._key = lease.key
        self._pass_id = pass_id
        self._on_step = on_step

    def load_report(self) -> Report:
        """Return what the pass has found so far."""
        with translated():
            return pass_reports.load_report(self._connection, self._key, self._pass_id)

    def note_report(self, report: Report) -> None:
        """Replace the figures of the same names."""
        with self._stepping("note_report"), translated():
            pass_reports.write_report(self._connection, self._lease, self._pass_id, report)

    def count_listed(self) -> int:
        """Count the distinct ids that the pass has listed."""
        with translated():
            return comparison.count_listed(self._connection, self._key, self._pass_id)

    def count_unidentified(self) -> int:
        """Count the listed rows that name no id."""
        with translated():
            return comparison.count_unidentified(self._connection, self._key, self._pass_id)

    def digest_listed(self) -> str:
        """Return a digest that is equal only for listings of the same ids."""
        with translated():
            return comparison.digest_listed(self._connection, self._key, self._pass_id)

    def restart_listing(self, place: WalkPlace) -> None:
        """Discard the ids that the pass listed and restart at this place; stored records stay."""
        with self._writing("restart_listing"):
            comparison.restart_listing(self._connection, self._key, self._pass_id, place)

    def compare_listing(self, part: ComparedPart | None = None) -> None:
        """Make each record missing from the complete listing a deletion candidate, if it was live before the pass."""
        with self._writing("compare_listing"):
            comparison.compare_listing(self._connection, self._key, self._pass_id, part)

    def count_within(self, part: ComparedPart) -> int:
        """Count the live records of which the stored attribute lies within a part."""
        with translated():
            return comparison.count_within(self._connection, self._key, part)

    def load_missing(self, after: ExternalId | None, limit: int) -> Sequence[ExternalId]:
        """Return ids that were listed but are not stored, in order, after this one."""
        with translated():
            return comparison.load_missing(self._connection, self._key, self._pass_id, after or "", limit)

    def load_parents(
        self, nesting: Nesting, after: ExternalId | None, limit: int, scope: ParentScope
    ) -> Sequence[ParentPlace]:
        """Return live parents whose lists this pass has not read yet, in id order, after this one."""
        arguments = (self._connection, self._key, nesting, self._pass_id)
        with translated():
            return parents.load_parents(*arguments, after or "", limit, scope)

    def count_parents(self, nesting: Nesting, scope: ParentScope) -> ParentCounts:
        """Count the parents by what becomes of their lists in this pass."""
        with translated():
            return parents.count_parents(self._connection, self._key, nesting, self._pass_id, scope)

    def compare_parents(self, nesting: Nesting, scope: ParentScope) -> None:
        """Make each record missing from all parents' lists a candidate; after a walk of some parents, only theirs."""
        with self._writing("compare_parents"):
            parents.compare_parents(self._connection, self._key, nesting, self._pass_id, scope)

    def load_ancestors(self, nesting: Nesting, of: Iterable[ExternalId]) -> Mapping[ExternalId, Ancestors]:
        """Return what fills the further path parameters below these parents; unknown ones are left out."""
        with translated():
            return parents.load_ancestors(self._connection, self._key, nesting, of)

    def compare_riders(self, nesting: Nesting) -> None:
        """Make riders that no living record names candidates, where a list read by this pass lacks them."""
        with self._writing("compare_riders"):
            riders.compare_riders(self._connection, self._key, nesting, self._pass_id)

    def count_lacked_riders(self, nesting: Nesting) -> int:
        """Count the riders that are named by living records, neither stored nor set aside, and not denied by a list."""
        with translated():
            return riders.count_lacked(self._connection, self._key, nesting)

    def count_living_parents(self, nesting: Nesting) -> int:
        """Count the parents that are stored and no tombstones."""
        with translated():
            return riders.count_living_parents(self._connection, self._key, nesting)

    def check_deletions(self, parent: EntityName | None) -> DeletionCheck:
        """Return the missing share, the allowed share and the standing hold."""
        with translated():
            return holds.check_deletions(self._connection, self._key, parent)

    def open_hold(self, check: DeletionCheck, reason: str, kind: HoldKind = HoldKind.DELETIONS) -> Hold:
        """Open a hold of this kind unless one is open; a smaller approval ends."""
        with self._writing("open_hold"):
            return holds.open_hold(self._connection, self._key, self._pass_id, check, reason, kind)

    def close_hold(self, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Close the standing hold of this kind."""
        with self._writing("close_hold"):
            holds.close_hold(self._connection, self._key, kind)

    def lower_ceiling(self, missing: int, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Lower an approval to the number still waiting."""
        with self._writing("lower_ceiling"):
            holds.lower_ceiling(self._connection, self._key, missing, kind)

    def load_candidates(self, parent: EntityName | None, limit: int) -> tuple[Sequence[Candidate], datetime | None]:
        """Return candidates that this pass has not read yet, never-read ones first, and the database's time."""
        with translated():
            return comparison.load_candidates(self._connection, self._key, self._pass_id, parent, limit)

    def load_without_address(
        self, parent: EntityName, after: ExternalId | None, limit: int, *, is_readable: bool
    ) -> tuple[Sequence[Candidate], datetime | None]:
        """Return nested candidates that cannot be read by id, in id order, after this one."""
        arguments = (self._connection, self._key, self._pass_id, parent)
        with translated():
            return comparison.load_without_address(*arguments, after or "", limit, is_readable=is_readable)

    def count_unproven(self, parent: EntityName | None, *, is_readable: bool) -> Unproven:
        """Count the candidates that can be read by id and are not proven gone."""
        with translated():
            return comparison.count_unproven(self._connection, self._key, parent, is_readable=is_readable)

    def compare_versions(self) -> None:
        """Record which records the complete listing shows in an older version than stored."""
        with self._writing("compare_versions"):
            older.compare_versions(self._connection, self._key, self._pass_id)

    def check_older_versions(self) -> DeletionCheck:
        """Return how many records are older at the source, the total, the allowed number and the standing hold."""
        with translated():
            return older.check_older_versions(self._connection, self._key, self._pass_id)

    def load_older(
        self, after: ExternalId | None, limit: int, *, overlap: timedelta, is_held: bool
    ) -> Sequence[OlderVersion]:
        """Return older versions to read by id, in id order, after this one."""
        place = (self._connection, self._key, self._pass_id, after or "", limit)
        with translated():
            return older.load_older(*place, overlap=overlap, is_held=is_held)

    def note_reads(self, agreed: Sequence[ExternalId], contradicted: Sequence[ExternalId]) -> None:
        """Record which single reads agreed with the listing; evidence of the others is discarded."""
        with self._writing("note_reads"):
            older.note_reads(self._connection, self._key, self._pass_id, agreed, contradicted)

    def count_taken(self) -> int:
        """Count the older versions that this pass stored over newer ones."""
        with translated():
            return older.count_taken(self._connection, self._key, self._pass_id)

    def bring_back_watermark(self, overlap: timedelta, *, is_whole: bool = True) -> datetime | None:
        """Move a watermark back that lies beyond the complete listing; return the new one if it moved."""
        with self._writing("bring_back_watermark"):
            return older.bring_back_watermark(self._connection, self._key, self._pass_id, overlap, is_whole=is_whole)

    def note_findings(self) -> Report:
        """Record undeleted records and unseen changes, and return the whole report."""
        with self._writing("note_findings"):
            found = comparison.load_findings(self._connection, self._key, self._pass_id)
            pass_reports.write_report(self._connection, self._lease, self._pass_id, found)
        return self.load_report()

    def note_dangling(self, references: Sequence[ReferenceColumn]) -> None:
        """Store how many of the entity's references lead to records that are not stored, though they should be.

        For an entity of giving, store as well how many amounts do not add up.
        """
        with self._writing("note_dangling"):
            note_dangling(self._connection, self._key, references)
            note_differences(self._connection, self._key)

    def count_between(self, column: str, bounds: Sequence[datetime]) -> Sequence[int]:
        """Count the living records of which a time lies between each two neighbours among these bounds."""
        with translated():
            return count_between(self._connection, self._key, column, bounds)

    def note_months(self, differing: int) -> None:
        """Store for how many months the source counts another number of records than are stored."""
        with self._writing("note_months"):
            store_differences(
                self._connection, self._key, {GivingDifference.MONTH: differing}, (GivingDifference.MONTH,)
            )

    def forget_listed(self) -> None:
        """Delete the listed ids of finished passes."""
        with self._writing("forget_listed"):
            comparison.forget_listed(self._connection, self._key)

    @contextmanager
    def _writing(self, step: str) -> Iterator[None]:
        with self._stepping(step), translated(), self._connection.transaction():
            check_lease(self._connection, self._lease)
            yield

    @contextmanager
    def _stepping(self, step: str) -> Iterator[None]:
        self._step(step)
        yield
        self._step(f"{step}_committed")

    def _step(self, step: str) -> None:
        if self._on_step is not None:
            self._on_step(step)
