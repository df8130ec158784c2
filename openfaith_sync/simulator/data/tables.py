"""Tables: live rows that keep their orders and back references right."""

from collections.abc import Callable, Iterator
from typing import Any

from openfaith_sync.domain.manifest.manifest import Entity
from openfaith_sync.simulator.data.ordering import Index, OrderKey, comparer

Reference = int | str | list[int] | None
"""The id a relationship points at, several for a to-many, nothing when unset."""


class Row:
    """One record; values and references lie in the order of its table's names."""

    __slots__ = ("id", "references", "values")

    def __init__(self, number: int, values: list[Any], references: list[Reference]) -> None:
        """Keep the lists as they are: the table owns them."""
        self.id = number
        self.values = values
        self.references = references


class Table:
    """All live rows of one entity.

    Whatever changes a row goes through ``add``, ``change`` and ``remove``, so
    every order and every back reference is right at any moment.
    """

    def __init__(self, entity: Entity) -> None:
        """Start without rows."""
        self.entity = entity
        self.names = tuple(sorted(entity.attributes))
        self.links = tuple(sorted(entity.relationships))
        self.position = {name: place for place, name in enumerate(self.names)}
        self.link_position = {name: place for place, name in enumerate(self.links)}
        self.rows: dict[int, Row] = {}
        self.back: dict[str, dict[int, list[int]]] = {name: {} for name in self.links}
        """For each relationship: the id pointed at, and the rows that do."""
        self.version = 0
        """Grows with every change."""
        self.watchers: list[Callable[[Row], None]] = []
        """Told of a row before and after it changes."""
        self.hidden: set[int] = set()
        """Rows that live, but are not shown yet."""
        self._indexes: dict[tuple[OrderKey, ...], Index] = {}

    def add(self, number: int, attributes: dict[str, Any], references: dict[str, Reference]) -> Row:
        """Hold a new row; names that are not given are null."""
        row = Row(number, [attributes.get(n) for n in self.names], [references.get(n) for n in self.links])
        self.rows[number] = row
        self._enter(row)
        return row

    def change(self, row: Row, attributes: dict[str, Any], references: dict[str, Reference]) -> None:
        """Return a row other values."""
        self._leave(row)
        for name, value in attributes.items():
            row.values[self.position[name]] = value
        for name, reference in references.items():
            row.references[self.link_position[name]] = reference
        self._enter(row)

    def remove(self, row: Row) -> None:
        """Hold the row no more."""
        self._leave(row)
        del self.rows[row.id]
        self.hidden.discard(row.id)

    def hide(self, row: Row) -> None:
        """Show a live row to nobody who reads."""
        self._tell(row)
        self.hidden.add(row.id)

    def show(self, row: Row) -> None:
        """Show the row again, if it still lives."""
        self.hidden.discard(row.id)
        if row.id in self.rows:
            self._tell(row)

    def value(self, row: Row, name: str) -> Any:
        """Return the value of an attribute; nothing when the entity has none of that name."""
        place = self.position.get(name)
        return None if place is None else row.values[place]

    def reference(self, row: Row, name: str) -> Reference:
        """Return what a relationship of the row points at."""
        return row.references[self.link_position[name]]

    def index(self, order: tuple[OrderKey, ...]) -> Index:
        """Return the rows in this order; made when first asked for, kept right afterwards."""
        index = self._indexes.get(order)
        if index is None:
            index = self._indexes[order] = Index(self.placer(order), self.rows.values())
        return index

    def placer(self, order: tuple[OrderKey, ...]) -> Callable[[Row], tuple[Any, ...]]:
        """Return the function from a row to its place in an order."""
        parts = [
            (self.position[key.name], comparer(self.entity.attributes[key.name].type, descending=key.descending))
            for key in order
        ]
        if not parts:
            return lambda row: (row.id,)
        if len(parts) == 1:
            place, compare = parts[0]
            return lambda row: (compare(row.values[place]), row.id)
        return lambda row: (*(compare(row.values[place]) for place, compare in parts), row.id)

    def _enter(self, row: Row) -> None:
        self.version += 1
        for back, number in self._pointed(row):
            back.setdefault(number, []).append(row.id)
        for index in self._indexes.values():
            index.add(row)
        self._tell(row)

    def _leave(self, row: Row) -> None:
        self.version += 1
        self._tell(row)
        for back, number in self._pointed(row):
            back[number].remove(row.id)
        for index in self._indexes.values():
            index.remove(row)

    def _tell(self, row: Row) -> None:
        for watch in self.watchers:
            watch(row)

    def _pointed(self, row: Row) -> Iterator[tuple[dict[int, list[int]], int]]:
        for name, reference in zip(self.links, row.references, strict=True):
            if isinstance(reference, int):
                yield self.back[name], reference
            elif isinstance(reference, list):
                for number in reference:
                    yield self.back[name], number
