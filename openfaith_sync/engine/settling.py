"""Settles what a complete listing lacked: proven gone, alive after all, or left for another time (law 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.deletions import Candidate, Hold, Weighing
from openfaith_sync.domain.errors import SafetyStop
from openfaith_sync.domain.ids import ExternalId, derive_entity_id
from openfaith_sync.domain.passes import OpenPass, PageCommit, Report, Tombstone
from openfaith_sync.engine.evidence import Evidence
from openfaith_sync.engine.fetching import Fetcher
from openfaith_sync.engine.session import Session
from openfaith_sync.engine.single_reads import Reading, read_records

READS_A_PASS = 500
"""So many candidates are read by id in one go: 100 s of the whole budget of a Planning Center token."""

READS_AT_ONCE = 50
"""Read and committed together; what a kill makes to be read again."""

TOMBSTONES_AT_ONCE = 500
"""Committed together where nothing is read."""

REFUSALS_TO_STOP = 10
"""After so many readings that prove nothing, the rest of them would prove nothing either."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the candidates."""

    report: Report
    stop: SafetyStop | None = None
    """Raised once the pass is closed: additions were stored, deletions wait."""


class Settling:
    """The end of one pass: its candidates, one after the other."""

    def __init__(self, session: Session, fetcher: Fetcher, evidence: Evidence, opened: OpenPass) -> None:
        """Settle what this pass found missing."""
        self._session = session
        self._fetcher = fetcher
        self._evidence = evidence
        self._opened = opened
        self._read: set[ExternalId] = set()
        self._refusals: list[Exception] = []

    def run(self) -> Settled:
        """Tombstone what is proven gone, unless so much is missing that a person must look first."""
        weighed = self._evidence.weigh(self._session.entity.parent)
        if weighed.is_over and not weighed.is_approved:
            reason = _describe(self._session.entity.name, weighed)
            hold = self._evidence.open_hold(weighed, reason)
            report: Report = {"held": hold.hold_id, "still_candidates": weighed.missing, "why": reason}
            return Settled(report, _stop(hold, self._session))
        self._read_candidates()
        if not self._is_listing_doubted():
            self._believe_second_listing()
        left = self._evidence.weigh(self._session.entity.parent)
        self._settle_hold(left)
        return Settled({"held": None, "still_candidates": left.missing, "why": self._why(left)})

    def _read_candidates(self) -> None:
        """Read candidates by their ids, as many as the budget allows, and store what the readings prove."""
        after: ExternalId | None = None
        while len(self._read) < READS_A_PASS and len(self._refusals) < REFUSALS_TO_STOP:
            batch, given_at = self._evidence.load_candidates(after, READS_AT_ONCE)
            if not batch:
                return
            after = batch[-1].external_id
            readable = [one for one in batch if one.parent_id or not self._session.entity.nested]
            readings = read_records(self._session, ((one.external_id, one.parent_id) for one in readable))
            self._read.update(reading.external_id for reading in readings)
            self._refusals += [reading.refusal for reading in readings if reading.refusal]
            self._commit_readings(readings, given_at)

    def _commit_readings(self, readings: Sequence[Reading], given_at: datetime | None) -> None:
        gone = [reading.external_id for reading in readings if reading.is_gone]
        alive = [reading.record for reading in readings if reading.record]
        commit = PageCommit(
            pass_id=self._opened.pass_id,
            place=self._opened.place,
            batches=(self._fetcher.map_records(alive),),
            requests=len(readings),
            listed=tuple(record.external_id for record in alive),
            tombstones=self._tombstones(gone, given_at),
            found={"confirmed_by_read": len(gone), "alive_after_all": len(alive)},
        )
        self._session.store.commit_page(self._session.lease, commit)

    def _is_listing_doubted(self) -> bool:
        """Return whether any reading disagreed with the listing, or a row in it names no id.

        Two listings then prove nothing: a token whose permissions were narrowed lists less, again and
        again, and everything lives; and a row without an id is a record that the listing seems to lack.
        """
        is_contradicted = bool(self._refusals) or bool(self._evidence.load_report().get("alive_after_all"))
        return is_contradicted or self._evidence.count_unidentified() > 0

    def _believe_second_listing(self) -> None:
        """Tombstone what the budget left unread and a second complete listing in a row lacks."""
        after: ExternalId | None = None
        while True:
            batch, given_at = self._evidence.load_candidates(after, TOMBSTONES_AT_ONCE)
            if not batch:
                return
            after = batch[-1].external_id
            twice = [one.external_id for one in batch if self._was_missed_twice(one)]
            if twice:
                commit = PageCommit(
                    pass_id=self._opened.pass_id,
                    place=self._opened.place,
                    batches=(self._fetcher.map_records(()),),
                    requests=0,
                    tombstones=self._tombstones(twice, given_at),
                    found={"confirmed_by_second_listing": len(twice)},
                )
                self._session.store.commit_page(self._session.lease, commit)

    def _was_missed_twice(self, candidate: Candidate) -> bool:
        return candidate.times_missed > 1 and candidate.external_id not in self._read

    def _tombstones(self, gone: Sequence[ExternalId], proven_at: datetime | None) -> tuple[Tombstone, ...]:
        key, table = self._session.key, self._session.entity.table
        ids = ((one, derive_entity_id(key.org, key.adapter, key.entity, one)) for one in gone)
        return tuple(Tombstone(key.entity, table, one, entity_id, proven_at) for one, entity_id in ids)

    def _settle_hold(self, left: Weighing) -> None:
        """End a hold whose records went as approved or came back; else what went is used up of its ceiling."""
        if left.hold is None:
            return
        if left.is_over:
            self._evidence.lower_ceiling(left.unexplained)
        else:
            self._evidence.settle_hold()

    def _why(self, left: Weighing) -> str | None:
        if not left.missing:
            return None
        if self._refusals:
            return f"the source would not say of {len(self._refusals)} whether they live: {self._refusals[0]}"
        if unidentified := self._evidence.count_unidentified():
            return f"{unidentified} of the rows listed name no id, and may be any of them; only readings by id count"
        return f"at most {READS_A_PASS} are read by id in one pass; the next complete listing settles the rest"


def _describe(entity: str, weighed: Weighing) -> str:
    limits = weighed.limits
    share = weighed.unexplained / weighed.live if weighed.live else 1.0
    reason = (
        f"{weighed.unexplained:,} of {weighed.live:,} records of {entity} ({share:.1%}) are missing at the source; "
        f"more than {limits.count:,} and more than {limits.share:.0%} at once are not deleted before a person looks"
    )
    ceiling = weighed.hold.approved_up_to if weighed.hold else None
    return reason if ceiling is None else f"{reason} (approved were {ceiling:,})"


def _stop(hold: Hold, session: Session) -> SafetyStop:
    return SafetyStop(
        f"{hold.reason}. Look at them with: openfaith-sync holds show {hold.hold_id}; "
        f"additions of {session.key} were stored"
    )
