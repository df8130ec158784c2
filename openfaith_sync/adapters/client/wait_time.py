"""Measures how long a client waited, as wall time: requests that wait at the same time count once."""

import threading
from bisect import bisect_left, bisect_right
from datetime import timedelta

FORGET_SECONDS = 3600.0
"""No request waits this long, so spans that ended earlier cannot overlap later ones."""


class WaitTime:
    """The spans in which any request of a client waited. Thread-safe."""

    def __init__(self) -> None:
        """Start with no waiting time."""
        self._turn = threading.Lock()
        # Disjoint spans in ascending order, as two lists of equal length.
        self._begins: list[float] = []
        self._ends: list[float] = []

    def add(self, begin: float, end: float) -> timedelta:
        """Add the span in which a request waited, in clock seconds; return the part not covered by earlier spans.

        The sum over all requests is therefore the wall time during which at least one of them waited.
        """
        if end <= begin:
            return timedelta()
        with self._turn:
            first, last = bisect_left(self._ends, begin), bisect_right(self._begins, end)
            known = sum(self._ends[index] - self._begins[index] for index in range(first, last))
            if first < last:
                begin, end = min(begin, self._begins[first]), max(end, self._ends[last - 1])
            self._begins[first:last], self._ends[first:last] = [begin], [end]
            old = bisect_left(self._ends, end - FORGET_SECONDS)
            del self._begins[:old], self._ends[:old]
        return timedelta(seconds=end - begin - known)
