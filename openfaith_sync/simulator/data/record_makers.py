"""What the makers of realistic records share: ids, timestamps and choices derived from a seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from openfaith_sync.simulator.data.tables import Reference
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, DAY_SECONDS, to_seconds, to_text

_FIRST_SECONDS = BASE_SECONDS - 12 * 365 * DAY_SECONDS
_FIRST_ID, _LONG_ID, _LAST_ID = 21_000_000, 100_000_000, 186_000_000
_SHORT_ID_SHARE = 0.6

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record that is not in a table yet."""

    entity: str
    id: int
    attributes: dict[str, Any]
    references: dict[str, Reference] = field(default_factory=dict)


def pick(rng: random.Random, choices: Sequence[T]) -> T:
    """Return one of the choices; several times as fast as ``rng.choice``."""
    return choices[int(rng.random() * len(choices))]


def id_sequence(seed: int, name: str, count: int) -> Iterator[int]:
    """Yield ascending ids, first of eight and later of nine digits, as in accounts of some age."""
    rng = random.Random(f"{seed}:{name}:ids")  # noqa: S311  ids need no secrecy
    short = max(1, int(count * _SHORT_ID_SHARE))
    number = _FIRST_ID
    step = (_LONG_ID - _FIRST_ID) // (short + 1)
    for _ in range(short):
        number += 1 + int(rng.random() * (step - 1))
        yield number
    number = _LONG_ID
    step = max(2, (_LAST_ID - _LONG_ID) // (count + 1))
    while True:
        number += 1 + int(rng.random() * (step - 1))
        yield number


class TimestampSequence:
    """Draws ``created_at`` and ``updated_at``.

    Creation times advance with every draw, as ids do. Many records, more than a
    page of them, share the second of an import, and a few share one by chance.
    """

    def __init__(self, rng: random.Random, count: int) -> None:
        """Schedule the imports for this many draws."""
        self._rng, self._count = rng, max(1, count)
        self._drawn = 0
        self._last_updated = BASE_SECONDS - DAY_SECONDS
        size = min(350, max(3, count // 12))
        self._imports = dict.fromkeys((count // 5, count // 2, count // 5 * 4), size)
        self._import_left, self._import_seconds = 0, 0

    def draw(self) -> dict[str, str]:
        """Return the timestamps of the next record."""
        rng, place = self._rng, self._drawn
        self._drawn += 1
        created = _FIRST_SECONDS + int((BASE_SECONDS - _FIRST_SECONDS - 60) * min(1, place / self._count))
        if place in self._imports:
            self._import_left, self._import_seconds = self._imports[place], created
        if self._import_left:
            self._import_left -= 1
            return _timestamps(self._import_seconds, self._import_seconds)
        share = rng.random()
        if share < 0.02 and created <= self._last_updated:  # noqa: PLR2004
            updated = self._last_updated
        else:
            # Most records are updated either soon after creation or recently, few in between.
            updated = created + int((BASE_SECONDS - created) * share**3)
        self._last_updated = updated
        return _timestamps(created, updated)

    def beside(self, times: dict[str, str]) -> dict[str, str]:
        """Return timestamps for a record that belongs to one with these timestamps."""
        return dict(times) if self._rng.random() < 0.8 else self.after(times["created_at"])  # noqa: PLR2004

    def after(self, created_at: str) -> dict[str, str]:
        """Return timestamps for a record that was created at this time."""
        created = to_seconds(created_at) or _FIRST_SECONDS
        share: float = self._rng.random()
        return {"created_at": created_at, "updated_at": to_text(created + int((BASE_SECONDS - created) * share**3))}


def _timestamps(created: int, updated: int) -> dict[str, str]:
    return {"created_at": to_text(created), "updated_at": to_text(updated)}
