"""How a visit changes a budget, as pure functions that tests can try in every order.

A slot is granted when one of two things shows that the source will count at most
``allowed`` with it, wherever its windows begin and whether they are fixed or slide:

- our own log: what is held and what ended within the last period, with this one, is no
  more than ``allowed``, so no span of one period holds more;
- the source's own count, as an answer stated it, and everything that it may not have
  counted by then. This lets a fresh window be used at once; the log knows when one begins.
  How far that count is believed is decided in ``stated_count.py``.
"""

import math
from dataclasses import replace

from openfaith_sync.domain.ratelimit.budget import Budget, Grant, HeldSlots, RateRefusal, Visit, Waiting
from openfaith_sync.domain.ratelimit.lanes import KEPT_UNTIL, keep_back
from openfaith_sync.domain.ratelimit.stated_count import is_count_trusted, recount, rounded_log

SLICES = 10
"""A slice is at most this part of the limit."""
SHORTEST_VALIDITY = 1.0
"""A slice must outlive the way from the ledger to the thread that waits for it."""
STALE = 3600.0
"""What was stated longer ago is asked again with a single request first."""
ACTIVE_PERIODS = 10
"""A lane that asked within so many periods is expected to ask again."""
GROWTH = 0.1
"""Of the stated limit, for each period without a refusal."""
MOST_CLOSED = 3600.0


def apply_visit(budget: Budget, visit: Visit, now: float) -> tuple[Budget, Grant]:
    """Return the budget after a visit, and the slots granted to the visitor."""
    budget = _recovered(_lapsed(budget, now), now)
    return _granted(_learned(budget, visit, now), visit, now)


def _lapsed(budget: Budget, now: float) -> Budget:
    """Count slots that were never reported as sent at the last possible moment."""
    gone = {name: held for name, held in budget.held.items() if _overdue(held, budget.period) <= now}
    spent = budget.spent + tuple((_overdue(held, budget.period), held.slots) for held in gone.values() if held.slots)
    return replace(
        budget,
        spent=rounded_log(spent, budget.period, now),
        held={name: held for name, held in budget.held.items() if name not in gone},
        waiting={name: waiting for name, waiting in budget.waiting.items() if waiting.until > now},
    )


def _overdue(held: HeldSlots, period: float) -> float:
    # A request is sent some time after its slot was granted, and takes time to arrive.
    return held.until + max(period / 2, SHORTEST_VALIDITY)


def _recovered(budget: Budget, now: float) -> Budget:
    since = max(budget.share_since, budget.closed_until)
    periods = int((now - since) / budget.period)
    if budget.share >= 1 or periods < 1:
        return budget
    return replace(budget, share=min(1.0, budget.share + GROWTH * periods), share_since=since + periods * budget.period)


def _learned(budget: Budget, visit: Visit, now: float) -> Budget:
    mine = budget.held.get(visit.holder)
    held = {**budget.held, visit.holder: HeldSlots(visit.under_way, now + _validity(budget.period))}
    counted = budget.counted
    if counted and mine:
        unsent = max(0, mine.slots - visit.under_way - len(visit.answered))
        counted = replace(counted, most=counted.most - unsent)
    period = visit.period or budget.period
    budget = replace(
        budget,
        limit=visit.limit or budget.limit,
        period=period,
        heard_at=now if visit.heard else budget.heard_at,
        held=held,
        # Knowledge of a window of another length does not apply to this one.
        counted=counted if period == budget.period else None,
        lanes={**budget.lanes, visit.lane: now} if visit.wanted else budget.lanes,
        spent=budget.spent + tuple((answer.ended, 1) for answer in visit.answered),
    )
    budget = replace(budget, spent=rounded_log(budget.spent, budget.period, now))
    if visit.refusal:
        budget = _refused(budget, visit.refusal, now)
    elif any(answer.count is not None and answer.sent > budget.refused_at for answer in visit.answered):
        budget = replace(budget, refusals=0)
    return recount(budget, visit.answered, now)


