"""Lanes: the priorities of requests when a connection's budget is short."""

import math
from collections.abc import Collection
from enum import StrEnum

from openfaith_sync.domain.passes.passes import SyncMode

KEPT_FOR_AN_ACTIVE_LANE = 0.25
"""Of the limit, by every lane below one that asked lately."""
KEPT_FOR_A_QUIET_LANE = 0.01
MOST_KEPT = 0.5
KEPT_UNTIL = 0.05
"""Of a period before the budget renews itself. For so short a time anybody may take the last places."""


class Lane(StrEnum):
    """The priority of a request; the first is the most urgent."""

    WEBHOOK = "webhook"
    INTERACTIVE = "interactive"
    DELTA = "delta"
    RECONCILIATION = "reconciliation"
    BACKFILL = "backfill"

    @property
    def above(self) -> tuple["Lane", ...]:
        """Return the lanes with a higher priority."""
        lanes = tuple(Lane)
        return lanes[: lanes.index(self)]


def keep_back(lane: Lane, allowed: int, left: float, active: Collection[Lane]) -> int:
    """Return how many requests a lane leaves for the lanes above it.

    The reserve is for the time until the budget renews, of which the share ``left`` of a
    period remains. It shrinks with that time, so that none of the budget lapses unused, while
    a more urgent request finds a slot until shortly before. A budget of one request is shared by all.
    """
    share = sum(KEPT_FOR_AN_ACTIVE_LANE if above in active else KEPT_FOR_A_QUIET_LANE for above in lane.above)
    melted = min(max((left - KEPT_UNTIL) / (1 - KEPT_UNTIL), 0.0), 1.0)
    kept = allowed * min(share, MOST_KEPT) * melted
    # 28 of 100 are not 29 for a rounding of floats.
    return min(allowed - 1, math.ceil(kept - 1e-9))


def lane_of(mode: SyncMode, *, has_watermark: bool) -> Lane:
    """Return the lane of a pass: full reads yield to delta reads."""
    if mode is SyncMode.RECONCILIATION:
        return Lane.RECONCILIATION
    return Lane.DELTA if has_watermark and mode is not SyncMode.FULL else Lane.BACKFILL
