"""Fetch one page and map it: the work on a page that needs neither order nor database."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.drift import DriftLog
from openfaith_sync.domain.mapping.mapping import Mapper, build_mapper, map_batch
from openfaith_sync.domain.passes.listing import ListingQuery, Page, parse_version
from openfaith_sync.domain.records.record import MappedBatch, RawRecord
from openfaith_sync.domain.records.riding import riders_of
from openfaith_sync.engine.passes.page_reading import PageReader
from openfaith_sync.engine.passes.watermarks import believed_until, is_plausible
from openfaith_sync.engine.ports.source import Source


@dataclass(frozen=True, slots=True)
class MappedPage:
    """A page with its records mapped."""

    page: Page
    batch: MappedBatch
    children: tuple[MappedBatch, ...]
    implausible: int = 0
    """Records whose version is before 1970 or after the source's clock."""
    believed_until: datetime | None = None
    """The latest version that the source can have assigned when it responded."""


class Fetcher:
    """Fetch and map the pages of one entity with their sideloaded children. Thread-safe."""

    def __init__(
        self,
        manifest: Manifest,
        source: Source,
        org: OrgId,
        entity: EntityName,
        *,
        notes_ids: bool = False,
        drift: DriftLog | None = None,
    ) -> None:
        """Compile the mappers once. With ``notes_ids``, keep every id that a page lists."""
        drift = drift or DriftLog()
        self._drift = drift.of(manifest.entities[entity])
        declared = manifest.entities[entity]
        names = list(dict.fromkeys((entity, *map(EntityName, declared.sideload.values()))))
        self.riders = riders_of(manifest, entity)
        """Riders, which come with every whole record of the entity."""
        are_riders = len(self.riders) == len(names) - 1
        self.reader = PageReader(source.read_page, manifest.paging_of(entity).size, is_made_up_for=are_riders)
        self.variants = declared.variants_count
        self._entity = entity
        self._overlap = declared.delta.overlap
        self.notes_ids = notes_ids
        self._version_attribute = declared.delta.attribute
        self._mappers: Mapping[EntityName, Mapper] = {
            name: build_mapper(
                manifest.entities[name], org, manifest.adapter, manifest.entities, drift.of(manifest.entities[name])
            )
            for name in names
        }
        self._parent_references = {name: _parent_references(manifest, name, names) for name in names[1:]}

    def fetch(self, query: ListingQuery) -> MappedPage:
        """Return the page that answers a query, mapped."""
        page = self.reader.read(query)
        if page.versions is not None:
            self._drift.note_version(*page.versions)
        # A record of a sparse listing has only its id, or cannot be read.
        batch = self.map_records(page.unreadable if query.is_sparse else page.records)
        if query.is_sparse and batch.rejected:
            batch = replace(batch, rejected=tuple(replace(bad, is_whole=False) for bad in batch.rejected))
        return MappedPage(
            page=page,
            batch=batch,
            children=tuple(
                map_batch(self._mappers[name], name, page.children.get(name, ())) for name in query.children
            ),
            implausible=self._count_implausible(page, batch),
            believed_until=believed_until(page.answered_at, self._overlap),
        )

    def _count_implausible(self, page: Page, batch: MappedBatch) -> int:
        if page.answered_at is None:
            return 0
        versions = [record.version for record in batch.records if record.version is not None]
        # Nearly every page is within the bounds, as its oldest and newest version show.
        if all(is_plausible(end, page.answered_at, self._overlap) for end in _ends(versions)):
            return 0
        return sum(not is_plausible(version, page.answered_at, self._overlap) for version in versions)

    def map_records(self, raws: Iterable[RawRecord]) -> MappedBatch:
        """Return records of the entity, mapped."""
        return map_batch(self._mappers[self._entity], self._entity, raws)

    def map_riders(self, children: Mapping[EntityName, Iterable[RawRecord]]) -> tuple[MappedBatch, ...]:
        """Return the riders among children that came with records, mapped."""
        return tuple(map_batch(self._mappers[name], name, children[name]) for name in self.riders if children.get(name))

    def listed(self, fetched: MappedPage) -> tuple[ExternalId, ...]:
        """Return the ids of a page to keep: all of them, including those that were read before."""
        return tuple(record.external_id for record in fetched.page.records) if self.notes_ids else ()

    def listed_versions(self, fetched: MappedPage) -> dict[ExternalId, datetime]:
        """Return the versions that a page lists, of the records where it shows one that can be read."""
        if not self.notes_ids or self._version_attribute is None:
            return {}
        found = ((raw.external_id, raw.attributes.get(self._version_attribute)) for raw in fetched.page.records)
        versions = ((external_id, parse_version(text)) for external_id, text in found)
        return {external_id: version for external_id, version in versions if version is not None}

    def only(self, fetched: MappedPage, fresh: Collection[int]) -> tuple[MappedBatch, ...]:
        """Return the batches of a page without the records that were read before, nor their children."""
        records = fetched.page.records
        if len(fresh) == len(records):
            return (fetched.batch, *fetched.children)
        skipped = {records[i].external_id for i in set(range(len(records))).difference(fresh)}
        left_out: dict[EntityName, set[str]] = {self._entity: set(skipped)}
        children: list[MappedBatch] = []
        # Children of children come after these: what came with a refund that was read before was read as well.
        for child in fetched.children:
            raws = fetched.page.children.get(child.entity, ())
            left_out[child.entity] = {
                raw.external_id
                for raw in raws
                for parent, name in self._parent_references[child.entity]
                if _refers_to(raw, name, left_out.get(parent, ()))
            }
            children.append(_without(child, left_out[child.entity]))
        return (_without(fetched.batch, skipped), *children)


class RecordMapper:
    """Map single records of any entity. Each entity's mapper is compiled when it is first needed."""

    def __init__(self, manifest: Manifest, org: OrgId) -> None:
        """Map the records of this org."""
        self._manifest = manifest
        self._org = org
        self._mappers: dict[EntityName, Mapper] = {}

    def __call__(self, entity: EntityName, raws: Iterable[RawRecord]) -> MappedBatch:
        """Return the records of one entity, mapped."""
        if entity not in self._mappers:
            manifest = self._manifest
            declared = manifest.entities[entity]
            self._mappers[entity] = build_mapper(declared, self._org, manifest.adapter, manifest.entities)
        return map_batch(self._mappers[entity], entity, raws)


def _ends(versions: Sequence[datetime]) -> tuple[datetime, ...]:
    """Return the oldest and the newest version, if there are any."""
    return (min(versions), max(versions)) if versions else ()


def _without(batch: MappedBatch, external_ids: Collection[str]) -> MappedBatch:
    if not external_ids:
        return batch
    return replace(
        batch,
        records=tuple(record for record in batch.records if record.external_id not in external_ids),
        rejected=tuple(record for record in batch.rejected if record.external_id not in external_ids),
    )


def _refers_to(raw: RawRecord, name: str, external_ids: Collection[str]) -> bool:
    reference = raw.references.get(name)
    return reference is not None and reference.external_id in external_ids


def _parent_references(
    manifest: Manifest, child: EntityName, parents: Collection[EntityName]
) -> tuple[tuple[EntityName, str], ...]:
    """Return the references of a child to what it comes with; one that several records share may have none."""
    relationships = manifest.entities[child].relationships.items()
    ones = ((EntityName(one.target), name) for name, one in relationships if one.cardinality == "one")
    return tuple((target, name) for target, name in ones if target in parents)
