"""Takes an older version of a record where the source really went back to it (the exception of law 2).

A source that was restored from a backup shows older versions than we hold, and so does a replica that lags
behind. They differ in one thing: the replica catches up. So an older version is taken only when a complete
listing and a reading by id agree on it, and agree again in a later reconciliation that began longer after
the first agreement than the overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.passes.deletions import HoldKind, Weighing
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import OpenPass, PageCommit
from openfaith_sync.domain.records.record import RawRecord, Record
from openfaith_sync.engine.deletions.deletion_confirmation import READS_AT_ONCE, REFUSALS_TO_STOP, Settled
from openfaith_sync.engine.deletions.single_reads import Reading, read_records
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.ports.evidence import Evidence

READS_A_PASS = 500
"""So many older versions are read by id in one reconciliation; the others wait for the next."""


@dataclass(frozen=True, slots=True)
class _Readings:
    """What one batch of readings says."""

    taken: tuple[OlderVersion, ...]
    records: tuple[RawRecord, ...]
    """What is stored: the taken ones, and those that turned out to be no older than what is held."""
    agreed: tuple[ExternalId, ...]
    contradicted: tuple[ExternalId, ...]
    refused: int


class GoingBack:
    """The records of one reconciliation that the source shows in an older version than the one held."""

    def __init__(self, session: EntitySession, fetcher: Fetcher, evidence: Evidence, opened: OpenPass) -> None:
        """Look at what the complete listing of this pass showed."""
        self._session = session
        self._fetcher = fetcher
        self._evidence = evidence
        self._opened = opened
        self._requests = 0
        self._refused = 0

    def run(self) -> Settled:
        """Take what the source went back to, unless it is so much that a person must look first.

        Behind a hold records are still read once, so that an approval has its evidence.
        """
        self._evidence.compare_versions()
        weighed = self._evidence.weigh_older()
        self._note_first(weighed)
        is_held = weighed.is_over and not weighed.is_approved
        self._read(is_held=is_held)
        left = self._evidence.weigh_older()
        report = {
            "older_taken": self._evidence.count_taken(),
            "older_at_source": left.missing,
            "watermark_brought_back": self._bring_back_watermark(),
        }
        if not is_held:
            self._settle_hold(left)
            return Settled({**report, "older_held": None})
        hold = self._evidence.open_hold(weighed, _describe(self._session.entity.name, weighed), HoldKind.OLDER)
        stop = SafetyStop(
            f"{hold.reason}. Look at them with: openfaith-sync holds show {hold.hold_id}; "
            f"everything else of {self._session.key} was stored"
        )
        return Settled({**report, "older_held": hold.hold_id}, stop)

    def _note_first(self, weighed: Weighing) -> None:
        if "went_back" not in self._evidence.load_report():
            self._evidence.note_report({"went_back": weighed.missing})

    def _read(self, *, is_held: bool) -> None:
        """Read older versions by their ids, as many as the budget allows, and store what the readings prove."""
        after: ExternalId | None = None
        overlap = self._session.entity.delta.overlap
        while self._requests < READS_A_PASS and self._refused < REFUSALS_TO_STOP:
            batch = self._evidence.load_older(after, READS_AT_ONCE, overlap=overlap, is_held=is_held)
            if not batch:
                return
            after = batch[-1].external_id
            self._commit(self._judge(batch, read_records(self._session, ((one.external_id, None) for one in batch))))

    def _judge(self, batch: Sequence[OlderVersion], readings: Sequence[Reading]) -> _Readings:
        """Compare each reading with the listing."""
        found = [reading.record for reading in readings if reading.record]
        mapped = {record.external_id: record for record in self._fetcher.map_records(found).records}
        known = {one.external_id: one for one in batch}
        self._requests += len(readings)
        same = {name for name, record in mapped.items() if _is_as_listed(known[name], record)}
        taken = tuple(one for one in batch if one.external_id in same and one.is_ripe)
        # What was listed and is gone, or newer by now, or bad, is no evidence; the next listing tells.
        contradicted = tuple(
            reading.external_id for reading in readings if not reading.refusal and reading.external_id not in same
        )
        stored = {one.external_id for one in taken}.union(contradicted)
        return _Readings(
            taken=taken,
            records=tuple(raw for raw in found if raw.external_id in stored),
            agreed=tuple(one.external_id for one in batch if one.external_id in same and not one.is_ripe),
            contradicted=contradicted,
            refused=sum(1 for reading in readings if reading.refusal),
        )

    def _commit(self, read: _Readings) -> None:
        self._refused += read.refused
        commit = PageCommit(
            pass_id=self._opened.pass_id,
            place=self._opened.place,
            batches=(self._fetcher.map_records(read.records),),
            requests=len(read.taken) + len(read.agreed) + len(read.contradicted) + read.refused,
            older=read.taken,
            found={"older_agreed": len(read.agreed)},
        )
        self._session.store.commit_page(self._session.lease, commit)
        self._evidence.note_readings(read.agreed, read.contradicted)

    def _bring_back_watermark(self) -> str | None:
        moved = self._evidence.bring_back_watermark(self._session.entity.delta.overlap)
        return None if moved is None else moved.isoformat()

    def _settle_hold(self, left: Weighing) -> None:
        if left.hold is None:
            return
        if left.is_over:
            self._evidence.lower_ceiling(left.missing, HoldKind.OLDER)
        else:
            self._evidence.settle_hold(HoldKind.OLDER)


def _is_as_listed(older: OlderVersion, record: Record) -> bool:
    return record.version == older.version


def _describe(entity: str, weighed: Weighing) -> str:
    limits, older = weighed.limits, weighed.missing
    share = older / weighed.live if weighed.live else 1.0
    reason = (
        f"{older:,} records of {entity} ({share:.1%} of {weighed.live:,}) have an older version at the source than "
        f"here; more than {limits.count:,} and more than {limits.share:.0%} at once are not taken before a person looks"
    )
    ceiling = weighed.hold.approved_up_to if weighed.hold else None
    return reason if ceiling is None else f"{reason} (approved were {ceiling:,})"
