"""Selections: which rows a listing holds, in which order."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from openfaith_sync.simulator.api.filters import Condition, conditions
from openfaith_sync.simulator.api.query import Query, Where
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.ordering import LEAST, NUMERIC_TYPES, Index, OrderKey, after
from openfaith_sync.simulator.data.tables import Table

_KEPT = 64


class Selection(Protocol):
    """The rows of a listing."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids of a stretch of them."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an order: found without looking at any row."""

    index: Index
    low: int
    high: int

    @property
    def count(self) -> int:
        """How many there are."""
        return max(0, self.high - self.low)

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids of a stretch of them."""
        return self.index.ids(self.low + start, min(self.low + stop, self.high))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows that were looked at one by one."""

    found: list[int]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.found)

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids of a stretch of them."""
        return self.found[start:stop]


class Selector:
    """Finds the rows of listings, and keeps what was found until a table changes."""

    def __init__(self, world: World) -> None:
        """Select from this world."""
        self._world = world
        self._kept: OrderedDict[tuple[object, ...], Chosen] = OrderedDict()

    def select(self, table: Table, query: Query) -> Selection:
        """Return the rows of a whole table that the query asks for."""
        found = self._select(table, query)
        hidden = table.hidden
        # What is not shown yet must not be counted either: only then is a stretch looked at row by row.
        return Chosen([number for number in found.ids(0, found.count) if number not in hidden]) if hidden else found

    def _select(self, table: Table, query: Query) -> Selection:
        order = order_keys(table, query.order)
        wanted = conditions(self._world, table, query.wheres)
        if not wanted:
            index = table.index(order)
            return Span(index, 0, len(index))
        if _spans(table, order, wanted):
            return _span(table.index(order), order[0], wanted)
        return self._choose(table, order, query.wheres, wanted)

    def select_among(self, table: Table, query: Query, ids: Collection[int]) -> Selection:
        """Return those of a few rows that the query asks for."""
        wanted = conditions(self._world, table, query.wheres)
        place = table.placer(order_keys(table, query.order))
        rows = [table.rows[number] for number in ids]
        kept = [row for row in rows if all(condition.test(row) for condition in wanted)]
        return Chosen([row.id for row in sorted(kept, key=place)])

    def _choose(
        self, table: Table, order: tuple[OrderKey, ...], wheres: tuple[Where, ...], wanted: list[Condition]
    ) -> Chosen:
        # Searches look at other tables too, so any change anywhere ends what was kept.
        versions = sum(other.version for other in self._world.tables.values())
        key = (table.entity.name, versions, order, wheres)
        chosen = self._kept.get(key)
        if chosen is None:
            tests = [condition.test for condition in wanted]
            index = table.index(order)
            rows = map(table.rows.__getitem__, index.ids(0, len(index)))
            chosen = self._kept[key] = Chosen([row.id for row in rows if all(test(row) for test in tests)])
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return chosen


def order_keys(table: Table, order: tuple[str, ...]) -> tuple[OrderKey, ...]:
    """Return the keys that count; one the entity does not have is ignored."""
    keys = [OrderKey(name.removeprefix("-"), name.startswith("-")) for name in order]
    return tuple(key for key in keys if key.name in table.entity.order_by and key.name in table.position)


def _spans(table: Table, order: tuple[OrderKey, ...], wanted: list[Condition]) -> bool:
    """Say whether all conditions are bounds of the first order key."""
    if not order or table.entity.attributes[order[0].name].type not in NUMERIC_TYPES:
        return False
    return all(condition.is_range and condition.name == order[0].name for condition in wanted)


def _span(index: Index, key: OrderKey, wanted: list[Condition]) -> Span:
    low = max([LEAST, *(condition.low for condition in wanted)])
    high = min([-LEAST, *(condition.high for condition in wanted)])
    if key.descending:
        low, high = after(-high), after(-low)
    return Span(index, *index.span(low, high))
