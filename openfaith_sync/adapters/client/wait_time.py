"""How long a client was held back: wall time, however many of its requests waited at once."""

import threading
from bisect import bisect_left, bisect_right
from datetime import timedelta

FORGET_SECONDS = 3600.0
"""No request waits for so long, so what ended before that overlaps nothing that may still come."""


class HeldBack:
    """The moments at which any request of a client waited; each counts once. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begin without any."""
        self._turn = threading.Lock()
        # Disjoint spans in order: both lists grow together.
        self._begins: list[float] = []
        self._ends: list[float] = []

    def add(self, begin: float, end: float) -> timedelta:
        """Add the span in which a request waited, in seconds of one clock, and return what it adds to what is known.

        So the sum over all requests is the wall time at which at least one of them waited.
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
