"""One entity's sync with its lease held: all that its algorithms share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from types import MappingProxyType

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.manifest.manifest import Entity, Manifest
from openfaith_sync.domain.passes.passes import Counts, Lease, OpenPass, PassResult, PassStart, Report, SyncMode
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.pass_runner import Progress, StartThreads, Walking
from openfaith_sync.engine.passes.walk_step import Walk
from openfaith_sync.engine.ports.evidence import Evidence
from openfaith_sync.engine.ports.source_and_store import Source, Store


@dataclass(frozen=True, slots=True)
class Session:
    """What one call of ``run_entity`` works with."""

    manifest: Manifest
    source: Source
    store: Store
    lease: Lease
    trigger: str
    run_id: str | None
    on_progress: Callable[[Progress], None]
    threads: StartThreads
    began: float = field(default_factory=monotonic)

    @property
    def key(self) -> SyncKey:
        """Whose records they are."""
        return self.lease.key

    @property
    def entity(self) -> Entity:
        """What the manifest says of them."""
        return self.manifest.entities[self.key.entity]

    @property
    def version(self) -> str:
        """What of the manifest they are mapped by."""
        return self.manifest.entity_fingerprint(self.key.entity)

    def wants_reconciliation(self, mode: SyncMode) -> bool:
        """Whether a reconciliation is asked for, or was begun and is to be gone on with."""
        opened = self.store.load_checkpoint(self.key).open_pass if mode is SyncMode.AUTO else None
        is_begun = opened is not None and opened.start.mode is SyncMode.RECONCILIATION
        is_current = opened is not None and opened.start.manifest_version == self.version
        return mode is SyncMode.RECONCILIATION or (is_begun and is_current)

    def open_pass(self, mode: SyncMode, place: WalkPlace) -> tuple[OpenPass, bool]:
        """Take up the open pass of this mode and this manifest, or begin one; says whether it was taken up."""
        opened = self.store.load_checkpoint(self.key).open_pass
        if opened is not None and opened.start.mode is mode and opened.start.manifest_version == self.version:
            return opened, True
        start = PassStart(mode=mode, trigger=self.trigger, manifest_version=self.version, run_id=self.run_id)
        return self.store.open_pass(self.lease, start, place), False

    def build_fetcher(self) -> Fetcher:
        """Return what fetches and maps their pages, every listed id noted."""
        return Fetcher(self.manifest, self.source, self.key.org, self.key.entity, notes_ids=True)

    def build_walking(self, walk: Walk, fetcher: Fetcher, opened: OpenPass) -> Walking:
        """Return the walk of an open pass, from where it is."""
        paging = self.manifest.adapter_file.paging
        return Walking(walk, fetcher, self.store, self.lease, opened, paging, self.on_progress, self.threads)

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
        """Close a pass that compared, its report noted; the watermark stays unless one is given (law 3)."""
        evidence.note_report(report)
        found = evidence.note_findings()
        walked = self.store.load_checkpoint(self.key).open_pass or opened
        self.store.close_pass(self.lease, opened.pass_id, watermark, requests)
        evidence.forget_listed()
        count = found.get("source_count")
        return self.build_result(
            opened.start.mode,
            walked.counts,
            pages=walked.pages,
            requests=walked.requests + requests,
            source_count=count if isinstance(count, int) else None,
            resumed=resumed,
            report=found,
        )

    def build_result(
        self,
        mode: SyncMode,
        counts: Counts,
        *,
        pages: int,
        requests: int,
        source_count: int | None,
        resumed: bool = False,
        report: Mapping[str, object] = MappingProxyType({}),
    ) -> PassResult:
        """Return what a pass that is closed did, with what is held after it."""
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
        )
