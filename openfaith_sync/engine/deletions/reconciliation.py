"""Compare the source's complete set of ids with ours, and resolve what is missing on either side.

Everything is listed by id, even where a filter exists: a filter shows what changed, never what is gone.
"""

from dataclasses import replace
from datetime import datetime

from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.passes.counted_records import is_tolerable
from openfaith_sync.domain.passes.deletions import ComparedPart
from openfaith_sync.domain.passes.listing import ListingQuery, Within
from openfaith_sync.domain.passes.passes import COMPARE_ALL, Comparison, OpenPass, PageCommit, PassResult, SyncMode
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.passes.windows import IDS, SCOPE, open_window, report_window, reported_window, stored_in
from openfaith_sync.domain.records.nesting import RecordPlace
from openfaith_sync.domain.records.record import Rejection
from openfaith_sync.engine.deletions.deletion_confirmation import READS_AT_ONCE, DeletionConfirmation, PhaseResult
from openfaith_sync.engine.deletions.monthly_counts import compare_months
from openfaith_sync.engine.deletions.single_reads import SingleRead, join_children, read_records
from openfaith_sync.engine.deletions.version_rollback import VersionRollback
from openfaith_sync.engine.passes.completeness import incomplete
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.token_walk import whole_listing_walk
from openfaith_sync.engine.passes.variants import beginning_of, count_listing, without_repeated
from openfaith_sync.engine.ports.evidence import Evidence


