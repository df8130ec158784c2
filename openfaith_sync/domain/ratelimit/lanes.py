"""Lanes: whose requests go first when a connection's budget is short."""

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
    """Why a request is made; the first is the most urgent."""

    WEBHOOK = "webhook"
    INTERACTIVE = "interactive"
    DELTA = "delta"
    RECONCILIATION = "reconciliation"
    BACKFILL = "backfill"

    @property
    def above(self) -> tuple["Lane", ...]:
        """Return the lanes that go before this one."""
        lanes = tuple(Lane)
        return lanes[: lanes.index(self)]


def keep_back(lane: Lane, allowed: int, left: float, active: Collection[Lane]) -> int:
    """Return how many requests a lane leaves for those above it.

    What is kept is for the time until the budget renews itself, of which the share
    ``left`` of a period is still to come. So it melts away as that time does and nothing of
    the budget lapses unused, while whoever comes from above finds a place until shortly before.
    A budget of one request is for everybody.
    """
    share = sum(KEPT_FOR_AN_ACTIVE_LANE if above in active else KEPT_FOR_A_QUIET_LANE for above in lane.above)
    melted = min(max((left - KEPT_UNTIL) / (1 - KEPT_UNTIL), 0.0), 1.0)
    kept = allowed * min(share, MOST_KEPT) * melted
    # 28 of 100 are not 29 for a rounding of floats.
    return min(allowed - 1, math.ceil(kept - 1e-9))


def lane_of(mode: SyncMode, *, has_watermark: bool) -> Lane:
    """Return the lane of a pass: what is read whole gives way to what is read for news."""
    if mode is SyncMode.RECONCILIATION:
        return Lane.RECONCILIATION
    return Lane.DELTA if has_watermark and mode is not SyncMode.FULL else Lane.BACKFILL
