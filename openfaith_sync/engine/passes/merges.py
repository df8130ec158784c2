"""Poll the source's merges and apply them.

A source lists merges in the order in which they were made and never removes one,
so they are walked like a listing by version: from the watermark on, less an
overlap, each request beginning with the last merge read.
"""

from dataclasses import replace
from datetime import datetime

from openfaith_sync.domain.errors import AccessDenied, DefinitionError, LeaseHeld, NotFoundAtSource, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey, merges_of
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import Page
from openfaith_sync.domain.passes.passes import Lease, PassResult
from openfaith_sync.domain.passes.walk_place import Slice
from openfaith_sync.domain.records.merges import (
    Merge,
    MergeCommit,
    MergesResult,
    merging_references,
    parse_merge,
    references_to,
)
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.version_walk import VersionWalk
from openfaith_sync.engine.passes.watermarks import bound_watermark, delta_start, is_ahead, newest_believed
from openfaith_sync.engine.ports.redirects import Redirects

MAX_STEPS_WITHOUT_MERGES = 50


def run_merges(
    session: Session, entity: EntityName, announced: tuple[Merge, ...] = (), *, is_full: bool = False
) -> MergesResult:
    """Apply every merge of an entity since the last poll, or all of them when ``is_full``.

    A merge removes a record that lives here only when the source answers 404 or 410 to that record's id
    as well. One that is contradicted is not applied; the next full look tries it again.

    Each page is applied in one transaction, and the watermark moves with the last
    one, so this may be killed anywhere and called again. A source that refuses to
    list merges is no failure: what events ``announced`` is then believed, and what
    else was merged is found gone.

    Raises:
        LeaseHeld: Another worker is polling.
        TransientError: The source failed.
    """
    merged = session.manifest.entities[entity]
    merge_listing = merged.merge_listing
    if merge_listing is None:
        raise DefinitionError(f"the manifest does not say where merges of {entity} are listed")
    with session.hold_lease(merges_of(entity)) as lease:
        since = None if is_full else session.store.load_checkpoint(lease.key).watermark
        poll = _Poll(session, lease, merged, merge_listing)
        try:
            return poll.run(since)
        except (AccessDenied, NotFoundAtSource):
            return poll.believe(announced)


def follow_up(session: Session, result: PassResult) -> PassResult:
    """Return the result of a pass once merges are applied and followed: those of its entity, and those it refers to."""
    key = result.key
    merges = poll_merges(session, key.entity)
    if merges is not None:
        report = {**result.report, **_report(merges)}
        result = replace(result, requests=result.requests + merges.requests, report=report)
        if merges.applied:
            # Those of the entity's records that were removed are no longer live.
            result = replace(result, stored_count=session.store.count_live(key))
    follow(session.manifest, session.store, key)
    return result


def poll_merges(session: Session, entity: EntityName, *, is_full: bool = False) -> MergesResult | None:
    """Apply the merges of an entity, where the source lists merges and no other worker is polling them."""
    if session.manifest.entities[entity].merges is None:
        return None
    try:
        return run_merges(session, entity, is_full=is_full)
    except LeaseHeld:
        # The worker that is polling reads the same merges.
        return None


def follow(manifest: Manifest, store: Redirects, key: SyncKey) -> None:
    """Redirect the references of an entity and of its sideloaded children to the records that were kept."""
    if key.entity not in manifest.entities:
        return
    riding = (EntityName(child) for child in manifest.entities[key.entity].sideload.values())
    references = merging_references(manifest, (key.entity, *riding))
    if references:
        store.follow_merges(key, references)


def _report(merges: MergesResult) -> dict[str, object]:
    found = {
        "applied": merges.applied,
        "unreadable": merges.unreadable,
        "contradicted": merges.contradicted,
        "denied": merges.is_denied,
    }
    return {"merges": {name: value for name, value in found.items() if value}} if any(found.values()) else {}


class _Poll:
    """One poll of the source's merges, with its lease held."""

    def __init__(self, session: Session, lease: Lease, merged: Entity, merge_listing: Entity) -> None:
        paging = session.manifest.adapter_file.paging
        deep = paging.deep_offset
        self._walk = VersionWalk(merge_listing, (), deep.above if deep else 10**9)
        self._source, self._store, self._lease = session.source, session.store, lease
        self._reader = PageReader(session.source.read_merges, paging.size)
        self._merged, self._mergers = merged, merge_listing
        self._references = references_to(session.manifest, merged.name)
        self._newest: datetime | None = None
        self._is_failing = False
        """Whether reading a removed record failed; the merges are then read again."""
        self.result = MergesResult(0, 0, 0)

    def run(self, since: datetime | None) -> MergesResult:
        place, idle = Slice(lower=delta_start(since, self._mergers.delta.overlap)), 0
        while not place.done:
            page = self._reader.read(self._walk.query(place))
            if is_ahead(since, page.answered_at):
                # Merges until then were hidden: all merges are read again.
                self._store.reset_watermark(self._lease)
                place, since = Slice(), None
                continue
            step = self._walk.advance(place, page)
            place, idle = step.slice, 0 if step.fresh else idle + 1
            if idle > MAX_STEPS_WITHOUT_MERGES:
                raise TransientError("the source's merges changed faster than they could be read")
            self._apply(page, step.fresh, is_last=place.done)
        return self.result

    def believe(self, announced: tuple[Merge, ...]) -> MergesResult:
        """Apply merges that events announced, since the source refuses to list merges."""
        proven = self._prove(announced)
        applied = self._commit(proven, None) if proven else 0
        return replace(self.result, applied=self.result.applied + applied, is_denied=True)

    def _apply(self, page: Page, fresh: tuple[int, ...], *, is_last: bool) -> None:
        rule = self._merged.merges
        assert rule is not None
        found = [parse_merge(rule, page.records[index]) for index in fresh]
        merges: tuple[Merge, ...] = tuple(merge for merge in found if merge is not None)
        newest = bound_watermark(newest_believed(page, self._mergers), page.answered_at, self._mergers.delta.overlap)
        self._newest = max(filter(None, (self._newest, newest)), default=None)
        proven = self._prove(merges)
        watermark = self._newest if is_last and not self._is_failing else None
        applied = self._commit(proven, watermark) if proven or watermark is not None else 0
        self.result = replace(
            self.result,
            read=self.result.read + len(merges),
            applied=self.result.applied + applied,
            requests=self.result.requests + page.requests,
            unreadable=self.result.unreadable + found.count(None),
        )

    def _prove(self, merges: tuple[Merge, ...]) -> tuple[Merge, ...]:
        """Return the merges whose removed record is gone, here or, when it is read by id, at the source."""
        key = replace(self._lease.key, entity=self._merged.name)
        live = self._store.load_live(key, [merge.removed for merge in merges])
        proven = tuple(merge for merge in merges if merge.removed not in live or self._is_gone(merge.removed))
        contradicted = self.result.contradicted + len(merges) - len(proven)
        self.result = replace(self.result, requests=self.result.requests + len(live), contradicted=contradicted)
        return proven

    def _is_gone(self, removed: ExternalId) -> bool:
        try:
            return self._source.read_record(self._merged.name, removed) is None
        except AccessDenied:
            return False
        except TransientError:
            self._is_failing = True
            return False

    def _commit(self, merges: tuple[Merge, ...], watermark: datetime | None) -> int:
        commit = MergeCommit(self._merged.name, self._merged.record_table, merges, self._references, watermark)
        return self._store.commit_merges(self._lease, commit)
