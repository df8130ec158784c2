"""The engine's ``Evidence``: one open pass, its lease checked in each transaction that writes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.passes.deletions import Candidate, Hold, HoldKind, Unproven, Weighing
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import Lease, PassId, Report
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.nesting import Nesting, ParentPlace
from openfaith_sync.store.deletions import holds
from openfaith_sync.store.deletions import listing_comparison as comparison
from openfaith_sync.store.deletions import older_versions as older
from openfaith_sync.store.pages.page_writer import OnStep
from openfaith_sync.store.passes import change_detection as news
from openfaith_sync.store.passes import nested_parents as parents
from openfaith_sync.store.passes.leases import check_lease
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one

EVIDENCE_STEPS = (
    "note_report",
    "restart_listing",
    "compare_listing",
    "compare_parents",
    "open_hold",
    "settle_hold",
    "lower_ceiling",
    "compare_versions",
    "note_readings",
    "bring_back_watermark",
    "note_findings",
    "forget_listed",
)
"""What ``on_step`` is told before each of these transactions, and after it with ``_committed``."""

_REPORT = "SELECT COALESCE(report, '{}') FROM sync.passes WHERE org_id = %s AND pass_id = %s"


class PostgresEvidence:
    """What one open pass proves; implements ``engine.evidence.Evidence``. Used from one thread."""

    def __init__(self, connection: Connection, lease: Lease, pass_id: PassId, on_step: OnStep | None) -> None:
        """Speak of this pass only."""
        self._connection = connection
        self._lease = lease
        self._key = lease.key
        self._pass_id = pass_id
        self._on_step = on_step

    def load_report(self) -> Report:
        """Return what the pass has found so far."""
        with translated():
            found: Report = fetch_one(self._connection, _REPORT, (self._key.org, self._pass_id))[0]
            return found

    def note_report(self, report: Report) -> None:
        """Put these figures in the place of those of the same name."""
        with self._writing("note_report"):
            news.write_report(self._connection, self._lease, self._pass_id, report)

    def count_listed(self) -> int:
        """Count the different ids that the pass has listed."""
        with translated():
            return comparison.count_listed(self._connection, self._key, self._pass_id)

    def count_unidentified(self) -> int:
        """Count the rows that were listed and name no id."""
        with translated():
            return comparison.count_unidentified(self._connection, self._key, self._pass_id)

    def digest_listed(self) -> str:
        """Return what is equal for two listings of the same ids, and for no others."""
        with translated():
            return comparison.digest_listed(self._connection, self._key, self._pass_id)

    def restart_listing(self, place: WalkPlace) -> None:
        """Forget what the pass has listed, and go on at this place; what it found and stored stays."""
        with self._writing("restart_listing"):
            comparison.restart_listing(self._connection, self._key, self._pass_id, place)

    def compare_listing(self) -> None:
        """Make what the complete listing lacks a candidate: only what was held and alive before the pass."""
        with self._writing("compare_listing"):
            comparison.compare_listing(self._connection, self._key, self._pass_id)

    def load_missing(self, after: ExternalId | None, limit: int) -> Sequence[ExternalId]:
        """Return ids that were listed and of which nothing is held, in their order, after this one."""
        with translated():
            return comparison.load_missing(self._connection, self._key, self._pass_id, after or "", limit)

    def load_parents(
        self, nesting: Nesting, after: ExternalId | None, limit: int, *, is_full: bool
    ) -> Sequence[ParentPlace]:
        """Return live parents whose lists this pass has still to read, in the order of their ids, after this one."""
        told = (self._connection, self._key, nesting, self._pass_id)
        with translated():
            return parents.load_parents(*told, after or "", limit, is_full=is_full)

    def count_parents(self, nesting: Nesting, *, is_full: bool) -> tuple[int, int]:
        """Count the parents whose lists this pass reads, and those that it has read already."""
        with translated():
            return parents.count_parents(self._connection, self._key, nesting, self._pass_id, is_full=is_full)

    def compare_parents(self, nesting: Nesting, *, is_full: bool) -> None:
        """Make what no parent's list holds a candidate; after a walk of some parents, what these lists lost."""
        with self._writing("compare_parents"):
            parents.compare_parents(self._connection, self._key, nesting, self._pass_id, is_full=is_full)

    def weigh(self, parent: EntityName | None) -> Weighing:
        """Return how much is missing of how much, how much may be, and the hold that stands."""
        with translated():
            return holds.weigh(self._connection, self._key, parent)

    def open_hold(self, weighed: Weighing, reason: str, kind: HoldKind = HoldKind.DELETIONS) -> Hold:
        """Have an open hold of this kind; an approval that it goes beyond is over."""
        with self._writing("open_hold"):
            return holds.open_hold(self._connection, self._key, self._pass_id, weighed, reason, kind)

    def settle_hold(self, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Have no hold of this kind stand."""
        with self._writing("settle_hold"):
            holds.settle_hold(self._connection, self._key, kind)

    def lower_ceiling(self, missing: int, kind: HoldKind = HoldKind.DELETIONS) -> None:
        """Have an approval allow no more than what still waits."""
        with self._writing("lower_ceiling"):
            holds.lower_ceiling(self._connection, self._key, missing, kind)

    def load_candidates(self, parent: EntityName | None, limit: int) -> tuple[Sequence[Candidate], datetime | None]:
        """Return candidates that this pass has not read yet, and the database's time; those never read come first."""
        with translated():
            return comparison.load_candidates(self._connection, self._key, self._pass_id, parent, limit)

    def load_without_address(
        self, parent: EntityName, after: ExternalId | None, limit: int
    ) -> tuple[Sequence[Candidate], datetime | None]:
        """Return nested candidates whose parent nobody knows, in the order of their ids, after this one."""
        told = (self._connection, self._key, self._pass_id, parent)
        with translated():
            return comparison.load_without_address(*told, after or "", limit)

    def count_unproven(self, parent: EntityName | None) -> Unproven:
        """Count the candidates that can be read by their ids and are not proven gone."""
        with translated():
            return comparison.count_unproven(self._connection, self._key, parent)

    def compare_versions(self) -> None:
        """Note what the complete listing shows in an older version than is held, and nothing else."""
        with self._writing("compare_versions"):
            older.compare_versions(self._connection, self._key, self._pass_id)

    def weigh_older(self) -> Weighing:
        """Return how many records are older at the source, of how many, how many may be, and the hold that stands."""
        with translated():
            return older.weigh_older(self._connection, self._key, self._pass_id)

    def load_older(
        self, after: ExternalId | None, limit: int, *, overlap: timedelta, is_held: bool
    ) -> Sequence[OlderVersion]:
        """Return older versions to be read by their ids, in the order of these, after this one."""
        place = (self._connection, self._key, self._pass_id, after or "", limit)
        with translated():
            return older.load_older(*place, overlap=overlap, is_held=is_held)

    def note_readings(self, agreed: Sequence[ExternalId], contradicted: Sequence[ExternalId]) -> None:
        """Note now which readings agreed with the listing; what is known of the contradicted ones is forgotten."""
        with self._writing("note_readings"):
            older.note_readings(self._connection, self._key, self._pass_id, agreed, contradicted)

    def count_taken(self) -> int:
        """Count the older versions that this pass stored over newer ones."""
        with translated():
            return older.count_taken(self._connection, self._key, self._pass_id)

    def bring_back_watermark(self, overlap: timedelta) -> datetime | None:
        """Move a watermark back that lies beyond what the complete listing shows; return where to, if it moved."""
        with self._writing("bring_back_watermark"):
            return older.bring_back_watermark(self._connection, self._key, self._pass_id, overlap)

    def note_findings(self) -> Report:
        """Note what was undeleted and what had changed unseen, and give the whole report."""
        with self._writing("note_findings"):
            found = comparison.load_findings(self._connection, self._key, self._pass_id)
            news.write_report(self._connection, self._lease, self._pass_id, found)
        return self.load_report()

    def forget_listed(self) -> None:
        """Empty what passes that are over listed."""
        with self._writing("forget_listed"):
            comparison.forget_listed(self._connection, self._key)

    @contextmanager
    def _writing(self, step: str) -> Iterator[None]:
        self._step(step)
        with translated(), self._connection.transaction():
            check_lease(self._connection, self._lease)
            yield
        self._step(f"{step}_committed")

    def _step(self, step: str) -> None:
        if self._on_step is not None:
            self._on_step(step)
