"""A source in memory that moves between requests, and a store that keeps what was committed."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import ParamSpec, TypeVar

from openfaith_sync.adapters.dialects.pages.page_proofs import prove_order
from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.drift import Drift
from openfaith_sync.domain.passes.counted_records import CountedRecords
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord, ListingQuery, Order, Page
from openfaith_sync.domain.passes.passes import (
    Checkpoint,
    Counts,
    Lease,
    OpenPass,
    PageCommit,
    PassId,
    PassStart,
    RiderPass,
)
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.nesting import Nesting, ParentPlace, ParentScope
from openfaith_sync.domain.records.record import Damage, JsonObject, MappedBatch, RawRecord, Record
from openfaith_sync.engine.ports.pages import PendingCommit
from openfaith_sync_tests.engine.unused_store import EmptyInbox, NoDeadLetters, NoRedirects

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def moment(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)


@cache
def at(second: int) -> str:
    return moment(second).strftime("%Y-%m-%dT%H:%M:%SZ")


class NoMergesOrEvents:
    """The rest of a source of which nothing is merged and that sends no events."""

    def read_merges(self, query: ListingQuery) -> Page:
        assert query.entity == "person_merger"
        return Page((), total_count=0, has_next=False)

    def parse_payload(self, entity: EntityName, payload: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise NotImplementedError

    def parse_stored(self, entity: EntityName, body: JsonObject, parent: ExternalId | None = None) -> RawRecord:
        raise NotImplementedError


@dataclass
class MovingChurch(NoMergesOrEvents):
    """Serves one entity as the real source does: whole seconds, ties by id, offsets that shift."""

    manifest: Manifest
    entity: EntityName
    versions: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    now: int = 0
    before_request: Callable[["MovingChurch"], None] = lambda _: None
    queries: list[ListingQuery] = field(default_factory=list)
    ignores_filters: bool = False
    """As the source does with filters it does not know: everything comes, with status 200."""

    def create(self, second: int | None = None) -> int:
        number = len(self.names) + 1  # the names of deleted records stay
        self.now = max(self.now, second if second is not None else self.now)
        self.versions[number] = self.now if second is None else second
        self.names[number] = f"name {number}"
        return number

    def update(self, number: int) -> None:
        if number in self.versions:
            self.versions[number] = self.now
            self.names[number] = f"name {number} at {self.now}.{len(self.queries)}"

    def delete(self, number: int) -> None:
        self.versions.pop(number, None)

    def read_page(self, query: ListingQuery) -> Page:
        self.before_request(self)
        self.queries.append(query)
        size = query.size or self.manifest.adapter_file.paging.size
        rows = [n for n in self.versions if self._matches(n, query)]
        if query.order is Order.ID:
            rows.sort()
        else:
            rows.sort(key=lambda n: (self.versions[n], n))
            if query.order is Order.VERSION_DESCENDING:
                rows.sort(key=lambda n: (-self.versions[n], n))
        found = rows[query.offset : query.offset + size]
        page = Page(
            records=tuple(self._raw(number) for number in found),
            total_count=len(rows),
            has_next=query.offset + size < len(rows),
            answered_at=moment(self.now),
        )
        if query.order is not Order.ID:
            # What the JSON:API dialect proves of an answer.
            prove_order(page, query, "updated_at")
        return page

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        assert entity == self.entity
        assert parent is None
        number = int(external_id)
        return FreshRecord(self._raw(number)) if number in self.versions else None

    def _matches(self, number: int, query: ListingQuery) -> bool:
        if self.ignores_filters:
            return True
        version = moment(self.versions[number])
        is_from = query.version_from is None or version >= query.version_from
        return is_from and (query.version_before is None or version < query.version_before)

    def _raw(self, number: int) -> RawRecord:
        attributes = {"updated_at": at(self.versions[number]), "created_at": at(0), "name": self.names[number]}
        body = {"id": str(number), "type": "Campus", "attributes": attributes}
        damage = None if isinstance(self.names[number], str) else Damage("name", "number", "expected text")
        return RawRecord(ExternalId(str(number)), attributes, {}, body, damage=damage)


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """A page that is stored when its result is asked for."""

    result: Callable[[], Mapping[EntityName, Counts]]


class MemoryStore(NoRedirects, NoDeadLetters, EmptyInbox):
    """Keeps records and checkpoints in memory, by the rules of the real store."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.rows: dict[str, tuple[datetime | None, bytes, tuple[object, ...]]] = {}
        self.checkpoint = Checkpoint()
        self.pages: list[PageCommit] = []
        self.created: list[str] = []
        self.reports: list[dict[str, object]] = []
        self.counted: list[CountedRecords | None] = []
        self._ids = iter(range(1, 10**9))

    @contextmanager
    def hold_lease(self, key: SyncKey, holder: str) -> Iterator[Lease]:
        assert holder
        yield Lease(key, 1)

    def load_checkpoint(self, key: SyncKey) -> Checkpoint:
        assert key
        return self.checkpoint

    def open_pass(self, lease: Lease, start: PassStart, place: WalkPlace) -> OpenPass:
        assert lease
        opened = OpenPass(PassId(next(self._ids)), start, place, Counts(), 0, 0, None)
        self.checkpoint = replace(self.checkpoint, open_pass=opened)
        return opened

    def commit_page(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        assert lease
        self.pages.append(page)
        opened = self.checkpoint.open_pass
        assert opened
        assert opened.pass_id == page.pass_id
        batch = page.batches[0]
        counts, newest = Counts(dead=len(batch.rejected)), opened.newest
        for record in batch.records:
            known = self.rows.get(record.external_id)
            is_change = self._is_change(record)
            if page.believed_until is None or record.version is None or record.version <= page.believed_until:
                newest = max(filter(None, (newest, record.version)), default=None)
            if known is None:
                counts += Counts(created=1)
                self.created.append(record.external_id)
            elif not is_change:
                counts += Counts(unchanged=1)
                continue
            else:
                counts += Counts(updated=1)
            self.rows[record.external_id] = (record.version, record.content_hash, record.values)
        place = WalkPlace.from_json(json.loads(json.dumps(page.place.to_json())))
        opened = replace(
            opened,
            place=place,
            counts=opened.counts + counts,
            pages=opened.pages + page.pages,
            requests=opened.requests + page.requests,
            newest=newest,
        )
        self.checkpoint = replace(self.checkpoint, open_pass=opened)
        return {batch.entity: counts}

    def _is_change(self, record: Record) -> bool:
        known = self.rows.get(record.external_id)
        if known is None:
            return True
        return known[1] != record.content_hash and not self._is_older(record)

    def _is_older(self, record: Record) -> bool:
        version = self.rows[record.external_id][0]
        return version is not None and record.version is not None and record.version < version

    def count_changes(self, key: SyncKey, batch: MappedBatch) -> int:
        assert key
        return sum(map(self._is_change, batch.records))

    def note_checked(self, key: SyncKey) -> None:
        assert key

    def load_now(self, key: SyncKey) -> datetime:
        assert key
        return EPOCH

    def has_due_parents(self, key: SyncKey, nesting: Nesting, scope: ParentScope) -> bool:
        raise NotImplementedError

    def load_due_parents(self, key: SyncKey, nesting: Nesting, scope: ParentScope, most: int) -> Sequence[ParentPlace]:
        raise NotImplementedError

    def load_ancestors(
        self, key: SyncKey, nesting: Nesting, of: Iterable[ExternalId]
    ) -> Mapping[ExternalId, Ancestors]:
        raise NotImplementedError

    def begin_commit(self, lease: Lease, page: PageCommit) -> PendingCommit:
        return Sent(lambda: self.commit_page(lease, page))

    def close_pass(
        self,
        lease: Lease,
        pass_id: PassId,
        watermark: datetime | None,
        requests: int,
        counted: CountedRecords | None = None,
    ) -> None:
        assert lease
        self.counted.append(counted)
        assert requests >= 0
        opened = self.checkpoint.open_pass
        assert opened
        assert opened.pass_id == pass_id
        newest = max(filter(None, (self.checkpoint.watermark, watermark)), default=None)
        version = opened.start.manifest_version
        self.checkpoint = Checkpoint(watermark=newest, completed_at=EPOCH, manifest_version=version)

    def abandon_pass(self, lease: Lease, pass_id: PassId) -> None:
        assert lease
        assert pass_id
        self.checkpoint = replace(self.checkpoint, open_pass=None)

    def abandon_riders(self, lease: Lease, pass_id: PassId) -> None:
        assert lease
        assert pass_id

    def reset_watermark(self, lease: Lease) -> None:
        assert lease
        self.checkpoint = replace(self.checkpoint, watermark=None)

    def load_announced(self, lease: Lease, pass_id: PassId) -> Mapping[str, int]:
        assert lease
        assert pass_id
        return {}

    def write_report(self, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
        assert lease
        assert pass_id
        self.reports.append(dict(report))

    def note_drift(self, lease: Lease, found: Sequence[Drift], listed: Collection[EntityName]) -> None:
        assert lease
        assert listed or found

    def load_report(self, lease: Lease, pass_id: PassId) -> Mapping[str, object]:
        assert lease
        assert pass_id
        return {}

    def load_rider(self, key: SyncKey) -> RiderPass | None:
        assert key
        return None

    def has_ridden(self, key: SyncKey, manifest_version: str) -> bool:
        raise NotImplementedError

    def count_live(self, key: SyncKey) -> int:
        assert key
        return len(self.rows)


class EagerThreads(Executor):
    """Answers every request when it is sent, in that order, so that a test decides what moves when."""

    def __init__(self, count: int) -> None:
        assert count

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  handed on, as threads do
            future.set_exception(error)
        return future


def small_pages(manifest: Manifest, *, in_flight: int, size: int = 5, pages_a_slice: int = 2) -> Manifest:
    """Return the manifest with small pages, and without the overlap that would hide what a walk missed."""
    paging = manifest.adapter_file.paging.model_copy(
        update={"size": size, "pages_in_flight": in_flight, "pages_a_slice": pages_a_slice}
    )
    entities = {
        name: entity.model_copy(update={"delta": entity.delta.model_copy(update={"overlap_seconds": 0})})
        for name, entity in manifest.entities.items()
    }
    adapter_file = manifest.adapter_file.model_copy(update={"paging": paging})
    return manifest.model_copy(update={"adapter_file": adapter_file, "entities": entities})
