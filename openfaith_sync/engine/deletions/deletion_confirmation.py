"""Confirm deletions: tombstone the records that a complete listing lacks and that are proven gone (law 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import ExternalId, derive_entity_id
from openfaith_sync.domain.passes.deletions import READS_A_PASS, Candidate, ComparedPart, DeletionCheck, Hold
from openfaith_sync.domain.passes.passes import CandidateAnswer, OpenPass, PageCommit, Report, Tombstone
from openfaith_sync.domain.records.nesting import RecordPlace, build_nesting
from openfaith_sync.engine.deletions.single_reads import join_children, read_records
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.ports.evidence import Evidence

READS_AT_ONCE = 50
"""Read and committed together; a killed pass reads at most so many again."""

TOMBSTONES_AT_ONCE = 500
"""Committed together where no record is read."""

REFUSALS_TO_STOP = 10
"""After so many refused reads this pass stops reading; the next one begins with the unread candidates."""


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """The outcome of one phase of a reconciliation."""

    report: Report
    stop: SafetyStop | None = None
    """Raised once the pass is closed: additions are stored, deletions wait."""


class DeletionConfirmation:
    """The last phase of a pass: it decides about each candidate for deletion."""

    def __init__(
        self,
        session: EntitySession,
        fetcher: Fetcher,
        evidence: Evidence,
        opened: OpenPass,
        compared: ComparedPart | None = None,
    ) -> None:
        """Decide about the records that this pass found missing, in a part of the records or in all."""
        self._compared = compared
        self._session = session
        self._fetcher = fetcher
        self._evidence = evidence
        self._opened = opened
        self._parent = session.entity.parent if session.entity.nested else None
        # A nested entity may have no path for single records. Another one that has none is never deleted.
        self._is_readable = session.entity.endpoints.get is not None or self._parent is None
        self._nesting = build_nesting(session.manifest, session.entity) if session.entity.nested else None
        self._read = 0
        self._refusals: list[Exception] = []

    def run(self) -> PhaseResult:
        """Tombstone what is proven gone, unless so much is missing that a person must review it first.

        The limits are checked again before each batch, since webhooks may delete meanwhile.
        """
        while True:
            check = self._check()
            if check.is_over and not check.is_approved:
                return self._hold(check)
            if not self._read_batch(check):
                break
        self._believe_second_listing(check)
        left = self._check()
        self._close_hold(left)
        return PhaseResult({"held": None, "still_candidates": left.missing, "why": self._why(left)})

    def _check(self) -> DeletionCheck:
        """Return how much is missing, as a share of what was compared."""
        check = self._evidence.check_deletions(self._session.entity.parent)
        return check if self._compared is None else replace(check, live=self._evidence.count_within(self._compared))

    def _hold(self, check: DeletionCheck) -> PhaseResult:
        hold = self._evidence.open_hold(check, check.describe(self._session.entity.name))
        report: Report = {"held": hold.hold_id, "still_candidates": check.missing, "why": hold.reason}
        return PhaseResult(report, build_stop(hold))

    def _read_batch(self, check: DeletionCheck) -> bool:
        """Read a batch of candidates by id and store the results; return false when none is left to read."""
        if not self._is_readable:
            return False
        if self._read >= READS_A_PASS or len(self._refusals) >= REFUSALS_TO_STOP:
            return False
        batch, loaded_at = self._evidence.load_candidates(self._parent, min(READS_AT_ONCE, READS_A_PASS - self._read))
        if not batch:
            return False
        places = self._find_places(batch)
        reads = read_records(self._session, places.items())
        self._read += len(batch)
        self._refusals += [single_read.refusal for single_read in reads if single_read.refusal]
        gone = {single_read.external_id for single_read in reads if single_read.is_gone}
        alive = [single_read.record for single_read in reads if single_read.record]
        commit = PageCommit(
            pass_id=self._opened.pass_id,
            place=self._opened.place,
            batches=(self._fetcher.map_records(alive), *self._fetcher.map_riders(join_children(reads))),
            requests=len(reads),
            tombstones=self._tombstones([one for one in batch if one.external_id in gone], loaded_at, check),
            answers={
                # Where it is read is unknown, which is evidence of nothing.
                **{one.external_id: CandidateAnswer.REFUSED for one in batch if one.external_id not in places},
                **{
                    single_read.external_id: CandidateAnswer.ALIVE if single_read.record else CandidateAnswer.REFUSED
                    for single_read in reads
                    if not single_read.is_gone
                },
            },
            findings={"confirmed_by_read": len(gone), "alive_after_all": len(alive)},
        )
        self._session.store.commit_page(self._session.lease, commit)
        return True

    def _find_places(self, batch: Sequence[Candidate]) -> Mapping[ExternalId, RecordPlace]:
        """Return where each candidate is read; without those whose parent's own path is not known."""
        if self._nesting is None:
            return {one.external_id: RecordPlace() for one in batch}
        parents = [one.parent_id for one in batch if one.parent_id is not None]
        ancestors = self._evidence.load_ancestors(self._nesting, parents)
        return {
            one.external_id: RecordPlace(one.parent_id, ancestors[one.parent_id])
            for one in batch
            if one.parent_id is not None and one.parent_id in ancestors
        }

    def _is_listing_doubted(self) -> bool:
        """Return whether any evidence contradicts the listing; then two listings prove nothing.

        Every candidate that can be read must be proven gone first: one that was alive, or that the source
        refused to show, proves that the listing is incomplete. A token whose permissions were narrowed
        lists less, again and again; and a row without an id is a record that the listing seems to lack.
        """
        is_contradicted = bool(self._refusals) or bool(self._evidence.load_report().get("alive_after_all"))
        is_unproven = self._evidence.count_unproven(self._parent, is_readable=self._is_readable).total > 0
        return is_contradicted or is_unproven or self._evidence.count_unidentified() > 0

    def _believe_second_listing(self, check: DeletionCheck) -> None:
        """Tombstone records that cannot be read by id and that two complete listings in a row lack.

        Where no path leads to single records, the proof that the parent is gone is the proof for what was below it.
        """
        if self._parent is None or self._is_listing_doubted():
            return
        after: ExternalId | None = None
        while True:
            batch, loaded_at = self._evidence.load_without_address(
                self._parent, after, TOMBSTONES_AT_ONCE, is_readable=self._is_readable
            )
            if not batch:
                return
            after = batch[-1].external_id
            gone = self._gone_parents(batch)
            twice = [one for one in batch if one.times_missed > 1 or one.parent_id in gone]
            if twice:
                commit = PageCommit(
                    pass_id=self._opened.pass_id,
                    place=self._opened.place,
                    batches=(self._fetcher.map_records(()),),
                    requests=0,
                    tombstones=self._tombstones(twice, loaded_at, check),
                    findings={"confirmed_by_second_listing": len(twice)},
                )
                self._session.store.commit_page(self._session.lease, commit)

    def _gone_parents(self, batch: Sequence[Candidate]) -> frozenset[ExternalId]:
        """Return the parents that are proven gone, where nothing else can prove what becomes of what was below them."""
        parents = sorted({one.parent_id for one in batch if one.parent_id is not None})
        if self._is_readable or self._parent is None or not parents:
            return frozenset()
        return frozenset(self._session.store.load_gone(replace(self._session.key, entity=self._parent), parents))

    def _tombstones(
        self, gone: Sequence[Candidate], proven_at: datetime | None, check: DeletionCheck
    ) -> tuple[Tombstone, ...]:
        key, table = self._session.key, self._session.entity.record_table
        return tuple(
            Tombstone(
                key.entity,
                table,
                one.external_id,
                derive_entity_id(key.org, key.adapter, key.entity, one.external_id),
                proven_at,
                is_loss=not (one.is_explained or check.is_approved),
            )
            for one in gone
        )

    def _close_hold(self, left: DeletionCheck) -> None:
        """Close a hold whose records are deleted or came back; otherwise lower its ceiling by those deleted."""
        if left.hold is None:
            return
        if left.is_over:
            self._evidence.lower_ceiling(left.unexplained)
        else:
            self._evidence.close_hold()

    def _why(self, left: DeletionCheck) -> str | None:
        if not left.missing:
            return None
        if self._refusals:
            return f"the source refused to show {len(self._refusals)} of them: {self._refusals[0]}"
        if unidentified := self._evidence.count_unidentified():
            return f"{unidentified} listed rows have no id and may be any of them; only reads by id count"
        unproven = self._evidence.count_unproven(self._parent, is_readable=self._is_readable)
        if unproven.unread:
            return f"{unproven.unread:,} wait to be read by id: one pass reads at most {READS_A_PASS}"
        return "they cannot be read by id; the next complete listing confirms them unless something contradicts it"


def build_stop(hold: Hold) -> SafetyStop:
    """Return the error of a hold that needs a person's decision."""
    return SafetyStop(
        f"{hold.reason}. Review them with: openfaith-sync holds show {hold.hold_id}; "
        f"additions of {hold.key} were stored"
    )
