"""Process the inbox of one org: read each record by its id, and store the result.

A batch is one pass: it is opened before the records of the batch are read, and its
records, tombstones and handled events are one commit. After a kill the events
still wait, and are processed again with the same result.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from time import monotonic

from openfaith_sync.domain.errors import (
    AccessDenied,
    LeaseHeld,
    LeaseLost,
    ReconnectRequired,
    SafetyStop,
    SyncError,
    TransientError,
)
from openfaith_sync.domain.ids import RECORDS, EntityName, ExternalId, IdDeriver
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.deletions import Hold
from openfaith_sync.domain.passes.listing import Ancestors, FreshRecord
from openfaith_sync.domain.passes.passes import (
    Counts,
    Lease,
    Membership,
    NamedParent,
    PageCommit,
    PassId,
    PassStart,
    SyncMode,
    Tombstone,
)
from openfaith_sync.domain.passes.rejections import require_mostly_stored
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.merges import ReferenceColumn, Revival, merging_references, references_to
from openfaith_sync.domain.records.nesting import RecordPlace, build_nesting
from openfaith_sync.domain.records.record import MappedBatch
from openfaith_sync.domain.webhooks.inbox import DueRecord, EventAction, RecordsResult, RecordStatus
from openfaith_sync.engine.deletions.deletion_confirmation import build_stop
from openfaith_sync.engine.deletions.withheld_deletions import RequestedDeletion, allow_deletions
from openfaith_sync.engine.passes.merges import run_merges
from openfaith_sync.engine.passes.page_fetching import RecordMapper
from openfaith_sync.engine.passes.pass_log import log_records, logged_sync
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.carrier_reads import has_no_path, read_with_parent
from openfaith_sync.engine.webhooks.event_payloads import (
    is_behind,
    read_merges,
    read_parent,
    read_payload,
    tells_of_merge,
)
from openfaith_sync.engine.webhooks.event_resolution import (
    EventResolution,
    resolve_all,
    resolve_failure,
    resolve_missing,
    resolve_readable,
)
from openfaith_sync.engine.webhooks.record_batch import RecordBatch, RecordRead
from openfaith_sync.engine.webhooks.triggered_lists import TriggeredLists, named_by_events

RECORDS_A_BATCH = 100

_SAYS_IT_MAY_LIVE = frozenset({EventAction.CREATED, EventAction.UPDATED, EventAction.CHECK})

OnRecords = Callable[[RecordsResult], None]


def run_records(
    session: Session, *, most_seconds: float | None = None, on_progress: OnRecords = lambda _: None
) -> RecordsResult:
    """Process every due event of the session's org, or as many as fit into ``most_seconds``.

    A record that cannot be read now is postponed, and the others are processed.

    Raises:
        LeaseHeld: Another worker is processing this inbox.
        ReconnectRequired: The credentials are refused; the events stay due.
        MostlyRejected: Too many records were set aside; all events that were due are handled.
        SafetyStop: So many records were deleted that a person must review it. Everything else is done.
        SyncError: No record of a batch could be read; their events are postponed.
    """
    key = session.key(RECORDS)
    with logged_sync(key, SyncMode.RECORD, session.run_id), session.hold_lease(RECORDS) as lease:
        result = _InboxRun(session, lease, on_progress).run(most_seconds)
        log_records(key, result)
        return result


class _InboxRun:
    """One call of ``run_records``, with its lease held."""

    def __init__(self, session: Session, lease: Lease, on_progress: OnRecords) -> None:
        self._session, self._lease, self._on_progress = session, lease, on_progress
        self._manifest, self._source, self._store = session.manifest, session.source, session.store
        self._mapper = RecordMapper(session.manifest, session.org)
        self._holds: dict[EntityName, Hold] = {}
        self._touched: set[EntityName] = set()
        self._deleted_from: set[EntityName] = set()
        self._result = RecordsResult(events=0, records=0, counts={}, waiting=0, requests=0)

    def run(self, most_seconds: float | None) -> RecordsResult:
        began = monotonic()
        with self._session.threads(self._manifest.adapter_file.paging.pages_in_flight) as threads:
            while due_records := self._store.load_due_records(self._lease.key, RECORDS_A_BATCH):
                self._process(due_records, threads)
                self._on_progress(self._result)
                if most_seconds is not None and monotonic() - began >= most_seconds:
                    break
        # What was read before a merge may have been stored after it.
        references = merging_references(self._manifest, self._manifest.entities)
        self._store.follow_merges(self._lease.key, references)
        self._result = replace(self._result, waiting=self._store.count_waiting(self._lease.key))
        stop = self._read_lists()
        if self._holds:
            raise build_stop(next(iter(self._holds.values())))
        if stop is not None:
            raise stop
        for entity, counts in self._result.counts.items():
            if counts.dead:
                key = replace(self._lease.key, entity=entity)
                require_mostly_stored(key, counts, self._store.count_rejected(key))
        return self._result

    def _read_lists(self) -> SafetyStop | None:
        """Read the lists that are due after these events; return why deletions in them wait for a person."""
        lists = TriggeredLists(self._session)
        for read in lists.run(self._touched, self._deleted_from):
            counts = dict(self._result.counts)
            counts[read.key.entity] = counts.get(read.key.entity, Counts()) + read.counts
            self._result = replace(self._result, counts=counts, requests=self._result.requests + read.requests)
            self._on_progress(self._result)
        return lists.stop

    def _process(self, due_records: Sequence[DueRecord], threads: Executor) -> None:
        due_records = self._find_merged(due_records)
        self._touched |= {due.entity for due in due_records}
        session = self._session
        start = PassStart(SyncMode.RECORD, session.trigger, session.manifest.fingerprint, session.run_id)
        opened = self._store.open_pass(self._lease, start, WalkPlace(()))
        wanted: list[DueRecord] = []
        others: list[DueRecord] = []
        for due in due_records:
            (wanted if self._is_to_be_read(due) else others).append(due)
        places = self._find_places(wanted)
        reads = list(threads.map(self._read, wanted, places, self._find_carriers(wanted, places)))
        batch = RecordBatch()
        for due in others:
            self._take(batch, due, resolve_all(due, self._known_outcome(due)))
        for read in reads:
            self._resolve(batch, read)
        self._withhold(batch, opened.pass_id, due_records)
        self._revive(batch)
        if batch.waits:
            self._store.postpone_events(self._lease, batch.waits)
        requests = sum(read.parent is not None or not self._is_nested(read.due) for read in reads)
        mapped = self._map(batch)
        self._note_set_aside(batch, due_records, mapped)
        page = PageCommit(
            opened.pass_id,
            WalkPlace(()),
            mapped,
            requests=requests,
            tombstones=tuple(batch.tombstones),
            memberships=tuple(batch.memberships),
            named_parents=self._named_parents(batch, due_records),
            handled=batch.handled,
            manifest_versions={each.entity: self._manifest.entity_fingerprint(each.entity) for each in mapped},
        )
        counts = self._store.commit_page(self._lease, page)
        self._store.close_pass(self._lease, opened.pass_id, None, 0)
        # What came along, such as the refund of a gift, has lists below it too.
        self._touched |= {each.entity for each in mapped}
        self._deleted_from |= {gone.entity for gone in batch.tombstones}
        self._count(batch, reads, counts, requests)
        failures = [read.failure for read in reads if read.failure is not None]
        if failures and len(failures) == len(reads) and not isinstance(failures[0], AccessDenied):
            raise failures[0]

    def _find_merged(self, due_records: Sequence[DueRecord]) -> Sequence[DueRecord]:
        """Poll merges where an event announces one, and return the due records with their new status."""
        merged: dict[tuple[EntityName, ExternalId], ExternalId] = {}
        for name, entity in self._manifest.entities.items():
            announced = [due for due in due_records if due.entity == name and tells_of_merge(due)]
            if entity.merges is not None and announced and name not in self._session.unselected:
                self._poll_merges(entity, announced)
                ids = [due.external_id for due in announced]
                known = self._store.load_merged(replace(self._lease.key, entity=name), ids)
                merged |= {(name, removed): kept for removed, kept in known.items()}
        return [
            replace(due, status=RecordStatus.MERGED, merged_into=kept)
            if (kept := merged.get((due.entity, due.external_id)))
            else due
            for due in due_records
        ]

    def _poll_merges(self, entity: Entity, announced: Sequence[DueRecord]) -> None:
        merges = tuple(merge for due in announced for merge in read_merges(self._source, entity, due))
        try:
            found = run_merges(self._session, entity.name, merges)
        except LeaseHeld:
            # The worker that is polling applies them; their events wait for that.
            return
        self._result = replace(self._result, requests=self._result.requests + found.requests)

    def _is_to_be_read(self, due: DueRecord) -> bool:
        """Return whether a record must be read; a merged one only when an event says that it still exists."""
        is_doubted = due.status is not RecordStatus.MERGED or any(one.action in _SAYS_IT_MAY_LIVE for one in due.events)
        is_synced = due.entity in self._manifest.entities and due.entity not in self._session.unselected
        return is_synced and is_doubted

    def _known_outcome(self, due: DueRecord) -> str:
        if due.entity in self._session.unselected:
            return "its entity is not selected"
        return f"merged into {due.merged_into}" if due.status is RecordStatus.MERGED else "no such entity is synced"

    def _is_nested(self, due: DueRecord) -> bool:
        return self._manifest.entities[due.entity].nested is not None

    def _find_parent(self, due: DueRecord) -> ExternalId | None:
        """Return the parent of a nested record, from its events, else from our row."""
        entity = self._manifest.entities[due.entity]
        if entity.nested is None or entity.parent is None:
            return None
        parent, column = read_parent(self._source, entity, due), entity.relationships[entity.nested.under].to
        if parent is not None or column is None:
            return parent
        reference = ReferenceColumn(entity.record_table, column, entity.parent)
        return self._store.load_parent(
            replace(self._lease.key, entity=entity.name), entity.parent, reference, due.external_id
        )

    def _find_places(self, wanted: Sequence[DueRecord]) -> Sequence[RecordPlace | None]:
        """Return where each record is read; ``None`` for a nested one whose parent, or that one's path, is unknown."""
        parents = [self._find_parent(due) for due in wanted]
        places: dict[EntityName, Mapping[ExternalId, Ancestors]] = {}
        for name in {due.entity for due in wanted if self._is_nested(due)}:
            below = {parent for due, parent in zip(wanted, parents, strict=True) if due.entity == name and parent}
            nesting = build_nesting(self._manifest, self._manifest.entities[name])
            places[name] = self._store.load_ancestors(replace(self._lease.key, entity=name), nesting, below)
        return [
            RecordPlace(parent, places[due.entity][parent])
            if parent is not None and parent in places.get(due.entity, {})
            else None
            if self._is_nested(due)
            else RecordPlace()
            for due, parent in zip(wanted, parents, strict=True)
        ]

    def _find_carriers(
        self, wanted: Sequence[DueRecord], places: Sequence[RecordPlace | None]
    ) -> Sequence[RecordPlace | None]:
        """Return where the parents are read of riders that have no path of their own; ``None`` for all others."""
        below = {
            n: DueRecord(self._manifest.entities[due.entity].parent or due.entity, place.parent, (), due.status)
            for n, (due, place) in enumerate(zip(wanted, places, strict=True))
            if place is not None and place.parent is not None and has_no_path(self._manifest, due.entity)
        }
        self._touched |= {parent.entity for parent in below.values()}
        found = dict(zip(below, self._find_places(list(below.values())), strict=True))
        return [found.get(n) for n in range(len(wanted))]

    def _read(self, due: DueRecord, place: RecordPlace | None, carrier: RecordPlace | None) -> RecordRead:
        """Read one record; called in a thread."""
        if place is None or (carrier is None and has_no_path(self._manifest, due.entity)):
            return RecordRead(due)
        try:
            if carrier is not None:
                return read_with_parent(self._source, self._manifest, due, place, carrier)
            fresh = self._source.read_record(due.entity, due.external_id, place.parent, place.ancestors)
        except (ReconnectRequired, LeaseLost):
            raise
        except SyncError as error:
            return RecordRead(due, place.parent, failure=error)
        return RecordRead(due, place.parent, fresh)

    def _resolve(self, batch: RecordBatch, read: RecordRead) -> None:
        due, entity = read.due, self._manifest.entities[read.due.entity]
        if due.status is RecordStatus.MERGED and (read.fresh is None and not isinstance(read.failure, TransientError)):
            self._take(batch, due, resolve_all(due, self._known_outcome(due)))
        elif isinstance(read.failure, AccessDenied):
            self._resolve_denied(batch, read, entity)
        elif read.failure is not None:
            self._take(batch, due, resolve_failure(due, type(read.failure).__name__))
        elif read.parent is None and entity.nested is not None:
            self._take(batch, due, resolve_all(due, "waits for reconciliation: its parent is unknown"))
        elif read.fresh is None and read.carrier is not None:
            batch.include(read.carrier.children)
            self._take(batch, due, resolve_all(due, f"its {entity.parent} was read, and the list of that decides"))
        elif read.fresh is None:
            self._take(batch, due, resolve_missing(due), parent=read.parent)
        else:
            is_older = is_behind(self._source, entity, due, read.fresh.record)
            self._take(batch, due, resolve_readable(due, is_older=is_older), read.fresh, read.parent)

    def _resolve_denied(self, batch: RecordBatch, read: RecordRead, entity: Entity) -> None:
        """Store the newest event's payload where the token may not read the record itself."""
        due = read.due
        shown = read_payload(self._source, entity, due, read.parent)
        if shown is None:
            outcome = "waits for reconciliation: the token may not read it"
            self._take(batch, due, resolve_all(due, outcome))
        else:
            resolution = replace(resolve_all(due, "stored as the event shows it"), is_stored=True)
            self._take(batch, due, resolution, FreshRecord(shown), read.parent)

    def _take(
        self,
        batch: RecordBatch,
        due: DueRecord,
        resolution: EventResolution,
        fresh: FreshRecord | None = None,
        parent: ExternalId | None = None,
    ) -> None:
        batch.handled |= resolution.handled
        batch.waits |= resolution.waits
        if resolution.is_stored and fresh is not None:
            batch.include(fresh.children)
            batch.raws.setdefault(due.entity, []).append(fresh.record)
            if due.status is RecordStatus.MERGED:
                batch.revived.setdefault(due.entity, []).append(due.external_id)
            if parent is not None:
                batch.memberships.append(Membership(due.entity, parent, due.external_id))
        if resolution.is_gone:
            table = self._manifest.entities[due.entity].record_table
            derive = IdDeriver(self._lease.key.org, self._lease.key.adapter, due.entity)
            tombstone = Tombstone(due.entity, table, due.external_id, derive(due.external_id))
            batch.asked.append(RequestedDeletion(tombstone, parent, is_live=due.status is RecordStatus.LIVE))

    def _withhold(self, batch: RecordBatch, pass_id: PassId, due_records: Sequence[DueRecord]) -> None:
        """Keep only the deletions that the safety stop allows; the events of the others name their hold."""
        allowed = allow_deletions(self._manifest, self._store, self._lease, pass_id, batch.asked)
        batch.tombstones = allowed.tombstones
        going = {(one.entity, one.external_id) for one in allowed.tombstones}
        asked = {(one.tombstone.entity, one.tombstone.external_id) for one in batch.asked}
        for due in due_records:
            record = (due.entity, due.external_id)
            if record in asked - going:
                hold = allowed.holds[due.entity]
                event_ids = {event.event_id for event in due.events} & batch.handled.keys()
                batch.handled |= dict.fromkeys(event_ids, f"waits for a person behind hold {hold.hold_id}")
        self._holds |= allowed.holds

    def _named_parents(self, batch: RecordBatch, due_records: Sequence[DueRecord]) -> tuple[NamedParent, ...]:
        """Return the parents whose lists the handled events make due."""
        return tuple(
            NamedParent(nested, due.external_id)
            for due in due_records
            if any(event.event_id in batch.handled for event in due.events)
            for nested in named_by_events(self._manifest, due.entity)
        )

    def _revive(self, batch: RecordBatch) -> None:
        for entity, external_ids in batch.revived.items():
            references = references_to(self._manifest, entity)
            table = self._manifest.entities[entity].record_table
            self._store.revive(self._lease, Revival(entity, table, tuple(external_ids), references))

    def _map(self, batch: RecordBatch) -> tuple[MappedBatch, ...]:
        """Map by entity, in the manifest's order, which is that of every page, so that commits cannot deadlock."""
        return tuple(self._mapper(name, batch.raws[name]) for name in self._manifest.entities if batch.raws.get(name))

    def _note_set_aside(
        self, batch: RecordBatch, due_records: Sequence[DueRecord], mapped: Sequence[MappedBatch]
    ) -> None:
        """Report events whose record could not be mapped as set aside (law 5)."""
        rejected = {(each.entity, bad.external_id) for each in mapped for bad in each.rejected}
        for due in due_records:
            if (due.entity, due.external_id) in rejected:
                event_ids = {event.event_id for event in due.events} & batch.handled.keys()
                batch.handled |= dict.fromkeys(event_ids, "set aside as a dead letter")

    def _count(
        self, batch: RecordBatch, reads: Iterable[RecordRead], counts: Mapping[EntityName, Counts], requests: int
    ) -> None:
        live = {(read.due.entity, read.due.external_id) for read in reads if read.due.status is RecordStatus.LIVE}
        total = dict(self._result.counts)
        for entity, count in counts.items():
            total[entity] = total.get(entity, Counts()) + count
        for gone in batch.tombstones:
            if (gone.entity, gone.external_id) in live:
                total[gone.entity] = total.get(gone.entity, Counts()) + Counts(tombstoned=1)
        self._result = RecordsResult(
            events=self._result.events + len(batch.handled),
            records=self._result.records + requests,
            counts=total,
            waiting=self._result.waiting + len(batch.waits),
            requests=self._result.requests + requests,
        )
