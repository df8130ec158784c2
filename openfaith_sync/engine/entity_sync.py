"""Sync one entity of one org: choose the mode, resume an interrupted pass, and verify that it is complete."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from openfaith_sync.domain.dead_letters.replays import ReplayCounts
from openfaith_sync.domain.errors import (
    AccessDenied,
    DefinitionError,
    FilterIgnored,
    NotFoundAtSource,
    NotSelected,
    SourceFailed,
    UsageError,
)
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.passes.counted_records import CountedRecords, is_tolerable
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.passes.passes import (
    COMPARE_ALL,
    Checkpoint,
    Comparison,
    OpenPass,
    PassResult,
    Rider,
    RiderPass,
    SyncMode,
)
from openfaith_sync.domain.passes.rejections import require_mostly_stored
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync.domain.records.riding import comes_along, rides
from openfaith_sync.engine.dead_letters.replay import replay_outdated
from openfaith_sync.engine.deletions.reconciliation import Reconciliation
from openfaith_sync.engine.nested.nested_sync import NestedSync
from openfaith_sync.engine.nested.rider_sync import RiderSync
from openfaith_sync.engine.passes.companion_pass import close_companion
from openfaith_sync.engine.passes.completeness import incomplete
from openfaith_sync.engine.passes.descending_walk import DescendingWalk
from openfaith_sync.engine.passes.entity_session import EntitySession, OnProgress
from openfaith_sync.engine.passes.merges import follow_up, poll_merges
from openfaith_sync.engine.passes.newest_version import NewestVersion, read_newest_version
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.pass_log import log_result, logged_sync
from openfaith_sync.engine.passes.pass_runner import PassRunner
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.token_walk import whole_listing_walk
from openfaith_sync.engine.passes.variants import beginning_of, count_listing, covered_until, without_repeated
from openfaith_sync.engine.passes.version_walk import VersionWalk, parse_key
from openfaith_sync.engine.passes.walk_step import Walk
from openfaith_sync.engine.passes.watermarks import bound_watermark, delta_start, is_ahead, look_back
from openfaith_sync.engine.passes.windowed_source import listed_for_changes


def run_entity(
    session: Session,
    entity: EntityName,
    mode: SyncMode = SyncMode.AUTO,
    on_progress: OnProgress = lambda _: None,
    comparison: Comparison = COMPARE_ALL,
) -> PassResult:
    """Bring one entity of the session's org up to date.

    Each page and the checkpoint that follows it are committed together, so this
    may be killed at any point and called again: it resumes where it stopped.

    Raises:
        SyncError: See ``domain/errors.py`` for what to do about each kind.
    """
    with logged_sync(session.key(entity), mode, session.run_id):
        result = _run_entity(session, entity, mode, on_progress, comparison)
        log_result(result)
        return result


def _run_entity(
    session: Session, entity: EntityName, mode: SyncMode, on_progress: OnProgress, comparison: Comparison
) -> PassResult:
    manifest = session.manifest
    if entity not in manifest.entities:
        known = ", ".join(manifest.entities)
        raise UsageError(f"there is no entity {entity!r} in the {manifest.adapter} manifest; it has {known}")
    if entity in session.unselected:
        raise NotSelected(f"{session.key(entity)} is not selected")
    with session.hold_lease(entity) as lease:
        entity_session = EntitySession(session, lease, on_progress)
        replayed = replay_outdated(session, entity)
        if comes_along(manifest.entities, entity_session.entity):
            result = close_companion(entity_session)
        elif rides(entity_session.entity):
            result = RiderSync(entity_session, mode).run()
        elif entity_session.entity.nested is not None:
            result = NestedSync(entity_session, mode).run()
        elif entity_session.wants_reconciliation(mode):
            # Merged records are not missing.
            poll_merges(session, entity, is_full=True)
            result = Reconciliation(entity_session, comparison=comparison).run()
        else:
            result = EntitySync(entity_session, mode).run()
        result = _with_replayed(follow_up(session, result), replayed)
        entity_session.note_drift(is_whole=result.mode is SyncMode.FULL)
        require_mostly_stored(entity_session.key, result.counts, session.store.count_rejected(entity_session.key))
        return result


def _with_replayed(result: PassResult, replayed: ReplayCounts) -> PassResult:
    """Return the result with what became of the dead letters that a changed manifest mapped again."""
    if not replayed.replayed:
        return result
    found = {"dead_letters_replayed": replayed.replayed, "dead_letters_resolved": replayed.resolved}
    return replace(result, report={**result.report, **found})


class EntitySync:
    """One call of ``run_entity`` for an entity that has a listing of its own, with its lease held."""

    def __init__(self, session: EntitySession, mode: SyncMode) -> None:
        """Sync the session's entity in this mode."""
        self._session = session
        self._mode = mode
        self._entity = session.entity
        self._report: dict[str, object] = {}
        self._requests = 0

    def run(self) -> PassResult:
        """Sync as the checkpoint and the requested mode require."""
        rider = self._session.store.load_rider(self._session.key)
        if rider is not None and (proven := self._prove_rider(rider)) is not None:
            return proven
        try:
            return self._run_pass()
        except FilterIgnored as error:
            # What was stored so far is correct; what was left out is unknown. The manifest
            # promises more than this source delivers, so it is read in a way that needs less.
            self._report["filter_ignored"] = str(error)
            self._entity = _less_capable(self._entity)
            return self._run_pass()
        except _WatermarkAhead as ahead:
            # Every change until then was hidden, and it is unknown since when.
            self._report["watermark_was_ahead"] = ahead.watermark.isoformat()
            self._session.store.reset_watermark(self._session.lease)
            self._mode = SyncMode.FULL
            return self._run_pass()

    def _run_pass(self) -> PassResult:
        checkpoint = self._session.store.load_checkpoint(self._session.key)
        mode = self._decide_mode(checkpoint)
        # A place of one kind of walk is meaningless to another.
        resumable = None if "filter_ignored" in self._report else self._resumable(checkpoint, mode)
        opened = resumable or self._open(checkpoint, mode)
        if resumable is not None and resumable.newest and resumable.place.resumed_at is None:
            place = replace(resumable.place, resumed_at=version_key(resumable.newest))
            opened = replace(resumable, place=place)
        return self._walk(opened, is_resumed=resumable is not None)

    def _decide_mode(self, checkpoint: Checkpoint) -> SyncMode:
        can_tell = self._entity.delta.by is not DeltaCapability.NONE
        wants_delta = self._mode in {SyncMode.AUTO, SyncMode.DELTA}
        has_window = self._entity.cadence.delta_window is not None and checkpoint.completed_at is not None
        if not wants_delta or not (has_window or (can_tell and checkpoint.watermark is not None)):
            return SyncMode.FULL
        if self._mode is SyncMode.AUTO and checkpoint.manifest_version != self._session.version:
            # Another manifest version mapped what is stored; only a full listing maps it again.
            return SyncMode.FULL
        if self._session.has_new_riders:
            # Those of unchanged records come with a full listing only: a hundredth of the requests of their lists.
            return SyncMode.FULL
        return SyncMode.DELTA

    def _resumable(self, checkpoint: Checkpoint, mode: SyncMode) -> OpenPass | None:
        opened = checkpoint.open_pass
        if opened is None or opened.start.manifest_version != self._session.version:
            return None
        if {rider.entity for rider in opened.start.riders} - set(map(EntityName, self._entity.sideload.values())):
            # The org does not choose a child any more that began to ride along.
            return None
        is_wanted = opened.start.mode is mode or self._mode is SyncMode.AUTO
        return opened if is_wanted and opened.start.mode is not SyncMode.SIDELOAD else None

    def _open(self, checkpoint: Checkpoint, mode: SyncMode) -> OpenPass:
        watermark = checkpoint.watermark if mode is SyncMode.DELTA else None
        own, children = self._look_ahead(mode)
        fingerprint = self._session.manifest.entity_fingerprint
        start = self._session.build_start(
            mode,
            watermark_from=watermark,
            watermark_to=own.version,
            riders=tuple(Rider(child, newest.version, fingerprint(child)) for child, newest in children.items()),
        )
        place = replace(
            beginning_of(self._entity, delta_start(watermark, self._entity.delta.overlap)),
            counted_children={k: newest.counted for k, newest in children.items() if newest.counted is not None},
        )
        return self._session.store.open_pass(self._session.lease, start, place)

    def _look_ahead(self, mode: SyncMode) -> tuple[NewestVersion, Mapping[EntityName, NewestVersion]]:
        """Return what the source shows before the first page: of children, and of the entity if its pages cannot tell.

        A child that cannot be read does not ride: it fails by itself (law 6).
        """
        session, children = self._session, self._riding_children(mode)
        found: dict[EntityName, NewestVersion] = {}
        with session.threads(1 + len(children)) as threads:
            is_asked = mode is SyncMode.FULL and not self._walks_by_version
            own = threads.submit(read_newest_version, session, self._entity) if is_asked else None
            asked = {c: threads.submit(read_newest_version, session, session.manifest.entities[c]) for c in children}
            for child, newest in asked.items():
                with suppress(AccessDenied, NotFoundAtSource, SourceFailed):
                    found[child] = newest.result()
            newest_own = own.result() if own is not None else NewestVersion()
        self._requests += newest_own.requests + sum(newest.requests for newest in found.values())
        return newest_own, found

    def _riding_children(self, mode: SyncMode) -> tuple[EntityName, ...]:
        """Return the sideloaded children; in a delta only those that have no changes of their own to ask for."""
        children = [EntityName(child) for child in self._entity.sideload.values()]
        if mode is SyncMode.FULL:
            return tuple(children)
        return tuple(c for c in children if self._session.manifest.entities[c].delta.by is DeltaCapability.NONE)

    def _walk(self, opened: OpenPass, *, is_resumed: bool) -> PassResult:
        session, store, mode = self._session, self._session.store, opened.start.mode
        children = tuple(rider.entity for rider in opened.start.riders)
        # A listing of a window says nothing of what lies outside, and deletes nothing.
        source = listed_for_changes(session.session, self._entity) if mode is SyncMode.DELTA else session.source
        fetcher = Fetcher(session.manifest, source, session.key.org, self._entity.name, drift=session.drift)
        walking = session.build_runner(self._build_walk(mode, children), fetcher, opened)
        progress = walking.run()
        if mode is SyncMode.DELTA and is_ahead(opened.start.watermark_from, walking.answered_at):
            assert opened.start.watermark_from is not None
            raise _WatermarkAhead(opened.start.watermark_from)
        if mode is SyncMode.DELTA and walking.short_by:
            self._judge_short_delta(opened, progress.counts.records, walking.short_by)
        self._note_what_was_learnt(fetcher, opened, children)
        newest = self._newest_read(opened)
        covered = newest if self._walks_by_version or mode is SyncMode.DELTA else opened.start.watermark_to
        until = covered_until(self._entity, walking.place, walking.answered_at)
        watermark = bound_watermark(covered, until, self._entity.delta.overlap)
        source_count = self._count_at_end(walking, newest) if mode is SyncMode.FULL else None
        if source_count is not None:
            held = store.count_live(session.key) + store.count_set_aside(session.key)
            source_count = without_repeated(self._entity, source_count, max(0, progress.records - held))
        counted = self._session.count_records(source_count)
        missing = 0 if counted is None else counted.count_missing(progress.records)
        if mode is SyncMode.DELTA and progress.counts.created + progress.counts.updated:
            self._report |= store.load_announced(session.lease, opened.pass_id)
        if missing:
            self._report["listed_again_for"] = missing
            if children:
                # Nor were the children of those that the listing lacks; their count cannot tell.
                store.abandon_riders(session.lease, opened.pass_id)
        if self._report:
            store.write_report(session.lease, opened.pass_id, self._report)
        found = store.load_report(session.lease, opened.pass_id)
        store.close_pass(session.lease, opened.pass_id, None if missing else watermark, self._requests, counted)
        result = session.build_result(
            opened.pass_id,
            mode,
            progress.counts,
            pages=progress.pages,
            requests=progress.requests + self._requests,
            source_count=source_count,
            resumed=is_resumed,
            report=found,
        )
        return self._read_what_is_missing(result, watermark) if missing else result

    def _judge_short_delta(self, opened: OpenPass, listed: int, missing: int) -> None:
        """Continue where the source's count may be slightly wrong; otherwise raise, so that nothing is skipped."""
        if not is_tolerable(missing, listed + missing):
            self._session.store.abandon_pass(self._session.lease, opened.pass_id)
            raise incomplete(self._session.key, listed, listed + missing)
        self._report["counted_but_not_listed"] = missing

    def _read_what_is_missing(self, result: PassResult, watermark: datetime | None) -> PassResult:
        """List every id and read the records that the walk did not meet; only then move the watermark."""
        return result.followed_by(Reconciliation(self._session, watermark).run())

    def _note_what_was_learnt(self, fetcher: Fetcher, opened: OpenPass, children: tuple[EntityName, ...]) -> None:
        """Report how the listing had to be read; children that were not all included are walked by themselves.

        Those of a parent that was stepped over were not read. Their count cannot tell where they are stored already.
        """
        if fetcher.reader.reduced_size is not None:
            self._report["page_size"] = fetcher.reader.reduced_size
        if not children:
            return
        if fetcher.reader.is_without_children:
            self._report["not_included"] = ", ".join(children)
        found = {**self._report, **self._session.store.load_report(self._session.lease, opened.pass_id)}
        if found.keys() & {"not_included", "places_stepped_over"}:
            self._session.store.abandon_riders(self._session.lease, opened.pass_id)

    def _newest_read(self, opened: OpenPass) -> datetime | None:
        """Return the newest version that the pass met, or had met when it was first interrupted."""
        finished = self._session.store.load_checkpoint(self._session.key).open_pass or opened
        if finished.newest is None:
            return None
        return min(finished.newest, parse_key(finished.place.resumed_at) or finished.newest)

    def _count_at_end(self, walking: PassRunner, newest: datetime | None) -> int | None:
        """Return what the source counts once everything is read: what its answers counted, where that still holds.

        A walk by version is counted by its first answer only. That holds to the end unless a record came in
        meanwhile, which has a later version: it could stand in for one that was hidden.
        """
        counted, began = walking.source_count, walking.answered_first_at
        is_still = began is not None and (newest is None or newest < look_back(began, self._entity.delta.overlap))
        if counted is None or not (is_still or walking.progress.pages == 1 or not self._walks_by_version):
            return self._source_count()
        return counted if self._entity.total_count == "exact" else None

    @property
    def _walks_by_version(self) -> bool:
        return self._entity.delta.by is DeltaCapability.FILTER

    def _build_walk(self, mode: SyncMode, children: tuple[EntityName, ...]) -> Walk:
        paging = self._session.manifest.paging_of(self._entity.name)
        if self._walks_by_version:
            furthest = paging.deep_offset.above if paging.deep_offset else 10**9
            return VersionWalk(self._entity, children, furthest, paging.size)
        if mode is SyncMode.DELTA and self._entity.delta.by is DeltaCapability.ORDERED:
            return DescendingWalk(self._entity, children, paging.size)
        return whole_listing_walk(self._entity, paging, children)

    def _prove_rider(self, rider: RiderPass) -> PassResult | None:
        """Close the pass of a sideloaded child when the count proves that it is complete."""
        store, key = self._session.store, self._session.key
        stored, set_aside = store.count_live(key), store.count_set_aside(key)
        held = stored + set_aside
        source_count = held if rider.counted == held else self._source_count()
        if source_count != held:
            return None
        report = self._session.store.load_report(self._session.lease, rider.pass_id)
        counted = CountedRecords(held, stored, set_aside)
        self._session.store.close_pass(self._session.lease, rider.pass_id, rider.watermark_to, self._requests, counted)
        return self._session.build_result(
            rider.pass_id,
            SyncMode.SIDELOAD,
            rider.counts,
            pages=0,
            requests=self._requests,
            source_count=source_count,
            report=report,
        )

    def _source_count(self) -> int | None:
        if self._entity.total_count != "exact":
            return None
        reader = PageReader(self._session.source.read_page, self._session.manifest.paging_of(self._entity.name).size)
        found = count_listing(self._entity, reader.read, ListingQuery(self._entity.name, size=1))
        self._requests += found.requests
        return found.counted


class _WatermarkAhead(Exception):
    """A delta began from a watermark that is later than the source's clock."""

    def __init__(self, watermark: datetime) -> None:
        super().__init__(watermark)
        self.watermark = watermark


def _less_capable(entity: Entity) -> Entity:
    """Return the entity with a weaker delta capability than its manifest declares."""
    weaker = {DeltaCapability.FILTER: DeltaCapability.ORDERED, DeltaCapability.ORDERED: DeltaCapability.NONE}
    by = weaker.get(entity.delta.by)
    if by is None:
        raise DefinitionError(f"{entity.name} cannot be listed in a simpler way")
    return entity.model_copy(update={"delta": entity.delta.model_copy(update={"by": by})})
