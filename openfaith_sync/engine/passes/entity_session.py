"""One entity's sync with its lease held: everything that its algorithms share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from types import MappingProxyType

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.drift import DriftLog
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.listing import Within
from openfaith_sync.domain.passes.passes import (
    Counts,
    Lease,
    OpenPass,
    PassId,
    PassResult,
    PassStart,
    Report,
    Rider,
    SyncMode,
)
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.merges import references_of
from openfaith_sync.domain.records.riding import comes_along, riders_of, rides
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.pass_runner import PassProgress, PassRunner, StartThreads
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.walk_step import Walk
from openfaith_sync.engine.passes.windowed_source import WindowedSource
from openfaith_sync.engine.ports.evidence import Evidence
from openfaith_sync.engine.ports.source import Source
from openfaith_sync.engine.ports.store import Store

OnProgress = Callable[[PassProgress], None]


@dataclass(frozen=True, slots=True)
class EntitySession:
    """A session and the lease of one of its entities."""

    session: Session
    lease: Lease
    on_progress: OnProgress = lambda _: None
    began: float = field(default_factory=monotonic)
    drift: DriftLog = field(default_factory=DriftLog)
    """Where the records read in this sync differ from the manifest."""

    @property
    def manifest(self) -> Manifest:
        """Return the adapter's manifest."""
        return self.session.manifest

    @property
    def source(self) -> Source:
        """Return the org's source."""
        return self.session.source

    @property
    def store(self) -> Store:
        """Return the org's store."""
        return self.session.store

    @property
    def threads(self) -> StartThreads:
        """Return what starts the threads that send requests."""
        return self.session.threads

    @property
    def key(self) -> SyncKey:
        """Return the sync key that the lease is for."""
        return self.lease.key

    @property
    def entity(self) -> Entity:
        """Return the entity's part of the manifest."""
        return self.manifest.entities[self.key.entity]

    @property
    def version(self) -> str:
        """Return the fingerprint of what the manifest says of the entity."""
        return self.manifest.entity_fingerprint(self.key.entity)

    def wants_reconciliation(self, mode: SyncMode) -> bool:
        """Return whether a reconciliation was requested, or has begun and is to be resumed."""
        opened = self.store.load_checkpoint(self.key).open_pass if mode is SyncMode.AUTO else None
        is_begun = opened is not None and opened.start.mode is SyncMode.RECONCILIATION
        is_current = opened is not None and opened.start.manifest_version == self.version
        return mode is SyncMode.RECONCILIATION or (is_begun and is_current)

    def open_pass(self, mode: SyncMode, place: WalkPlace) -> tuple[OpenPass, bool]:
        """Resume the open pass of this mode and this manifest, or begin one; return whether it was resumed.

        The entity's riders come with whatever it stores.
        """
        opened, start = self.store.load_checkpoint(self.key).open_pass, self.build_start(mode, riders=self.riders)
        if opened is not None and _is_alike(opened.start, start):
            return opened, True
        return self.store.open_pass(self.lease, start, place), False

    @property
    def riders(self) -> tuple[Rider, ...]:
        """Return the riders that come with the entity's records; the org may have chosen fewer than there are."""
        names = riders_of(self.manifest, self.key.entity)
        return tuple(Rider(name, None, self.manifest.entity_fingerprint(name)) for name in names)

    @property
    def has_new_riders(self) -> bool:
        """Return whether a rider was never read with all of the entity's records, as the manifest maps it now."""
        key = self.key
        return any(
            not self.store.has_ridden(replace(key, entity=rider.entity), rider.manifest_version)
            for rider in self.riders
        )

    def build_start(
        self,
        mode: SyncMode,
        watermark_from: datetime | None = None,
        watermark_to: datetime | None = None,
        riders: tuple[Rider, ...] = (),
    ) -> PassStart:
        """Return how a pass of the entity starts."""
        asked = self.session
        entity, entities = self.entity, self.manifest.entities
        is_listed = not (rides(entity) or comes_along(entities, entity))
        times = (watermark_from, watermark_to)
        return PassStart(mode, asked.trigger, self.version, asked.run_id, *times, riders, is_listed_anew=is_listed)

    def build_fetcher(self, within: Within | None = None) -> Fetcher:
        """Return a fetcher of the entity's pages, all or those within a window, that keeps every listed id."""
        source = self.source if within is None else WindowedSource(self.source, within)
        return Fetcher(self.manifest, source, self.key.org, self.key.entity, notes_ids=True, drift=self.drift)

    def note_drift(self, *, is_whole: bool) -> None:
        """Store where the records that were read differ from the manifest; after a whole listing, only that is true."""
        sends_all = self.manifest.adapter_file.sends_every_attribute
        found = self.drift.found(every_attribute_is_sent=sends_all)
        if found or is_whole:
            self.store.note_drift(self.lease, found, self.drift.entities if is_whole else ())

    def build_runner(self, walk: Walk, fetcher: Fetcher, opened: OpenPass) -> PassRunner:
        """Return the walk of an open pass, from its place on."""
        paging = self.manifest.paging_of(self.key.entity)
        return PassRunner(walk, fetcher, self.store, self.lease, opened, paging, self.on_progress, self.threads)

    def close_pass(
        self,
        opened: OpenPass,
        evidence: Evidence,
        report: Report,
        *,
        requests: int,
        resumed: bool,
        watermark: datetime | None = None,
    ) -> PassResult:
        """Store the report of a pass that compared, and close it; the watermark stays unless one is given (law 3)."""
        evidence.note_report(report)
        findings = evidence.note_findings()
        walked = self.store.load_checkpoint(self.key).open_pass or opened
        count = findings.get("source_count")
        source_count = count if isinstance(count, int) else None
        self.store.close_pass(self.lease, opened.pass_id, watermark, requests, self.count_records(source_count))
        if opened.start.mode is not SyncMode.DELTA:
            evidence.note_dangling(references_of(self.manifest, self.key.entity))
        evidence.forget_listed()
        return self.build_result(
            opened.pass_id,
            opened.start.mode,
            walked.counts,
            pages=walked.pages,
            requests=walked.requests + requests,
            source_count=source_count,
            resumed=resumed,
            report=findings,
        )

    def count_records(self, source_count: int | None) -> CountedRecords | None:
        """Return what the source counts beside what is stored and set aside; ``None`` where it counts nothing."""
        if source_count is None:
            return None
        return CountedRecords(source_count, self.store.count_live(self.key), self.store.count_set_aside(self.key))

    def build_result(
        self,
        pass_id: PassId,
        mode: SyncMode,
        counts: Counts,
        *,
        pages: int,
        requests: int,
        source_count: int | None,
        resumed: bool = False,
        report: Mapping[str, object] = MappingProxyType({}),
    ) -> PassResult:
        """Return what a closed pass did, and what is stored after it."""
        return PassResult(
            key=self.key,
            mode=mode,
            counts=counts,
            pages=pages,
            requests=requests,
            source_count=source_count,
            stored_count=self.store.count_live(self.key),
            watermark=self.store.load_checkpoint(self.key).watermark,
            duration=timedelta(seconds=monotonic() - self.began),
            resumed=resumed,
            report=report,
            pass_id=pass_id,
        )


def _is_alike(opened: PassStart, wanted: PassStart) -> bool:
    """Return whether a pass that was begun is one that is wanted now; the org may choose other riders meanwhile."""
    riders = [{rider.entity for rider in start.riders} for start in (opened, wanted)]
    return (opened.mode, opened.manifest_version, riders[0]) == (wanted.mode, wanted.manifest_version, riders[1])
