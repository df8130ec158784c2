"""Evidence in memory, by the rules of the real one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from openfaith_sync.domain.ids import UNIDENTIFIED, AdapterName, EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.deletions import (
    Candidate,
    ComparedPart,
    DeletionCheck,
    DeletionLimits,
    Hold,
    HoldKind,
    HoldStatus,
    Unproven,
)
from openfaith_sync.domain.passes.listing import Ancestors
from openfaith_sync.domain.passes.older_versions import OlderVersion
from openfaith_sync.domain.passes.passes import (
    CandidateAnswer,
    Counts,
    Lease,
    OpenPass,
    PageCommit,
    PassId,
    PassStart,
    Report,
)
from openfaith_sync.domain.passes.rejections import RejectedRecords
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.merges import ReferenceColumn
from openfaith_sync.domain.records.nesting import Nesting, ParentCounts, ParentPlace, ParentScope
from openfaith_sync.domain.records.record import Record
from openfaith_sync_tests.engine.moving_church import EPOCH, MemoryStore

BEFORE_ALL = PassId(0)
NO_KEY = SyncKey(OrgId(""), AdapterName(""), EntityName(""))


@dataclass
class Missed:
    times: int
    last_pass: PassId
    read_at: int = 0
    read_pass: PassId = BEFORE_ALL
    answer: CandidateAnswer | None = None

    @property
    def is_missing(self) -> bool:
        return self.answer is not CandidateAnswer.ALIVE or self.read_pass < self.last_pass


@dataclass
class MemoryEvidence:
    """What passes over one entity listed, missed and proved."""

    store: "DeletingStore"
    limits: DeletionLimits = field(default_factory=DeletionLimits)
    pass_id: PassId = BEFORE_ALL
    key: SyncKey = NO_KEY
    listed: set[str] = field(default_factory=set)
    missed: dict[str, Missed] = field(default_factory=dict)
    report: dict[str, int | str | None] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    clock: int = 0

    def of(self, pass_id: PassId) -> "MemoryEvidence":
        if pass_id != self.pass_id:
            self.pass_id, self.listed, self.report = pass_id, set(), {}
        return self

    def load_report(self) -> Report:
        return dict(self.report)

    def note_report(self, report: Report) -> None:
        self.report |= report

    def count_listed(self) -> int:
        return len(self.listed)

    def count_unidentified(self) -> int:
        return sum(external_id.startswith(UNIDENTIFIED) for external_id in self.listed)

    def digest_listed(self) -> str:
        return " ".join(sorted(self.listed))

    def restart_listing(self, place: WalkPlace) -> None:
        self.listed = set()
        for name in ("rows_listed", "places_stepped_over", "counted_before"):
            self.report.pop(name, None)
        opened = self.store.checkpoint.open_pass
        assert opened
        self.store.checkpoint = replace(self.store.checkpoint, open_pass=replace(opened, place=place))

    def compare_listing(self, part: ComparedPart | None = None) -> None:
        assert part is None, "parts are compared in SQL"
        held_before = {one for one, since in self.store.written_in.items() if since < self.pass_id}
        absent = (self.store.live & held_before) - self.listed
        for one in absent:
            known = self.missed.setdefault(one, Missed(0, BEFORE_ALL))
            if known.last_pass < self.pass_id:
                known.times, known.last_pass = known.times + 1, self.pass_id
        for one in set(self.missed) - absent:
            del self.missed[one]

    def count_within(self, part: ComparedPart) -> int:
        raise NotImplementedError(part)

    def load_missing(self, after: ExternalId | None, limit: int) -> Sequence[ExternalId]:
        listed = {one for one in self.listed if not one.startswith(UNIDENTIFIED)}
        found = sorted(ExternalId(one) for one in listed - self.store.live if one > (after or ""))
        return found[:limit]

    def load_parents(
        self, nesting: Nesting, after: ExternalId | None, limit: int, scope: ParentScope
    ) -> Sequence[ParentPlace]:
        raise NotImplementedError

    def count_parents(self, nesting: Nesting, scope: ParentScope) -> ParentCounts:
        raise NotImplementedError

    def compare_parents(self, nesting: Nesting, scope: ParentScope) -> None:
        raise NotImplementedError

    def load_ancestors(self, nesting: Nesting, of: Iterable[ExternalId]) -> Mapping[ExternalId, Ancestors]:
        raise NotImplementedError

    def compare_riders(self, nesting: Nesting) -> None:
        raise NotImplementedError

    def count_lacked_riders(self, nesting: Nesting) -> int:
        raise NotImplementedError

    def count_living_parents(self, nesting: Nesting) -> int:
        raise NotImplementedError

    def check_deletions(self, parent: EntityName | None) -> DeletionCheck:
        assert parent is None
        standing = [hold for hold in self.holds if hold.status in {HoldStatus.OPEN, HoldStatus.APPROVED}]
        missing = sum(one.is_missing for one in self.missed.values())
        return DeletionCheck(missing, len(self.store.live), self.limits, standing[-1] if standing else None)

    def open_hold(self, check: DeletionCheck, reason: str, kind: HoldKind = HoldKind.DELETIONS) -> Hold:
        assert kind is HoldKind.DELETIONS
        counts = (check.missing, check.live)
        self.holds = [Hold(1, self.key, self.pass_id, *counts, reason, HoldStatus.OPEN, None, EPOCH, None)]
        return self.holds[0]

    def close_hold(self, kind: HoldKind = HoldKind.DELETIONS) -> None:
        assert kind is HoldKind.DELETIONS
        self.holds = []

    def lower_ceiling(self, missing: int, kind: HoldKind = HoldKind.DELETIONS) -> None:
        assert missing
        assert kind is HoldKind.DELETIONS

    def load_candidates(self, parent: EntityName | None, limit: int) -> tuple[Sequence[Candidate], datetime | None]:
        assert parent is None
        unread = [one for one, known in self.missed.items() if known.read_pass < self.pass_id]
        found = sorted(unread, key=lambda one: (self.missed[one].read_at, one))[:limit]
        return [Candidate(ExternalId(one), self.missed[one].times) for one in found], EPOCH

    def load_without_address(
        self, parent: EntityName, after: ExternalId | None, limit: int, *, is_readable: bool
    ) -> tuple[Sequence[Candidate], datetime | None]:
        raise NotImplementedError

    def count_unproven(self, parent: EntityName | None, *, is_readable: bool) -> Unproven:
        answers = [known.answer for known in self.missed.values()]
        return Unproven(answers.count(None), answers.count(CandidateAnswer.REFUSED), len(answers))

    def note_answers(self, answers: Mapping[ExternalId, CandidateAnswer]) -> None:
        for one, answer in answers.items():
            self.clock += 1
            known = self.missed[one]
            known.read_at, known.read_pass, known.answer = self.clock, self.pass_id, answer

    # Nothing goes back to an older version in this church.
    def compare_versions(self) -> None:
        assert self.pass_id

    def check_older_versions(self) -> DeletionCheck:
        return DeletionCheck(0, len(self.store.live), self.limits)

    def load_older(
        self, after: ExternalId | None, limit: int, *, overlap: timedelta, is_held: bool
    ) -> Sequence[OlderVersion]:
        assert limit
        assert not is_held
        return ()

    def note_reads(self, agreed: Sequence[ExternalId], contradicted: Sequence[ExternalId]) -> None:
        raise NotImplementedError

    def count_taken(self) -> int:
        return 0

    def bring_back_watermark(self, overlap: timedelta, *, is_whole: bool = True) -> datetime | None:
        assert overlap >= timedelta()
        return None

    def note_findings(self) -> Report:
        return dict(self.report)

    def note_dangling(self, references: Sequence[ReferenceColumn]) -> None:
        assert all(reference.column for reference in references)

    def count_between(self, column: str, bounds: Sequence[datetime]) -> Sequence[int]:
        raise NotImplementedError

    def note_months(self, differing: int) -> None:
        raise NotImplementedError

    def forget_listed(self) -> None:
        self.listed = set()


class DeletingStore(MemoryStore):
    """A store in memory that keeps tombstones, and what was listed."""

    def __init__(self, entity: Entity, limits: DeletionLimits | None = None) -> None:
        super().__init__(entity)
        self.dead: dict[str, PassId] = {}
        """The tombstones, and the passes that made them."""
        self.refused: set[str] = set()
        self.written_in: dict[str, int] = {}
        self.evidence = MemoryEvidence(self, limits or DeletionLimits())
        self.buried: list[str] = []

    @property
    def live(self) -> set[str]:
        return self.rows.keys() - self.dead.keys()

    def count_live(self, key: SyncKey) -> int:
        assert key
        return len(self.live)

    def count_set_aside(self, key: SyncKey) -> int:
        assert key
        return len(self.refused - self.live)

    def count_rejected(self, key: SyncKey) -> RejectedRecords:
        assert key
        return RejectedRecords(len(self.refused), len(self.refused | self.live))

    def _is_change(self, record: Record) -> bool:
        buried_in = self.dead.get(record.external_id)
        if buried_in is None:
            return super()._is_change(record)
        opened = self.checkpoint.open_pass
        # A pass may have read its page before it found the record gone.
        return (opened is None or buried_in != opened.pass_id) and not self._is_older(record)

    def load_live(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        assert key
        return {one for one in external_ids if one in self.live}

    def load_gone(self, key: SyncKey, external_ids: Sequence[ExternalId]) -> set[ExternalId]:
        assert key
        return {one for one in external_ids if one in self.dead}

    def check_deletions(self, key: SyncKey, parent: EntityName | None) -> DeletionCheck:
        assert key
        return self.evidence.check_deletions(parent)

    def hold_deletions(
        self, lease: Lease, pass_id: PassId, key: SyncKey, candidates: Sequence[Candidate], reason: str
    ) -> Hold:
        assert lease
        for one in candidates:
            self.evidence.missed.setdefault(one.external_id, Missed(one.times_missed, pass_id))
        return self.evidence.open_hold(self.check_deletions(key, None), reason)

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        opened = super().open_pass(lease, start, place)
        self.evidence.of(opened.pass_id)
        return opened

    def open_evidence(self, lease: Lease, pass_id: PassId) -> MemoryEvidence:
        self.evidence.key = lease.key
        return self.evidence.of(pass_id)

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        assert lease
        return self.evidence.of(pass_id).load_report()

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        assert lease
        super().write_report(lease, pass_id, report)
        self.evidence.of(pass_id).report |= report  # type: ignore[arg-type]  # it holds no other values

    def commit_page(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        before = dict(self.rows)
        counts = super().commit_page(lease, page)
        self.refused |= {bad.external_id for bad in page.batches[0].rejected}
        for record in page.batches[0].records:
            self.refused.discard(record.external_id)
            if self.dead.get(record.external_id) != page.pass_id:
                self.dead.pop(record.external_id, None)
            if before.get(record.external_id) != self.rows[record.external_id]:
                self.written_in[record.external_id] = page.pass_id
        self.evidence.listed |= set(page.listed)
        for one in page.listed:
            self.evidence.missed.pop(one, None)
        self.evidence.note_answers(page.answers)
        for gone in page.tombstones:
            self.dead[gone.external_id] = page.pass_id
            self.buried.append(gone.external_id)
            self.evidence.missed.pop(gone.external_id, None)
        for name, count in page.findings.items():
            self.evidence.report[name] = int(self.evidence.report.get(name) or 0) + count
        return counts
