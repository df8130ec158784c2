"""Tables: live rows, with indexes and back references that are always current."""

from collections.abc import Callable, Iterator
from typing import Any, Self

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.ordering import Index, OrderKey, comparer

Reference = int | str | list[int] | None
"""The id that a relationship references, several for a to-many, None when unset."""


class TextId(int):
    """The id of a record that the source calls by a word, such as ``unique``; shown as that word."""

    text: str

    def __new__(cls, number: int, text: str) -> Self:
        """Return the number, with the word that it is shown as."""
        made = super().__new__(cls, number)
        made.text = text
        return made

    def __str__(self) -> str:
        """Return the word."""
        return self.text


class Row:
    """One record; values and references are in the order of its table's names."""

    __slots__ = ("id", "references", "values")

    def __init__(self, number: int, values: list[Any], references: list[Reference]) -> None:
        """Keep these lists without copying: the table owns them."""
        self.id = number
        self.values = values
        self.references = references


class Table:
    """All live rows of one entity.

    Rows are changed only through ``add``, ``change`` and ``remove``, so every
    index and every back reference is current at all times.
    """

    def __init__(self, entity: Entity) -> None:
        """Create the table, without rows."""
        self.entity = entity
        self.names = tuple(sorted(entity.attributes))
        self.links = tuple(sorted(entity.relationships))
        self.position = {name: place for place, name in enumerate(self.names)}
        self.link_position = {name: place for place, name in enumerate(self.links)}
        self.rows: dict[int, Row] = {}
        self.back: dict[str, dict[int, list[int]]] = {name: {} for name in self.links}
        """For each relationship: the referenced id, and the rows that reference it."""
        self.version = 0
        """Incremented by every change."""
        self.watchers: list[Callable[[Row], None]] = []
        """Called with a row before and after it changes."""
        self.hidden: set[int] = set()
        """Live rows that reads do not show yet."""
        self.archived: set[int] = set()
        """Rows that are archived although no attribute says so."""
        self._indexes: dict[tuple[OrderKey, ...], Index] = {}
        self._words: dict[str, int] = {}

    def find(self, identity: str) -> Row | None:
        """Return the live row with this id as clients write it."""
        number = int(identity) if identity.isdecimal() else self._words.get(identity)
        return None if number is None else self.rows.get(number)

    def add(self, number: int, attributes: dict[str, Any], references: dict[str, Reference]) -> Row:
        """Add a row; values that are not passed are null."""
        row = Row(number, [attributes.get(n) for n in self.names], [references.get(n) for n in self.links])
        self.rows[number] = row
        if isinstance(number, TextId):
            self._words[number.text] = number
        self._enter(row)
        return row

    def load(self, number: int, values: list[Any], links: dict[str, Reference]) -> None:
        """Add a row while the church is made: there are neither indexes nor watchers yet.

        Twice as fast as ``add``, which matters for a third of a million rows. References that the entity lacks are
        left out.
        """
        references: list[Reference] = [None] * len(self.links)
        for name, reference in links.items():
            place = self.link_position.get(name)
            if place is None or reference is None:
                continue
            references[place] = reference
            back = self.back[name]
            for target in reference if isinstance(reference, list) else (reference,):
                if isinstance(target, int):
                    below = back.get(target)
                    if below is None:
                        back[target] = [number]
                    else:
                        below.append(number)
        self.rows[number] = Row(number, values, references)
        if isinstance(number, TextId):
            self._words[number.text] = number

    def change(self, row: Row, attributes: dict[str, Any], references: dict[str, Reference]) -> None:
        """Change a row's values."""
        self._leave(row)
        for name, value in attributes.items():
            row.values[self.position[name]] = value
        for name, reference in references.items():
            row.references[self.link_position[name]] = reference
        self._enter(row)

    def remove(self, row: Row) -> None:
        """Remove a row."""
        self._leave(row)
        del self.rows[row.id]
        self.hidden.discard(row.id)
        self.archived.discard(row.id)

    def hide(self, row: Row) -> None:
        """Hide a live row from reads."""
        self._notify(row)
        self.hidden.add(row.id)

    def show(self, row: Row) -> None:
        """Show the row again if it is still alive."""
        self.hidden.discard(row.id)
        if row.id in self.rows:
            self._notify(row)

    def value(self, row: Row, name: str) -> Any:
        """Return the value of an attribute; nothing if the entity has no attribute of that name."""
        place = self.position.get(name)
        return None if place is None else row.values[place]

    def reference(self, row: Row, name: str) -> Reference:
        """Return what a relationship of the row references."""
        return row.references[self.link_position[name]]

    def index(self, order: tuple[OrderKey, ...]) -> Index:
        """Return the index for this order; built on first use and kept current afterwards."""
        index = self._indexes.get(order)
        if index is None:
            index = self._indexes[order] = Index(self.placer(order), self.rows.values())
        return index

    def placer(self, order: tuple[OrderKey, ...]) -> Callable[[Row], tuple[Any, ...]]:
        """Return the sort key function of an order."""
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
        self._notify(row)

    def _leave(self, row: Row) -> None:
        self.version += 1
        self._notify(row)
        for back, number in self._pointed(row):
            back[number].remove(row.id)
        for index in self._indexes.values():
            index.remove(row)

    def _notify(self, row: Row) -> None:
        for watch in self.watchers:
            watch(row)

    def _pointed(self, row: Row) -> Iterator[tuple[dict[int, list[int]], int]]:
        for name, reference in zip(self.links, row.references, strict=True):
            if isinstance(reference, int):
                yield self.back[name], reference
            elif isinstance(reference, list):
                for number in reference:
                    yield self.back[name], number
