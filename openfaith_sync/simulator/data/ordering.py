"""Orders: how values compare, and sorted lists that stay sorted while rows change."""

import math
import unicodedata
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from openfaith_sync.domain.manifest.manifest import AttributeType
from openfaith_sync.simulator.data.timestamps import to_seconds

NUMERIC_TYPES = frozenset(AttributeType) - {AttributeType.STRING, AttributeType.JSON}
_NULL = -math.inf
LEAST = -1e18
"""Below every number that is not null."""


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One part of ``order=a,-b``."""

    name: str
    descending: bool = False


class Descending:
    """A text that compares the other way round."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self.text = text

    def __lt__(self, other: "Descending") -> bool:
        """Come first when the text comes last."""
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        """Be equal when the texts are."""
        return isinstance(other, Descending) and other.text == self.text

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self.text)


@lru_cache(maxsize=200_000)
def fold(text: str) -> str:
    """Return the text as names are compared: without accents, in lower case."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).lower()


def to_number(kind: AttributeType, value: Any) -> float | None:
    """Return what a value of a numeric type compares by; nothing when it is not of that type."""
    if isinstance(value, str) and kind in (AttributeType.DATE_TIME, AttributeType.DATE):
        return to_seconds(value)
    if kind is AttributeType.BOOLEAN:
        return {"true": 1, "1": 1, "false": 0, "0": 0}.get(str(value).lower())
    try:
        return float(value) if kind is AttributeType.FLOAT else int(value)
    except (TypeError, ValueError):
        return None


def comparer(kind: AttributeType, *, descending: bool) -> Callable[[Any], Any]:
    """Return the function from a value to its place in an order; nulls first when ascending."""
    if kind in NUMERIC_TYPES:

        def number(value: Any) -> float:
            found = to_number(kind, value)
            place = _NULL if found is None else found
            return -place if descending else place

        return number

    def text(value: Any) -> str:
        # The mark puts every text, an empty one too, after null.
        return "" if value is None else " " + fold(str(value))

    return (lambda value: Descending(text(value))) if descending else text


def after(number: float) -> float:
    """Return the least number above this one."""
    return math.nextafter(number, math.inf)


class Index:
    """The ids of rows in one order, ties by id."""

    def __init__(self, place: Callable[[Any], tuple[Any, ...]], rows: Iterable[Any]) -> None:
        """Sort the rows by their place, which ends with the id."""
        self._place = place
        self._entries = sorted(map(place, rows))

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._entries)

    def add(self, row: Any) -> None:
        """Put a row at its place."""
        insort(self._entries, self._place(row))

    def remove(self, row: Any) -> None:
        """Take a row out; it must still hold the values it was put in with."""
        entry = self._place(row)
        del self._entries[bisect_left(self._entries, entry)]

    def span(self, low: float, high: float) -> tuple[int, int]:
        """Return the bounds of the rows whose first key is at least low and below high."""
        return bisect_left(self._entries, (low,)), bisect_left(self._entries, (high,))

    def ids(self, start: int, stop: int) -> list[int]:
        """Return the ids between two bounds."""
        return [entry[-1] for entry in self._entries[start:stop]]
