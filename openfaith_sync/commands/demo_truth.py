"""What of the simulator's data a complete copy need not hold: lists that the manifest does not have read.

This deliberately does not use the engine's rules, which must not check themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from openfaith_sync.domain.defaults import HISTORY_MONTHS
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.nested_keys import ParentCondition
from openfaith_sync.simulator.data.ground_truth import TrueRecord

Records = Mapping[str, TrueRecord]

# Local times are compared as if they were UTC, and the sync itself takes time.
_MARGIN = timedelta(days=1)
# Months are never shorter than this on average: what is that near was read.
_DAYS = {"d": 1, "m": 30}


@dataclass(slots=True)
class Truth:
    """The simulator's records at one moment, each entity read once."""

    manifest: Manifest
    read: Callable[[str], Records]
    now: datetime
    _read: dict[EntityName, Records] = field(default_factory=dict)

    def records(self, entity: EntityName) -> Records:
        """Return every record of an entity."""
        if entity not in self._read:
            self._read[entity] = self.read(entity)
        return self._read[entity]

    def left_out(self, entity: Entity) -> set[str]:
        """Return the records that a copy need not hold: below a parent whose list is not read, or named by nothing."""
        nested = entity.nested
        if nested is None or entity.parent is None:
            return set()
        parent = self.manifest.entities[entity.parent]
        unread = self.left_out(parent) | {
            id_ for id_, one in self.records(parent.name).items() if not self._is_read(one, nested.when)
        }
        named = self._named(entity) if nested.rides else None
        return {
            id_
            for id_, one in self.records(entity.name).items()
            if one.relationships.get(nested.under) in unread or (named is not None and id_ not in named)
        }

    def _is_read(self, parent: TrueRecord, conditions: tuple[ParentCondition, ...]) -> bool:
        """Return whether all conditions certainly hold, whenever in the course of a sync they were looked at."""
        return all(self._holds(parent.attributes[one.attribute], one) for one in conditions)

    def _holds(self, value: object, condition: ParentCondition) -> bool:
        if condition.equals is not None:
            return value == condition.equals
        if not isinstance(value, str):
            return False
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if condition.after is not None:
            return moment > self._time(condition.after) + _MARGIN
        return moment < self._time(condition.before or "") - _MARGIN

    def _time(self, offset: str) -> datetime:
        if offset == "history":
            offset = f"-{HISTORY_MONTHS}m"
        return self.now + timedelta(days=int(offset[:-1]) * _DAYS[offset[-1]])

    def _named(self, rider: Entity) -> set[str]:
        """Return the riders that a record names with which they come."""
        found: set[str] = set()
        for entity in self.manifest.entities.values():
            for path in (path for path, child in entity.sideload.items() if child == rider.name):
                *above, name = path.split(".")
                namer = EntityName(entity.relationships[above[0]].target) if above else entity.name
                for one in self.records(namer).values():
                    value = one.relationships.get(name)
                    found.update(value if isinstance(value, list) else [value] if value else [])
        return found
