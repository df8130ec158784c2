"""Predict the passes of a run: which mode each entity is synced in, how many requests it takes, what it deletes.

These rules follow the algorithms of the engine, request by request; a test compares both on a random church.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.planning.deletion_forecast import DeletionForecast, SafetyStopForecast, predict_deletions
from openfaith_sync.domain.planning.entity_facts import EntityFacts
from openfaith_sync.domain.planning.listing_requests import (
    count_changed_listing,
    count_deep_pages,
    count_full_listing,
    count_parent_list,
    count_whole_listing,
    is_cut,
)
from openfaith_sync.domain.planning.ranges import NOTHING, Range
from openfaith_sync.domain.planning.run_time import Pace
from openfaith_sync.domain.records.riding import find_carriers, rides

Facts = Mapping[EntityName, EntityFacts]


@dataclass(frozen=True, slots=True)
class PassForecast:
    """One entity's pass in a run."""

    entity: EntityName
    mode: SyncMode
    records: int | None
    """How many records it reads; ``None`` if that is unknown."""
    requests: Range | None
    """``None`` if nothing is known of the entity's size."""
    likely_further: int = 0
    """Of the requests beyond the least, those that are likely."""
    rounds: float = 0.0
    """How many of the requests, at least, are sent one after the other."""
    deep_requests: int = 0
    """Requests beyond the offset that the source slows down."""
    deletions: DeletionForecast | None = None
    """``None`` for a pass that compares nothing."""
    note: str | None = None
    seconds_per_request: float | None = None
    """How long the entity's last passes took for each request."""

    def busy_seconds(self, pace: Pace) -> float:
        """Return how long the requests take by themselves, at least."""
        if self.requests is None or self.seconds_per_request is None:
            return self.rounds * pace.latency_seconds
        return self.requests.least * self.seconds_per_request


def predict_passes(
    manifest: Manifest, facts: Facts, mode: SyncMode, entities: Sequence[EntityName]
) -> Iterator[PassForecast]:
    """Yield the pass of each entity of a run in this mode, in the order of the run."""
    run = _Run(manifest, facts, mode, entities)
    for entity in manifest.graph.entities:
        if entity in entities:
            forecast = run.predict(manifest.entities[entity])
            yield replace(forecast, seconds_per_request=facts[entity].seconds_per_request)