def _refused(budget: Budget, refusal: RateRefusal, now: float) -> Budget:
    """Close the budget for all processes, and halve it from then on.

    Concurrent requests are refused together and count as one refusal.
    """
    budget = replace(budget, refused=budget.refused + 1)
    if refusal.sent > budget.refused_at:
        budget = replace(budget, share=budget.share / 2, share_since=now, refused_at=now, refusals=budget.refusals + 1)
    wait = wait_after(refusal.retry_after, budget.period, budget.refusals)
    # A refused request was counted as well, in an unknown window.
    return replace(budget, closed_until=max(budget.closed_until, now + wait), counted=None)


def wait_after(asked: float | None, period: float, refusals: int) -> float:
    """Return how long to wait after consecutive refusals, given the last one's ``Retry-After``.

    A window lasts one period, so a wait beyond three periods is accepted step by step: each
    refusal after a wait doubles it. Without a ``Retry-After`` the wait is one period.
    """
    doubled = 2.0 ** min(max(refusals, 1) - 1, 16)
    least, most = min(period, period / 20 * doubled), min(MOST_CLOSED, 3 * period * doubled)
    return min(max(period if asked is None else asked, least), most)


def _granted(budget: Budget, visit: Visit, now: float) -> tuple[Budget, Grant]:
    free, left = _free(budget, now)
    is_sure = budget.heard_at is not None and now - budget.heard_at < STALE
    waiting = {name: waiting for name, waiting in budget.waiting.items() if name != visit.holder}
    above = sum(other.wanted for other in waiting.values() if other.lane in visit.lane.above)
    beside = sum(other.lane is visit.lane for other in waiting.values())
    active = {lane for lane, asked in budget.lanes.items() if now - asked < ACTIVE_PERIODS * budget.period}
    kept = max(above, keep_back(visit.lane, budget.allowed, left, active))
    if not is_sure:
        # The first response states the limit; until then one request at a time is enough.
        free, kept, beside = 1 - budget.held_slots(), 0, 0
    room = 0 if now < budget.closed_until else max(0, free - kept)
    slots = min(visit.wanted, math.ceil(room / (beside + 1)), max(1, budget.allowed // SLICES))
    come_back = _come_back(budget, now, missing=kept + 1 - free)
    if free > above and now >= budget.closed_until:
        # Only the reserve holds it back, whose last place is free for so short a time that it would lapse.
        come_back = min(come_back, max(0.0, left - KEPT_UNTIL) * budget.period + budget.period / 400)
    mine = budget.held[visit.holder]
    held = {**budget.held, visit.holder: HeldSlots(mine.slots + slots, mine.until)}
    if not slots and visit.wanted:
        # Long enough for a late return, but a killed process must not keep its place.
        late = max(min(come_back, budget.period / 20), SHORTEST_VALIDITY / 4)
        waiting[visit.holder] = Waiting(visit.lane, visit.wanted, now + come_back + late)
    counted = budget.counted
    budget = replace(
        budget,
        held={name: one for name, one in held.items() if one.slots},
        waiting=waiting,
        counted=replace(counted, most=counted.most + slots) if counted else None,
    )
    return budget, Grant(now, slots, _validity(budget.period), come_back, budget.limit, budget.period, is_sure)


def _free(budget: Budget, now: float) -> tuple[int, float]:
    """Return how many more requests the source accepts for certain, and the share of a period until that grows."""
    logged = _within(budget, now)
    by_log = budget.allowed - sum(count for _, count in logged) - budget.held_slots()
    next_ends = logged[0][0] + budget.period - now if logged else budget.period
    counted = budget.counted if is_count_trusted(budget, now) else None
    if counted is None or (by_count := budget.allowed - counted.most) <= by_log:
        return by_log, next_ends / budget.period
    return by_count, (counted.began + budget.period - now) / budget.period


def _come_back(budget: Budget, now: float, missing: int) -> float:
    """Return when to try again: just after enough of the log has aged."""
    if now < budget.closed_until:
        return budget.closed_until - now
    patience = budget.period / 400
    room = 0
    for ended, count in _within(budget, now):
        room += count
        if room >= missing:
            return min(max(ended + budget.period - now, 0.0) + patience, budget.period / 20)
    return budget.period / 40


def _within(budget: Budget, now: float) -> list[tuple[float, int]]:
    return [(ended, count) for ended, count in budget.spent if ended > now - budget.period]


def _validity(period: float) -> float:
    return max(period / 10, SHORTEST_VALIDITY)
