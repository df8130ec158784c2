"""Sync a nested entity: read and commit the list of each parent as a whole.

A full walk reads the list of every stored parent; a delta only those of parents that changed since, and
of these only those whose own record does not already show that no member came or left. Which lists a pass
has read is stored with each parent, so a killed pass resumes with the others.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import timedelta

from openfaith_sync.domain.errors import AccessDenied, NotFoundAtSource, SourceFailed
from openfaith_sync.domain.ids import EntityName, ExternalId, IdDeriver
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.passes import (
    Counts,
    OpenPass,
    PageCommit,
    ParentListing,
    PassResult,
    Report,
    SyncMode,
)
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.nesting import (
    ParentCounts,
    ParentPlace,
    ParentScope,
    RecordPlace,
    build_nesting,
)
from openfaith_sync.engine.deletions.deletion_confirmation import REFUSALS_TO_STOP, DeletionConfirmation
from openfaith_sync.engine.nested.parent_lists import ParentLists, ParentRead
from openfaith_sync.engine.passes.entity_session import EntitySession
from openfaith_sync.engine.passes.interpreter_settings import tuned_for_pages
from openfaith_sync.engine.passes.pass_runner import PassProgress
from openfaith_sync.engine.passes.variants import each_variant
from openfaith_sync.engine.ports.evidence import Evidence

PARENTS_AT_ONCE = 200
"""Loaded together from the database, or skipped together."""

_SCOPES = {
    SyncMode.FULL: ParentScope.ALL,
    SyncMode.RECONCILIATION: ParentScope.LIVING,
    SyncMode.DELTA: ParentScope.ASKED,
}


class NestedSync:
    """One pass over the parents of a nested entity."""

    def __init__(self, session: EntitySession, mode: SyncMode) -> None:
        """Sync the session's entity in this mode."""
        self._session = session
        self._asked = mode
        self._fetcher = session.build_fetcher()
        self._lists = ParentLists(session, self._fetcher)
        self._nesting = build_nesting(session.manifest, session.entity)
        member = self._nesting.member_entity or EntityName("")
        self._derive_member = IdDeriver(session.key.org, session.key.adapter, member)
        self._refused: list[AccessDenied] = []
        self._unlisted: list[ExternalId] = []
        self._emptied = 0
        self._is_any_found = False
        self._gone_below: RecordPlace | None = None
        self._scope = ParentScope.ALL
        self._spared: list[ParentPlace] = []
        self._progress = PassProgress(0, None, 0, 0, timedelta(), Counts())

    def run(self) -> PassResult:
        """Read the lists that are due, then confirm what left them.

        Raises:
            SafetyStop: So much is missing that a person must review it first. Everything else is done.
            AccessDenied: The token may not read any parent's list.
            SourceFailed: Every list answered 404 while its parents exist: the endpoint fails, the lists are not empty.
            SyncError: The source or the store failed; a later call resumes.
        """
        session, mode = self._session, self._decide_mode()
        self._scope = _SCOPES[mode]
        opened, is_resumed = session.open_pass(mode, WalkPlace(()))
        evidence = session.store.open_evidence(session.lease, opened.pass_id)
        counts = self._walk(opened, evidence)
        self._prove_endpoint(opened, evidence)
        self._compare(evidence)
        if "missing" not in evidence.load_report():
            evidence.note_report(
                {"listed": evidence.count_listed(), "missing": evidence.check_deletions(session.entity.parent).missing}
            )
        confirmed = DeletionConfirmation(session, self._fetcher, evidence, opened).run()
        report = {**confirmed.report, "parents_refused": len(self._refused), "parents_unlisted": len(self._unlisted)}
        report |= _left_out(counts)
        self._end(evidence)
        result = session.close_pass(opened, evidence, report, requests=0, resumed=is_resumed)
        if confirmed.stop is not None:
            raise confirmed.stop
        return result

    def _compare(self, evidence: Evidence) -> None:
        """Make what the lists lack candidates for deletion."""
        evidence.compare_parents(self._nesting, self._scope)

    def _end(self, evidence: Evidence) -> None:
        """Note what else is true when the pass ends."""

    def _decide_mode(self) -> SyncMode:
        checkpoint = self._session.store.load_checkpoint(self._session.key)
        opened = checkpoint.open_pass
        is_current = opened is not None and opened.start.manifest_version == self._session.version
        if self._asked is SyncMode.AUTO and opened is not None and is_current:
            return opened.start.mode
        if self._asked in {SyncMode.FULL, SyncMode.RECONCILIATION}:
            return self._asked
        # Records that another manifest version mapped are mapped again only by a full walk.
        return SyncMode.DELTA if checkpoint.manifest_version == self._session.version else SyncMode.FULL

    def _walk(self, opened: OpenPass, evidence: Evidence) -> ParentCounts:
        """Read the lists that are due in parallel, commit each when it is complete, and count the parents."""
        counts, is_whole = self._count_parents(evidence), self._scope.is_whole
        self._progress = PassProgress(
            counts.done, counts.to_read, opened.pages, opened.requests, timedelta(), opened.counts
        )
        in_flight = self._session.manifest.adapter_file.paging.pages_in_flight
        under_way: set[Future[ParentRead]] = set()
        with tuned_for_pages(), self._session.threads(in_flight) as threads:
            for parent in self._due(evidence):
                if self._is_spared(parent):
                    self._spare(opened, parent)
                    continue
                under_way.add(threads.submit(self._lists.read, parent, only_changes=not is_whole))
                if len(under_way) >= in_flight:
                    under_way = self._take(opened, under_way)
            while under_way:
                under_way = self._take(opened, under_way)
        self._commit_spared(opened)
        if self._refused and is_whole and not self._progress.records:
            raise self._refused[0]
        if self._unlisted and is_whole and not self._progress.records:
            raise self._endpoint_failure(len(self._unlisted))
        return counts

    def _count_parents(self, evidence: Evidence) -> ParentCounts:
        """Return how many parents this pass looks at, and at how many it has looked."""
        return evidence.count_parents(self._nesting, self._scope)

    def _prove_endpoint(self, opened: OpenPass, evidence: Evidence) -> None:
        """Raise where every list and every parent answered 404 although the source still lists parents."""
        found = evidence.load_report()
        if not found.get("parents_gone") or found.get("parents_read") or found.get("parents_spared"):
            return
        if self._has_parents():
            # The next pass reads all of these lists again.
            self._session.store.abandon_pass(self._session.lease, opened.pass_id)
            raise self._endpoint_failure(int(found["parents_gone"] or 0))

    def _has_parents(self) -> bool:
        """Return whether the source lists parents; those that are nested below the parent of one that it denied."""
        own = self._gone_below or RecordPlace()
        query = ListingQuery(self._nesting.parent, parent=own.parent, ancestors=own.ancestors, is_sparse=True)
        try:
            parent = self._session.manifest.entities[self._nesting.parent]
            return any(self._fetcher.reader.read(part).records for part in each_variant(parent, query))
        except NotFoundAtSource:
            # Not even what is above them: whatever fails, it proves nothing of these lists.
            return True

    def _endpoint_failure(self, count: int) -> SourceFailed:
        return SourceFailed(
            f"all {count:,} lists of {self._session.key} that were read answered 404 while the source has records of "
            f"{self._nesting.parent}: the endpoint fails, and these lists are ignored"
        )

    def _due(self, evidence: Evidence) -> Iterator[ParentPlace]:
        after: ExternalId | None = None
        while parents := evidence.load_parents(self._nesting, after, PARENTS_AT_ONCE, self._scope):
            after = parents[-1].external_id
            yield from parents

    def _take(self, opened: OpenPass, under_way: set[Future[ParentRead]]) -> set[Future[ParentRead]]:
        """Commit the lists that have arrived, and return the requests that have not."""
        done, waiting = wait(under_way, return_when=FIRST_COMPLETED)
        for future in done:
            self._commit(opened, future.result())
        return waiting

    def _commit(self, opened: OpenPass, read: ParentRead) -> None:
        if read.refusal is not None:
            self._refused.append(read.refusal)
            if len(self._refused) >= REFUSALS_TO_STOP and not self._progress.records:
                raise read.refusal
            return
        if read.is_unlisted:
            self._unlisted.append(read.parent.external_id)
            if len(self._unlisted) >= REFUSALS_TO_STOP and not self._progress.records:
                raise self._endpoint_failure(len(self._unlisted))
            return
        self._judge_absence(read)
        commit = PageCommit(
            pass_id=opened.pass_id,
            place=opened.place,
            batches=(read.batch, *read.riders),
            requests=read.requests,
            waited=read.waited,
            listed=read.listed,
            parents=(read.listing,),
            findings={"parents_gone" if read.is_gone else "parents_read": 1} | read.stepped_over,
        )
        counts = self._session.store.commit_page(self._session.lease, commit)
        self._show(1, read.requests, read.waited, counts.get(read.batch.entity, Counts()))

    def _judge_absence(self, read: ParentRead) -> None:
        """Raise where records that may be missing below their parents are missing below all that had one."""
        if read.is_gone:
            self._gone_below = read.parent.own
        self._is_any_found |= bool(read.listed)
        self._emptied += read.is_none and bool(read.parent.listed)
        if self._emptied >= REFUSALS_TO_STOP and not self._is_any_found:
            raise self._endpoint_failure(self._emptied)

    def _is_spared(self, parent: ParentPlace) -> bool:
        """Return whether the parent's own record names exactly the members that are stored."""
        if parent.listed is None or parent.named is None or parent.is_named:
            return False
        return {self._derive_member(external_id) for external_id in parent.named} == parent.held

    def _spare(self, opened: OpenPass, parent: ParentPlace) -> None:
        self._spared.append(parent)
        if len(self._spared) >= PARENTS_AT_ONCE:
            self._commit_spared(opened)

    def _commit_spared(self, opened: OpenPass) -> None:
        """Store for skipped parents that their lists are unchanged, without a request."""
        if not self._spared:
            return
        listings = (
            ParentListing(one.external_id, one.content_hash, one.listed or (), one.loaded_at, one.watermark)
            for one in self._spared
        )
        commit = PageCommit(
            pass_id=opened.pass_id,
            place=opened.place,
            batches=(self._fetcher.map_records(()),),
            requests=0,
            parents=tuple(listings),
            findings={"parents_spared": len(self._spared)},
        )
        self._session.store.commit_page(self._session.lease, commit)
        self._show(len(self._spared), 0, timedelta(), Counts())
        self._spared = []

    def _show(self, parents: int, requests: int, waited: timedelta, counts: Counts) -> None:
        shown = self._progress
        self._progress = PassProgress(
            records=shown.records + parents,
            total=shown.total,
            pages=shown.pages + 1,
            requests=shown.requests + requests,
            waited=shown.waited + waited,
            counts=shown.counts + counts,
        )
        self._session.on_progress(self._progress)


def _left_out(counts: ParentCounts) -> Report:
    """Return how many lists were not read for what is known of their parents."""
    found = {
        "parents_without_path": counts.without_path,
        "parents_excluded": counts.excluded,
        "parents_frozen": counts.frozen,
    }
    return {name: count for name, count in found.items() if count}
