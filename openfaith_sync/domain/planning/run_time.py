"""Predict how long a run takes: by the connection's request budget, and by the time that a request takes."""

from dataclasses import dataclass, replace

from openfaith_sync.domain.manifest.paging import Paging
from openfaith_sync.domain.ratelimit.budget import Budget
from openfaith_sync.domain.ratelimit.lanes import Lane, keep_back
from openfaith_sync.domain.ratelimit.spending import ACTIVE_PERIODS, GROWTH

USUAL_LATENCY_SECONDS = 0.25
"""A request and the commit of its page, where no pass has shown how long they take."""

STEPS = 20
"""In which the shrinking reserve of a period is looked at."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a connection's requests can be sent now."""

    limit: int
    period: float
    share: float = 1.0
    """Of the limit that is used since the source last refused."""
    used: int = 0
    """Requests that the present period already holds."""
    closed_seconds: float = 0.0
    """How long the source asked to wait."""
    latency_seconds: float = USUAL_LATENCY_SECONDS
    in_flight: int = 1
    deep_requests: int = 1
    deep_period: float = 0.0
    active: frozenset[Lane] = frozenset()
    """The lanes that asked lately: more is kept for them."""

    @classmethod
    def of(cls, budget: Budget, now: float, latency_seconds: float, paging: Paging) -> "Pace":
        """Return the pace that a connection's ledger allows now."""
        deep = paging.deep_offset
        return cls(
            limit=budget.limit,
            period=budget.period,
            share=budget.share,
            used=budget.spent_since(now - budget.period) + budget.held_slots(),
            closed_seconds=max(0.0, budget.closed_until - now),
            latency_seconds=latency_seconds,
            in_flight=paging.pages_in_flight,
            deep_requests=deep.requests if deep else 1,
            deep_period=deep.period_seconds if deep else 0.0,
            active=frozenset(
                lane for lane, asked in budget.lanes.items() if now - asked < ACTIVE_PERIODS * budget.period
            ),
        )

    def at_rest(self) -> "Pace":
        """Return the pace once nothing of the present period matters any more."""
        return replace(self, used=0, closed_seconds=0.0, active=frozenset())

    @property
    def allowed(self) -> int:
        """Return how many requests a period allows now."""
        return max(1, int(self.limit * self.share))


def predict_seconds(pace: Pace, lane: Lane, requests: int, busy_seconds: float, deep_requests: int = 0) -> float:
    """Return how long so many requests take, which without any limit would take ``busy_seconds``."""
    if not requests:
        return 0.0
    last = min(requests, max(0, pace.allowed - pace.used))
    waited, share, left = pace.closed_seconds, pace.share, requests - last
    while left > 0:
        waited += pace.period
        share = min(1.0, share + GROWTH)
        last = min(left, max(1, int(pace.limit * share)))
        left -= last
    # Those of the last period take their own time. Those before it fit into their periods, or are what takes longest.
    allowed = max(1, int(pace.limit * share))
    by_budget = waited + max(busy_seconds * last / requests, _wait_for_reserve(pace, lane, allowed, last))
    deep = deep_requests * pace.deep_period / pace.deep_requests
    return max(by_budget, pace.closed_seconds + busy_seconds) + deep


def _wait_for_reserve(pace: Pace, lane: Lane, allowed: int, wanted: int) -> float:
    """Return when in its period a lane gets so many requests: the reserve of the lanes above it shrinks until then."""
    for step in range(STEPS):
        if wanted <= allowed - keep_back(lane, allowed, 1 - step / STEPS, pace.active):
            return pace.period * step / STEPS
    return pace.period
