"""How often each entity of an org is checked and compared: what the manifest states, and what the org chose instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from openfaith_sync.domain.defaults import DELTA_EVERY
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.cadence_keys import parse_interval
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode

DAY = timedelta(days=1)

OwnIntervals = Mapping[tuple[EntityName, WorkMode], timedelta | None]
"""The intervals that an org chose, for single entities and for ``ALL``; ``None`` is never."""


@dataclass(frozen=True, slots=True)
class EntityCadence:
    """How often one entity of one org is synced; ``None`` is never."""

    delta: timedelta | None
    """How often the source is asked for changes."""
    reconcile: timedelta | None
    """How often stored records are compared with the source's listing."""
    full: timedelta | None
    """How often everything is compared, where a usual comparison covers a window only."""


def cadence_of(entity: Entity, own: OwnIntervals) -> EntityCadence:
    """Return how often an entity of an org with these intervals of its own is synced."""
    stated = entity.cadence
    delta = _choose(entity.name, WorkMode.DELTA, parse_interval(stated.delta), DELTA_EVERY, own)
    reconcile = _choose(entity.name, WorkMode.RECONCILIATION, parse_interval(stated.reconcile), DAY, own)
    full = own.get((entity.name, WorkMode.FULL), parse_interval(stated.full))
    if is_read_by_comparison(entity) and delta is not None and reconcile is not None and DAY <= delta >= reconcile:
        delta = None
    return EntityCadence(delta, reconcile, full)


def is_read_by_comparison(entity: Entity) -> bool:
    """Return whether a comparison reads all that a check for changes would: the whole listing, record by record."""
    is_whole = entity.cadence.reconcile_window is None and entity.nested is None
    return is_whole and entity.delta.by is DeltaCapability.NONE


def list_positions(manifest: Manifest) -> dict[EntityName, int]:
    """Return a number for each entity that spreads those with the same interval evenly over its slots.

    Nested entities, whose checks cost most, are numbered apart, so that no slot has all of them.
    """

    def sort_key(entity: Entity) -> tuple[str, bool, str]:
        return entity.cadence.delta, entity.nested is None, entity.name

    return {entity.name: place for place, entity in enumerate(sorted(manifest.entities.values(), key=sort_key))}


def _choose(
    name: EntityName, mode: WorkMode, usual: timedelta | None, default: timedelta, own: OwnIntervals
) -> timedelta | None:
    """Return an org's interval of one entity.

    What an org set for all entities never makes one more frequent for which the manifest states a longer interval
    than the default: asking an API's slowest listings every five minutes would spend the budget of all others.
    """
    if (name, mode) in own:
        return own[name, mode]
    of_all = own.get((ALL, mode))
    if of_all is None or usual is None:
        return None if (ALL, mode) in own else usual
    return of_all if usual <= default else max(of_all, usual)
