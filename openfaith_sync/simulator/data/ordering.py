"""How values compare, and indexes that stay sorted while rows change."""

import math
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.simulator.data.timestamps import to_seconds

_TIMES = frozenset({AttributeType.DATE, AttributeType.DATE_TIME, AttributeType.LOCAL_DATE_TIME})
_TEXTS = frozenset({AttributeType.STRING, AttributeType.JSON, AttributeType.CURRENCY, AttributeType.ARRAY})
NUMERIC_TYPES = frozenset(AttributeType) - _TEXTS
_NULL = -math.inf
LEAST = -1e18
"""Less than every number that is not null."""


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of ``order=a,-b``."""

    name: str
    descending: bool = False


class Descending:
    """A text that sorts in reverse."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """Wrap the text."""
        self.text = text

    def __lt__(self, other: "Descending") -> bool:
        """Return whether the text sorts after the other one."""
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        """Return whether the texts are equal."""
        return isinstance(other, Descending) and other.text == self.text

    def __hash__(self) -> int:
        """Return the hash of the text, consistent with equality."""
        return hash(self.text)


@lru_cache(maxsize=200_000)
def fold(text: str) -> str:
    """Return the text as names are compared: without accents, in lower case."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).lower()


def to_number(kind: AttributeType, value: Any) -> float | None:
    """Return the number that a value of a numeric type compares as; nothing if it is not of that type."""
    if isinstance(value, str) and kind in _TIMES:
        return to_seconds(value)
    if kind is AttributeType.BOOLEAN:
        return {"true": 1, "1": 1, "false": 0, "0": 0}.get(str(value).lower())
    try:
        return float(value) if kind is AttributeType.FLOAT else int(value)
    except (TypeError, ValueError):
        return None


def comparer(kind: AttributeType, *, descending: bool) -> Callable[[Any], Any]:
    """Return a sort key function for values; nulls first when ascending."""
    if kind in NUMERIC_TYPES:

        def number(value: Any) -> float:
            value_number = to_number(kind, value)
            place = _NULL if value_number is None else value_number
            return -place if descending else place

        return number

    def text(value: Any) -> str:
        # The leading space sorts every text, even an empty one, after null.
        return "" if value is None else " " + fold(str(value))

    return (lambda value: Descending(text(value))) if descending else text


def after(number: float) -> float:
    """Return the smallest number above this one."""
    return math.nextafter(number, math.inf)


class Index:
    """The ids of rows in one order, ties by id."""

    def __init__(self, place: Callable[[Any], tuple[Any, ...]], rows: Iterable[Any]) -> None:
        """Sort the rows by this key function, whose keys end with the id."""
        self._place = place
        self._entries = sorted(map(place, rows))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._entries)

    def add(self, row: Any) -> None:
        """Insert a row in order."""
        insort(self._entries, self._place(row))

    def remove(self, row: Any) -> None:
        """Remove a row, which must still hold the values it was inserted with."""
        entry = self._place(row)
        del self._entries[bisect_left(self._entries, entry)]

    def span(self, low: float, high: float) -> tuple[int, int]:
        """Return the bounds of the rows whose first key is at least low and below high."""
        return bisect_left(self._entries, (low,)), bisect_left(self._entries, (high,))

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids between two bounds."""
        return [entry[-1] for entry in self._entries[start:stop]]