class _Run:
    """One run over some entities of an org."""

    def __init__(self, manifest: Manifest, facts: Facts, mode: SyncMode, entities: Sequence[EntityName]) -> None:
        self._manifest = manifest
        self._paging = manifest.adapter_file.paging
        self._facts = facts
        self._mode = mode
        self._readable = [entity for entity in entities if facts[entity].refusal is None]
        self._gone: dict[EntityName, Range] = {}
        """What was predicted to go of the entities so far."""

    def predict(self, entity: Entity) -> PassForecast:
        """Return the pass of one entity."""
        facts = self._facts[entity.name]
        mode = self._mode_of(entity, facts)
        if facts.refusal is not None:
            return PassForecast(entity.name, mode, None, NOTHING, note=f"not available: {facts.refusal}")
        if rides(entity):
            return self._rider(entity, facts, mode)
        if entity.nested is not None:
            return self._nested(entity, facts, mode)
        if mode is SyncMode.RECONCILIATION:
            return self._reconciliation(entity, facts)
        if mode is SyncMode.DELTA:
            return self._delta(entity, facts)
        return self._full(entity, facts)

    def _mode_of(self, entity: Entity, facts: EntityFacts) -> SyncMode:
        opened = facts.checkpoint.open_pass
        if self._mode is not SyncMode.AUTO:
            return self._mode
        if opened is not None and facts.is_current and opened.start.mode is not SyncMode.SIDELOAD:
            return opened.start.mode
        can_tell = entity.nested is not None or (
            entity.delta.by is not DeltaCapability.NONE and facts.checkpoint.watermark is not None
        )
        return SyncMode.DELTA if can_tell and facts.is_synced and facts.is_current else SyncMode.FULL

    def _full(self, entity: Entity, facts: EntityFacts) -> PassForecast:
        parent = self._carrier(entity)
        if parent is not None:
            return PassForecast(
                entity.name, SyncMode.FULL, facts.records, NOTHING, note=f"included in the pages of {parent}"
            )
        if facts.records is None:
            return self._unknown(entity, SyncMode.FULL)
        pages = count_full_listing(entity, self._paging, facts.records)
        newest = self._count_newest_versions(entity)
        is_filtered = entity.delta.by is DeltaCapability.FILTER and entity.total_count == "exact"
        recounts = int(is_filtered and pages > 1 and facts.source is not None and facts.source.is_changing)
        merges = self._count_merges(entity, facts, facts.merges if not facts.is_synced else facts.new_merges)
        return PassForecast(
            entity=entity.name,
            mode=SyncMode.FULL,
            records=facts.records,
            requests=self._without_done(facts, Range.exactly(newest + pages + recounts) + merges),
            rounds=min(newest, 1) + self._in_sequence(pages, facts.records) + recounts + merges.least,
            deep_requests=0 if is_filtered else count_deep_pages(self._paging, facts.records),
            note=self._why_full(facts),
        )

    def _delta(self, entity: Entity, facts: EntityFacts) -> PassForecast:
        changed = facts.source.since_watermark if facts.source else None
        merges = self._count_merges(entity, facts, facts.new_merges)
        known = changed or NOTHING
        least, most = (count_changed_listing(entity, self._paging, rows) for rows in (known.least, known.most))
        return PassForecast(
            entity=entity.name,
            mode=SyncMode.DELTA,
            records=changed.least if changed else None,
            requests=Range(least, most) + merges,
            rounds=least + merges.least,
        )

    def _reconciliation(self, entity: Entity, facts: EntityFacts) -> PassForecast:
        if facts.records is None:
            return self._unknown(entity, SyncMode.RECONCILIATION)
        pages = count_whole_listing(entity, self._paging, facts.records)
        counts = 2 if entity.total_count == "exact" else 0
        forecast = predict_deletions(facts, is_readable=entity.endpoints.get is not None)
        reads = self._count_reads(entity, forecast)
        if self._is_sparse(entity, facts):
            # Listed by id alone; each record that no delta stored until then is read.
            reads += Range(0, facts.new.most)
        merges = NOTHING
        if entity.merges is not None:
            # All of them before the listing, and those since the last one behind it.
            merges = self._count_merges(entity, facts, facts.merges) + Range.exactly(1)
        self._gone[entity.name] = forecast.missing if forecast.is_counted else forecast.deletions
        return PassForecast(
            entity=entity.name,
            mode=SyncMode.RECONCILIATION,
            records=facts.records,
            requests=Range.exactly(counts + pages) + reads + merges,
            rounds=counts + self._in_sequence(pages, facts.records) + merges.least + reads.least / self._in_flight,
            deep_requests=count_deep_pages(self._paging, facts.records),
            deletions=forecast,
        )

    def _rider(self, entity: Entity, facts: EntityFacts, mode: SyncMode) -> PassForecast:
        """Return a pass that asks for nothing but the lists of parents that name other riders than are stored."""
        gone_parents = self._gone.get(EntityName(entity.parent or ""), NOTHING)
        forecast = predict_deletions(facts, gone_parents, is_readable=entity.endpoints.get is not None)
        lists = facts.nested.changed_parents if facts.is_synced else 0
        return PassForecast(
            entity=entity.name,
            mode=mode,
            records=facts.stored or None,
            requests=Range.exactly(lists),
            rounds=lists / self._in_flight,
            deletions=forecast if facts.is_full_sync_done else None,
            note=f"comes with {' and '.join(find_carriers(self._manifest, entity.name))}",
        )

    def _nested(self, entity: Entity, facts: EntityFacts, mode: SyncMode) -> PassForecast:
        above = self._facts[EntityName(entity.parent or "")]
        gone_parents = self._gone.get(EntityName(entity.parent or ""), NOTHING)
        if above.records is None:
            return self._unknown(entity, mode)
        forecast = predict_deletions(facts, gone_parents, is_readable=entity.endpoints.get is not None)
        if mode is SyncMode.DELTA:
            lists = self._changed_lists(entity, facts, above)
            # Nothing leaves a list that is not read.
            members = sum(facts.nested.lists[: lists.most])
            forecast = replace(forecast, deletions=forecast.deletions.at_most(members))
        else:
            further = sum(count_parent_list(self._paging, rows) - 1 for rows in facts.nested.lists)
            lists = Range.exactly(above.records + further)
        reads = self._count_reads(entity, forecast)
        likely = min(max(self._count_likely_losses(entity, facts), reads.least), reads.most)
        return PassForecast(
            entity=entity.name,
            mode=mode,
            records=facts.stored or None,
            requests=lists + reads,
            likely_further=likely - reads.least,
            rounds=(lists.least + reads.least) / self._in_flight,
            # How many a first full sync will store is not known before.
            deletions=None if facts.is_full_sync_done else forecast,
            note=f"one list for each {entity.parent}{' that changed' if mode is SyncMode.DELTA else ''}",
        )

    def _count_likely_losses(self, entity: Entity, facts: EntityFacts) -> int:
        """Return how many nested records went with what they refer to, if as large a share of them went."""
        targets = {EntityName(link.target) for link in entity.relationships.values() if link.cardinality == "one"}
        shares = (self._gone[name].least / max(1, self._facts[name].stored) for name in targets & self._gone.keys())
        return round(sum(shares) * facts.stored)

    def _changed_lists(self, entity: Entity, facts: EntityFacts, above: EntityFacts) -> Range:
        differing = (above.source.differing if above.source else None) or NOTHING
        most = facts.nested.changed_parents + differing.most
        is_named = entity.nested is not None and entity.nested.members is not None
        # A parent whose own record names its members is spared where nobody came or left.
        return Range(above.new.least if is_named else facts.nested.changed_parents + differing.least, most)

    def _unknown(self, entity: Entity, mode: SyncMode) -> PassForecast:
        return PassForecast(entity.name, mode, None, None, note="never synced, and the source was not asked")

    def _count_merges(self, entity: Entity, facts: EntityFacts, rows: int) -> Range:
        if entity.merges is None or entity.merge_listing is None:
            return NOTHING
        pages = count_full_listing(entity.merge_listing, self._paging, rows)
        # Each removed record that is still stored here is read.
        return Range(pages, pages + (facts.new_merges if facts.is_synced else 0))

    def _count_reads(self, entity: Entity, forecast: DeletionForecast) -> Range:
        if entity.endpoints.get is None or forecast.stop is SafetyStopForecast.WILL:
            return NOTHING
        return forecast.deletions

    def _is_sparse(self, entity: Entity, facts: EntityFacts) -> bool:
        is_blind = any(spot.covered_by == "reconciliation" for spot in entity.blind_spots)
        return not (is_blind or entity.delta.by is DeltaCapability.NONE) and facts.is_current

    def _count_newest_versions(self, entity: Entity) -> int:
        """Return the requests before a full pass: the newest version of each child that is included, and its own."""
        children = (self._manifest.entities[EntityName(child)] for child in entity.sideload.values())
        riding = sum(child.delta.by is not DeltaCapability.NONE for child in children)
        return riding + (entity.delta.by is DeltaCapability.ORDERED)

    def _is_refused(self, entity: EntityName) -> bool:
        source = self._facts[entity].source
        return source is not None and source.refusal is not None

    def _carrier(self, entity: Entity) -> EntityName | None:
        """Return the entity of the same run whose full pass includes this one."""
        for name in self._readable:
            parent = self._manifest.entities[name]
            is_full = self._mode_of(parent, self._facts[name]) is SyncMode.FULL
            if entity.name in parent.sideload.values() and is_full and not self._is_refused(entity.name):
                return name
        return None

    def _without_done(self, facts: EntityFacts, requests: Range) -> Range:
        """Return what is left to request of a pass that was interrupted."""
        opened = facts.checkpoint.open_pass
        done = opened.requests if opened is not None and facts.is_current and self._mode is SyncMode.AUTO else 0
        return Range(max(1, requests.least - done), max(1, requests.most - done)) if done else requests

    def _why_full(self, facts: EntityFacts) -> str | None:
        if facts.checkpoint.open_pass is not None and facts.is_current:
            return "resumes an unfinished pass"
        if not facts.is_synced:
            return "never synced"
        return None if facts.is_current else "the manifest changed"

    def _in_sequence(self, pages: int, rows: int) -> float:
        """Return how many of a listing's pages come one after the other: a short listing is read in one place."""
        if not is_cut(self._paging, rows):
            return pages
        return pages / min(self._in_flight, max(2, rows // (self._paging.pages_a_slice * self._paging.size)))

    @property
    def _in_flight(self) -> int:
        return self._paging.pages_in_flight
