"""Store an older version of a record where the source really went back to it (the exception of law 2).

A source that was restored from a backup shows older versions than ours, and so does a replica that lags
behind. They differ in one thing: the replica catches up. So an older version is taken only when a complete
listing and a reading by id agree on it, and agree again in a later reconciliation that began longer after
the first agreement than the overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.passes.deletions import DeletionCheck, HoldKind
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import OpenPass, PageCommit
from openfaith_sync.domain.records.nesting import RecordPlace
from openfaith_sync.domain.records.record import RawRecord, Record
from openfaith_sync.engine.deletions.deletion_confirmation import READS_AT_ONCE, REFUSALS_TO_STOP, PhaseResult
from openfaith_sync.engine.deletions.single_reads import SingleRead, read_records
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.ports.evidence import Evidence

READS_A_PASS = 500
"""The most older versions that one reconciliation reads by id; the others wait for the next."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The result of comparing one batch of single reads with the listing."""

    taken: tuple[OlderVersion, ...]
    records: tuple[RawRecord, ...]
    """The records to store: those that are taken, and those that turned out to be no older than ours."""
    agreed: tuple[ExternalId, ...]
    contradicted: tuple[ExternalId, ...]
    refused: int


class VersionRollback:
    """The phase of a reconciliation for records whose version at the source is older than ours."""

    def __init__(
        self, session: EntitySession, fetcher: Fetcher, evidence: Evidence, opened: OpenPass, *, is_whole: bool = True
    ) -> None:
        """Use the complete listing of this pass, or of a part of it."""
        self._is_whole = is_whole
        self._session = session
        self._fetcher = fetcher
        self._evidence = evidence
        self._opened = opened
        self._requests = 0
        self._refused = 0

    def run(self) -> PhaseResult:
        """Store the older versions, unless there are so many that a person must review them first.

        Behind a hold, records are still read once, so that an approval has its evidence.
        """
        self._evidence.compare_versions()
        check = self._evidence.check_older_versions()
        self._note_first(check)
        is_held = check.is_over and not check.is_approved
        self._read(is_held=is_held)
        left = self._evidence.check_older_versions()
        report = {
            "older_taken": self._evidence.count_taken(),
            "older_at_source": left.missing,
            "watermark_brought_back": self._bring_back_watermark(),
        }
        if not is_held:
            self._close_hold(left)
            return PhaseResult({**report, "older_held": None})
        hold = self._evidence.open_hold(check, _describe(self._session.entity.name, check), HoldKind.OLDER)
        stop = SafetyStop(
            f"{hold.reason}. Review them with: openfaith-sync holds show {hold.hold_id}; "
            f"everything else of {self._session.key} was stored"
        )
        return PhaseResult({**report, "older_held": hold.hold_id}, stop)

    def _note_first(self, check: DeletionCheck) -> None:
        if "went_back" not in self._evidence.load_report():
            self._evidence.note_report({"went_back": check.missing})

    def _read(self, *, is_held: bool) -> None:
        """Read older versions by id, as many as the pass may, and store those that are confirmed."""
        after: ExternalId | None = None
        overlap = self._session.entity.delta.overlap
        while self._requests < READS_A_PASS and self._refused < REFUSALS_TO_STOP:
            batch = self._evidence.load_older(after, READS_AT_ONCE, overlap=overlap, is_held=is_held)
            if not batch:
                return
            after = batch[-1].external_id
            self._commit(
                self._judge(batch, read_records(self._session, ((one.external_id, RecordPlace()) for one in batch)))
            )

    def _judge(self, batch: Sequence[OlderVersion], reads: Sequence[SingleRead]) -> _Comparison:
        """Compare each single read with the listing."""
        found = [single_read.record for single_read in reads if single_read.record]
        mapped = {record.external_id: record for record in self._fetcher.map_records(found).records}
        known = {one.external_id: one for one in batch}
        self._requests += len(reads)
        same = {name for name, record in mapped.items() if _is_as_listed(known[name], record)}
        taken = tuple(one for one in batch if one.external_id in same and one.is_ripe)
        # A record that is gone, newer by now or damaged is no evidence; the next listing decides.
        contradicted = tuple(
            single_read.external_id
            for single_read in reads
            if not single_read.refusal and single_read.external_id not in same
        )
        stored = {one.external_id for one in taken}.union(contradicted)
        return _Comparison(
            taken=taken,
            records=tuple(raw for raw in found if raw.external_id in stored),
            agreed=tuple(one.external_id for one in batch if one.external_id in same and not one.is_ripe),
            contradicted=contradicted,
            refused=sum(1 for single_read in reads if single_read.refusal),
        )

    def _commit(self, read: _Comparison) -> None:
        self._refused += read.refused
        commit = PageCommit(
            pass_id=self._opened.pass_id,
            place=self._opened.place,
            batches=(self._fetcher.map_records(read.records),),
            requests=len(read.taken) + len(read.agreed) + len(read.contradicted) + read.refused,
            older=read.taken,
            findings={"older_agreed": len(read.agreed)},
        )
        self._session.store.commit_page(self._session.lease, commit)
        self._evidence.note_reads(read.agreed, read.contradicted)

    def _bring_back_watermark(self) -> str | None:
        overlap = self._session.entity.delta.overlap
        moved = self._evidence.bring_back_watermark(overlap, is_whole=self._is_whole)
        return None if moved is None else moved.isoformat()

    def _close_hold(self, left: DeletionCheck) -> None:
        if left.hold is None:
            return
        if left.is_over:
            self._evidence.lower_ceiling(left.missing, HoldKind.OLDER)
        else:
            self._evidence.close_hold(HoldKind.OLDER)


def _is_as_listed(older: OlderVersion, record: Record) -> bool:
    return record.version == older.version


def _describe(entity: str, check: DeletionCheck) -> str:
    limits, older = check.limits, check.missing
    share = older / check.live if check.live else 1.0
    reason = (
        f"{older:,} records of {entity} ({share:.1%} of {check.live:,}) have an older version at the source than "
        f"here; more than {limits.count:,} and more than {limits.share:.0%} at once are not stored without approval"
    )
    ceiling = check.hold.approved_up_to if check.hold else None
    return reason if ceiling is None else f"{reason} ({ceiling:,} were approved)"