class Reconciliation:
    """One reconciliation of one entity, from its checkpoint to its end.

    Its phases are the listing, whose place is in the checkpoint, and the confirmation, which asks the
    database what is left to do. A killed reconciliation resumes.
    """

    def __init__(
        self, session: EntitySession, watermark: datetime | None = None, comparison: Comparison = COMPARE_ALL
    ) -> None:
        """Reconcile the session's entity; with a ``watermark``, complete the full pass that read up to it."""
        self._session = session
        self._watermark = watermark
        self._comparison = comparison
        self._within: Within | None = None
        self._fetcher = session.build_fetcher()
        self._requests = 0

    def run(self) -> PassResult:
        """List everything, prove the listing complete, fetch what is missing here, confirm what is missing there.

        Raises:
            SafetyStop: So much is missing that a person must review it first. Everything else is done.
            TransientError: The listing was not complete; it is discarded.
            SyncError: The source or the store failed; a later call resumes.
        """
        opened, is_resumed = self._session.open_pass(SyncMode.RECONCILIATION, beginning_of(self._session.entity))
        evidence = self._session.store.open_evidence(self._session.lease, opened.pass_id)
        self._within = self._find_window(evidence, is_resumed=is_resumed)
        self._fetcher = self._session.build_fetcher(self._within)
        while "listed" not in evidence.load_report():
            opened = self._list(opened, evidence)
            opened = self._prove_complete(opened, evidence)
        self._prove_kept(opened, evidence)
        confirmed = self._resolve_missing(opened, evidence)
        is_whole = self._within is None
        older = VersionRollback(self._session, self._fetcher, evidence, opened, is_whole=is_whole).run()
        if is_whole:
            self._requests += self._compare_months(evidence)
        result = self._session.close_pass(
            opened,
            evidence,
            {**confirmed.report, **older.report},
            requests=self._requests,
            resumed=is_resumed,
            watermark=self._watermark,
        )
        if stop := confirmed.stop or older.stop:
            raise stop
        if not is_whole and not self._comparison.is_windowed:
            # What was interrupted covered less than this comparison asks for.
            return result.followed_by(Reconciliation(self._session, self._watermark, self._comparison).run())
        return result

    def _find_window(self, evidence: Evidence, *, is_resumed: bool) -> Within | None:
        """Return the window that the pass covers, the same when it is resumed; ``None`` if it covers everything."""
        if is_resumed:
            return reported_window(evidence.load_report())
        window = self._session.entity.cadence.reconcile_window
        if window is None or not self._comparison.is_windowed:
            return None
        within = open_window(window, self._session.store.load_now(self._session.key))
        evidence.note_report(report_window(within))
        return within

    def _resolve_missing(self, opened: OpenPass, evidence: Evidence) -> PhaseResult:
        """Fetch what is missing here; confirm what is missing there, unless the listing has gaps."""
        stepped_over = evidence.load_report().get("places_stepped_over")
        if stepped_over:
            # It is unknown what is at these places: it may be any of the records that seem to be missing.
            self._fetch_missing(opened, evidence)
            why = f"{stepped_over:,} places of the listing were not served, so no record counts as missing"
            return PhaseResult({"why": why})
        compared = None
        if self._within is not None:
            compared = ComparedPart(stored_in(self._session.entity, self._within), self._within)
        evidence.compare_listing(compared)
        if "missing" not in evidence.load_report():
            evidence.note_report({"missing": evidence.check_deletions(None).missing})
        self._fetch_missing(opened, evidence)
        return DeletionConfirmation(self._session, self._fetcher, evidence, opened, compared).run()

    def _list(self, opened: OpenPass, evidence: Evidence) -> OpenPass:
        """Walk the whole listing; store its records where deltas can miss changes."""
        if "counted_before" not in evidence.load_report():
            evidence.note_report({"counted_before": self._count()})
        entity, session = self._session.entity, self._session
        is_sparse = not self._reads_records(entity)
        if is_sparse and self._within is None:
            evidence.note_report({SCOPE: IDS})
        riders = () if is_sparse else self._fetcher.riders
        walk = whole_listing_walk(entity, session.manifest.paging_of(entity.name), riders, is_sparse=is_sparse)
        walking = session.build_runner(walk, self._fetcher, opened)
        walking.progress = replace(walking.progress, records=evidence.count_listed())
        walking.run()
        return replace(opened, place=WalkPlace(()))

    def _reads_records(self, entity: Entity) -> bool:
        """Return whether deltas can miss changes, or stored records were mapped by another manifest version."""
        is_blind = any(spot.covered_by == "reconciliation" for spot in entity.blind_spots)
        mapped_by = self._session.store.load_checkpoint(self._session.key).manifest_version
        is_needed = is_blind or entity.delta.by is DeltaCapability.NONE or mapped_by != self._session.version
        return is_needed or self._comparison.is_reread

    def _prove_complete(self, opened: OpenPass, evidence: Evidence) -> OpenPass:
        """Compare the rows listed with the source's count before and after, and list again where there are fewer.

        A walk that ended too early, on a page that was repeated or on an answer that was cut short, has
        fewer than both. Records that come and go meanwhile make the two differ from each other. Two listings
        of the same records outweigh a count that is steady and nearly right (``completeness.py``).
        """
        report, after = evidence.load_report(), self._count()
        before, rows = report.get("counted_before"), report.get("rows_listed", 0)
        assert isinstance(rows, int)
        if not isinstance(before, int) or after is None or rows >= min(before, after):
            self._note_complete(evidence, rows, after)
            return opened
        digest = evidence.digest_listed()
        if "first_listing" not in report:
            evidence.note_report({"first_listing": digest})
            return self._list_again(opened, evidence)
        if digest != report["first_listing"] or before != after:
            self._session.store.abandon_pass(self._session.lease, opened.pass_id)
            raise TransientError(
                f"the listing of {self._session.key} was not complete: it had {rows:,} records, while the source "
                f"counted {before:,} before and {after:,} after it; nothing was deleted, and it is listed again"
            )
        if not is_tolerable(after - rows, after):
            self._fetch_missing(opened, evidence)
            self._session.store.abandon_pass(self._session.lease, opened.pass_id)
            raise incomplete(self._session.key, rows, after)
        evidence.note_report({"counted_but_not_listed": after - rows})
        self._note_complete(evidence, rows, after)
        return opened

    def _note_complete(self, evidence: Evidence, rows: int, source_count: int | None) -> None:
        listed = evidence.count_listed()
        if source_count is not None:
            source_count = without_repeated(self._session.entity, source_count, max(0, rows - listed))
        twice = {"listed_twice": rows - listed} if rows > listed else {}
        evidence.note_report({"listed": listed, "source_count": source_count, **twice})

    def _list_again(self, opened: OpenPass, evidence: Evidence) -> OpenPass:
        """Restart the listing of the same pass."""
        place = beginning_of(self._session.entity)
        evidence.restart_listing(place)
        return replace(opened, place=place)

    def _prove_kept(self, opened: OpenPass, evidence: Evidence) -> None:
        """Refuse to compare with fewer ids than were listed: lost rows would delete a church's records."""
        proven, kept = evidence.load_report().get("listed"), evidence.count_listed()
        if isinstance(proven, int) and kept < proven:
            self._session.store.abandon_pass(self._session.lease, opened.pass_id)
            raise TransientError(
                f"only {kept:,} of {proven:,} ids listed of {self._session.key} are still stored; it is listed again"
            )

    def _count(self) -> int | None:
        if self._session.entity.total_count != "exact":
            return None
        query = ListingQuery(self._session.entity.name, size=1, is_sparse=True)
        found = count_listing(self._session.entity, self._fetcher.reader.read, query)
        self._requests += found.requests
        return found.counted

    def _compare_months(self, evidence: Evidence) -> int:
        session = self._session
        if session.entity.monthly_counts is None:
            return 0
        set_aside = session.store.count_set_aside(session.key)
        return compare_months(session.entity, self._fetcher.reader.read, evidence, set_aside)

    def _fetch_missing(self, opened: OpenPass, evidence: Evidence) -> None:
        """Read each record that was listed and is not stored here, and store it."""
        after: ExternalId | None = None
        while missing := evidence.load_missing(after, READS_AT_ONCE):
            after = missing[-1]
            reads = read_records(self._session, ((external_id, RecordPlace()) for external_id in missing))
            found = [single_read.record for single_read in reads if single_read.record]
            refused = [single_read for single_read in reads if single_read.refusal]
            # A record that the token may not read by id is not damaged: it is reported, and read once it may be.
            failed = tuple(
                _set_aside(single_read) for single_read in refused if isinstance(single_read.refusal, TransientError)
            )
            batch = self._fetcher.map_records(found)
            commit = PageCommit(
                pass_id=opened.pass_id,
                place=opened.place,
                batches=(
                    replace(batch, rejected=(*batch.rejected, *failed)),
                    *self._fetcher.map_riders(join_children(reads)),
                ),
                requests=len(reads),
                findings={"fetched": len(found), "unreadable": len(refused)},
            )
            self._session.store.commit_page(self._session.lease, commit)


def _set_aside(single_read: SingleRead) -> Rejection:
    """Return the dead letter of a record that is listed and cannot be read."""
    body = {"id": single_read.external_id}
    return Rejection(single_read.external_id, "record", "nothing", str(single_read.refusal), body, is_whole=False)
