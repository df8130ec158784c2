"""Select and order the rows of a listing."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from openfaith_sync.simulator.api.filters import Condition, conditions
from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.api.scopes import known_scopes
from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.ordering import LEAST, NUMERIC_TYPES, Index, OrderKey, after
from openfaith_sync.simulator.data.tables import Row, Table

_KEPT = 64


class Selection(Protocol):
    """The rows of a listing."""

    @property
    def count(self) -> int:
        """Return the number of rows."""
        ...

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids of a range of the rows."""
        ...


@dataclass(frozen=True, slots=True)
class IndexRange:
    """A range of an index, found without looking at any row."""

    index: Index
    low: int
    high: int

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return max(0, self.high - self.low)

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids of a range of the rows."""
        return self.index.ids(self.low + start, min(self.low + stop, self.high))


@dataclass(frozen=True, slots=True)
class FilteredRows:
    """Rows that were tested one by one."""

    row_ids: list[int]

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return len(self.row_ids)

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids of a range of the rows."""
        return self.row_ids[start:stop]


class Selector:
    """Selects the rows of listings, and caches the result until a table changes."""

    def __init__(self, world: World) -> None:
        """Select from this world."""
        self._world = world
        self._kept: OrderedDict[tuple[object, ...], FilteredRows] = OrderedDict()

    def select(self, table: Table, query: Query) -> Selection:
        """Return the rows of a table that match the query."""
        selection = self._select(table, query)
        hidden = table.hidden
        # Hidden rows must not be counted either: only while some are hidden is a range tested row by row.
        return (
            FilteredRows([number for number in selection.ids(0, selection.count) if number not in hidden])
            if hidden
            else selection
        )

    def _select(self, table: Table, query: Query) -> Selection:
        order = order_keys(table, query.order)
        wanted = conditions(self._world, table, query.wheres, query.scopes)
        if not wanted:
            index = table.index(order)
            return IndexRange(index, 0, len(index))
        if _spans(table, order, wanted):
            return _span(table.index(order), order[0], wanted)
        return self._choose(table, order, (query.wheres, query.scopes), wanted)

    def select_below(self, edge: RelationshipEdge, row: Row, query: Query) -> Selection:
        """Return the rows that belong to a row and match the query."""
        table = edge.target
        # The rows of a nested listing change with their own table, and a to-many with the row that holds it.
        versions = (table.version, edge.source.version, len(table.hidden))
        asked = (query.order, query.wheres, query.scopes)
        key = (edge.source.entity.name, table.entity.name, edge.relationship, edge.is_back, row.id, versions, asked)
        if query.wheres or query.scopes or known_scopes(table.entity):
            return self._select_among(table, query, list(edge.visible(row)))
        selected = self._kept.get(key)
        if selected is None:
            selected = self._keep(key, self._select_among(table, query, list(edge.visible(row))))
        return selected

    def _select_among(self, table: Table, query: Query, ids: Collection[int]) -> FilteredRows:
        wanted = conditions(self._world, table, query.wheres, query.scopes)
        place = table.placer(order_keys(table, query.order))
        rows = [table.rows[number] for number in ids]
        kept = [row for row in rows if all(condition.test(row) for condition in wanted)]
        return FilteredRows([row.id for row in sorted(kept, key=place)])

    def _choose(
        self, table: Table, order: tuple[OrderKey, ...], asked: tuple[object, ...], wanted: list[Condition]
    ) -> FilteredRows:
        # Searches read other tables too, so a change to any table invalidates the cache.
        versions = sum(other.version for other in self._world.tables.values())
        # What is past or future changes with the clock alone.
        minute = self._world.now() // 60 if asked[-1] else 0
        key = (table.entity.name, versions, order, asked, minute)
        filtered = self._kept.get(key)
        if filtered is None:
            tests = [condition.test for condition in wanted]
            index = table.index(order)
            rows = map(table.rows.__getitem__, index.ids(0, len(index)))
            filtered = self._keep(key, FilteredRows([row.id for row in rows if all(test(row) for test in tests)]))
        return filtered

    def _keep(self, key: tuple[object, ...], rows: FilteredRows) -> FilteredRows:
        self._kept[key] = rows
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return rows


def order_keys(table: Table, order: tuple[str, ...]) -> tuple[OrderKey, ...]:
    """Return the valid sort keys; a key that the entity does not have is ignored."""
    keys = [OrderKey(name.removeprefix("-"), name.startswith("-")) for name in order]
    return tuple(key for key in keys if key.name in table.entity.order_by and key.name in table.position)


def _spans(table: Table, order: tuple[OrderKey, ...], wanted: list[Condition]) -> bool:
    """Return whether all conditions are bounds on the first sort key."""
    if not order or table.entity.attributes[order[0].name].type not in NUMERIC_TYPES:
        return False
    return all(condition.is_range and condition.name == order[0].name for condition in wanted)


def _span(index: Index, key: OrderKey, wanted: list[Condition]) -> IndexRange:
    low = max([LEAST, *(condition.low for condition in wanted)])
    high = min([-LEAST, *(condition.high for condition in wanted)])
    if key.descending:
        low, high = after(-high), after(-low)
    return IndexRange(index, *index.span(low, high))
