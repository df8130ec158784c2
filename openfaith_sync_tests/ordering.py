"""The order of the tests: those that take a minute begin while there is enough else to do."""

from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")


def begin_with_long(items: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests with those that are marked long at the beginning of each worker's share."""
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    return deal(long, others, workers)


def deal(first: Sequence[T], others: Sequence[T], workers: int) -> list[T]:
    """Return all, so that every share of ``workers`` equal shares begins with its part of ``first``.

    pytest-xdist's ``worksteal`` cuts a collection into shares of neighbours, and a worker without work takes from
    the end of another one's. What begins a share is begun at once; what ends the last one might end all.
    """
    dealt: list[T] = []
    total = len(first) + len(others)
    used = 0
    for worker in range(workers):
        own = first[worker::workers]
        size = (total - len(dealt)) // (workers - worker)
        rest = max(size - len(own), 0)
        dealt += [*own, *others[used : used + rest]]
        used += rest
    return dealt
