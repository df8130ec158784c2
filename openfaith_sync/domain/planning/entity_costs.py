"""What each entity costs an org in requests while nothing changes: its first sync, and each interval after it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta

from openfaith_sync.domain.defaults import DELTA_EVERY, LONG_LISTING_EVERY
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import MOST_PROBED_PAGES
from openfaith_sync.domain.passes.passes import Checkpoint, SyncMode
from openfaith_sync.domain.planning.entity_facts import EntityFacts, SourceView
from openfaith_sync.domain.planning.listing_requests import count_whole_listing
from openfaith_sync.domain.planning.pass_forecast import Facts, predict_passes
from openfaith_sync.domain.planning.ranges import NOTHING
from openfaith_sync.domain.schedule.cadences import EntityCadence

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
WEEK, MONTH = timedelta(days=7), timedelta(days=30)

WindowCounts = Mapping[EntityName, int]
"""How many records lie within the window of an entity's comparison, where that is known."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests; ``None`` where nothing is known of the size."""

    first: float | None = 0
    """In the first sync."""
    quarter: float | None = 0
    """In a quarter of an hour, with hourly work spread over its quarters."""
    night: float | None = 0
    week: float | None = 0
    """Beside its nights."""
    month: float | None = 0
    """Beside its weeks."""

    def __add__(self, other: "Cost") -> "Cost":
        """Add member by member; what is unknown is left out."""
        return Cost(*((getattr(self, one.name) or 0) + (getattr(other, one.name) or 0) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class EntityCost:
    """What one entity costs."""

    entity: EntityName
    module: str
    cadence: EntityCadence
    cost: Cost
    note: str | None = None


def predict_costs(
    manifest: Manifest, facts: Facts, cadences: Mapping[EntityName, EntityCadence], windows: WindowCounts
) -> Iterator[EntityCost]:
    """Yield the cost of each entity, in the order of syncing.

    Where the size of a comparison's window is unknown, the whole listing is counted.
    """
    names = [name for name in manifest.graph.entities if name in facts]
    first = {one.entity: one for one in predict_passes(manifest, _as_new(facts), SyncMode.FULL, names)}
    later = {name: one.after_full_sync() for name, one in facts.items()}
    compared = {one.entity: one for one in predict_passes(manifest, later, SyncMode.RECONCILIATION, names)}
    within = {name: _sized(later[name], windows[name]) for name in names if name in windows}
    of_window = {
        one.entity: one
        for one in predict_passes(manifest, {**later, **within}, SyncMode.RECONCILIATION, names)
        if one.entity in within
    }
    for name in names:
        entity, cadence = manifest.entities[name], cadences[name]
        if entity.nested is not None and entity.nested.rides:
            yield EntityCost(name, entity.module, cadence, Cost(), f"comes with {entity.parent}")
            continue
        start = first[name].requests
        whole = compared[name].requests
        part = of_window[name].requests if name in of_window else whole
        cost = Cost(first=None if start is None else start.least)
        every, paging = cadence.delta, manifest.adapter_file.paging
        is_long = entity.delta.by is DeltaCapability.NONE and (facts[name].records or 0) > paging.size
        if is_long and entity.nested is None and every == DELTA_EVERY:
            every = LONG_LISTING_EVERY
        cost = _with(cost, every, _check(manifest, entity, facts[name]))
        cost = _with(cost, cadence.reconcile, None if part is None else part.least)
        if entity.cadence.reconcile_window is not None:
            cost = _with(cost, cadence.full, None if whole is None else whole.least)
        yield EntityCost(name, entity.module, cadence, cost, first[name].note)


def total(costs: Iterator[EntityCost] | list[EntityCost]) -> Cost:
    """Return the sum of costs."""
    return sum((one.cost for one in costs), Cost())


def _with(cost: Cost, every: timedelta | None, requests: float | None) -> Cost:
    """Add requests that are sent once in an interval to the span that it belongs to."""
    if every is None:
        return cost
    span, name = next(((span, name) for longest, span, name in _SPANS if every <= longest), (MONTH, "month"))
    known = getattr(cost, name)
    share = 1.0 if every > MONTH else span / every
    changed = None if requests is None or known is None else known + requests * share
    return replace(cost, **{name: changed})


_SPANS = (
    (DAY - timedelta(minutes=1), QUARTER, "quarter"),
    (DAY, DAY, "night"),
    (WEEK, WEEK, "week"),
    (MONTH, MONTH, "month"),
)


def _check(manifest: Manifest, entity: Entity, facts: EntityFacts) -> float | None:
    """Return the requests of a check for changes that finds none."""
    if entity.nested is not None:
        # Only parents that changed are read.
        return 0
    if entity.delta.by is not DeltaCapability.NONE or not entity.is_paged:
        return 1
    if entity.cadence.delta_window is not None:
        return 1
    if facts.records is None:
        return None
    paging = manifest.adapter_file.paging
    pages = max(1, -(-facts.records // paging.size))
    # A listing that is too long for a check is read by a run each time.
    further = count_whole_listing(entity, paging, facts.records) if pages > MOST_PROBED_PAGES else 0
    return min(pages, MOST_PROBED_PAGES) + further


def _as_new(facts: Facts) -> dict[EntityName, EntityFacts]:
    """Return what would be known of an org that was never synced."""
    return {
        name: EntityFacts(
            source=SourceView(counted=one.records, new=NOTHING, differing=NOTHING, merges=one.merges),
            nested=replace(one.nested, changed_parents=0),
            checkpoint=Checkpoint(),
            refusal=one.refusal,
        )
        for name, one in facts.items()
    }


def _sized(facts: EntityFacts, records: int) -> EntityFacts:
    source = facts.source or SourceView(new=NOTHING, differing=NOTHING)
    return replace(facts, source=replace(source, counted=records))
