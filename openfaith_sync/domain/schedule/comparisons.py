"""Which entities of an org are compared with the source in a night, and how much of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.schedule.cadences import EntityCadence, OwnIntervals, cadence_of
from openfaith_sync.domain.schedule.slots import is_nights_turn, night_of

REREAD_EVERY = timedelta(days=7)
"""How often a comparison reads whole records, and not only ids and versions. It takes no more requests, and finds
changes that no version shows and nobody knows of."""


@dataclass(frozen=True, slots=True)
class Compared:
    """When an entity was compared last."""

    at: datetime | None = None
    whole_at: datetime | None = None
    """When all of its records were read and compared."""
    is_synced: bool = False
    """Whether it was ever completely synced."""
    is_waiting: bool = False
    """Whether records that were missing wait for more evidence, or for what a person decided of them."""


@dataclass(frozen=True, slots=True)
class NightsComparisons:
    """What one org's comparison covers in one night."""

    entities: list[EntityName] = field(default_factory=list)
    windowed: list[EntityName] = field(default_factory=list)
    """Those of which only the records within their window are compared."""
    reread: list[EntityName] = field(default_factory=list)
    """Those whose records are read whole."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night of one org."""

    org: OrgId
    begins: datetime
    time_zone: str

    @property
    def tonight(self) -> date:
        """Return its date where the org is."""
        return night_of(self.begins, self.time_zone)

    def date_of(self, moment: datetime | None) -> date | None:
        """Return the date of a moment where the org is."""
        return None if moment is None else night_of(moment, self.time_zone)


def plan_comparisons(
    entities: Iterable[Entity],
    positions: Mapping[EntityName, int],
    own: OwnIntervals,
    compared: Mapping[EntityName, Compared],
    night: Night,
) -> NightsComparisons:
    """Return what is compared in a night.

    What was missed in an earlier night is made up for; what was never synced, and what has records that seem to be
    gone, is due every night.
    """
    planned = NightsComparisons()
    for entity in entities:
        name, last = entity.name, compared.get(entity.name, Compared())
        cadence, is_windowed = cadence_of(entity, own), entity.cadence.reconcile_window is not None
        is_whole = _is_turn(cadence.full, positions[name], night, last.whole_at)
        is_at_once = last.is_waiting or not last.is_synced
        if not (is_whole or is_at_once or _is_turn(cadence.reconcile, positions[name], night, last.at)):
            continue
        planned.entities.append(name)
        if is_windowed and not is_whole:
            planned.windowed.append(name)
        elif is_whole or _is_reread(cadence, night, last):
            planned.reread.append(name)
    return planned


def _is_reread(cadence: EntityCadence, night: Night, last: Compared) -> bool:
    before = night.date_of(last.whole_at)
    return cadence.full is None and (before is None or night.tonight - before >= REREAD_EVERY)


def _is_turn(every: timedelta | None, position: int, night: Night, last: datetime | None) -> bool:
    return is_nights_turn(night.org, position, every, night.tonight, night.date_of(last))
