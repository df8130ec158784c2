"""How a visit changes a budget: pure functions, so that every rule can be tried in every order.

A slot is granted when one of two things shows that the source will count at most
``allowed`` with it, wherever its windows begin and whether they are fixed or slide:

- our own log: what is held and what ended within the last period, with this one, is no
  more than ``allowed``, so no span of one period holds more;
- the source's own count, as an answer stated it, and everything that it may not have
  counted by then. This lets a fresh window be used at once; the log knows when one begins.
"""

import math
from dataclasses import replace
from itertools import groupby

from openfaith_sync.domain.budget import Answered, Budget, Counted, Grant, Held, Refusal, Visit, Waiting
from openfaith_sync.domain.lanes import keep_back

GRAINS = 512
"""Moments a period that are told apart: the log stays short however high the limit is."""
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


def settle(budget: Budget, visit: Visit, now: float) -> tuple[Budget, Grant]:
    """Give the budget after a visit, and the slots that the visitor may send."""
    budget = _recovered(_lapsed(budget, now), now)
    return _granted(_learned(budget, visit, now), visit, now)


def _lapsed(budget: Budget, now: float) -> Budget:
    """Count what a holder never spoke of again as sent at the last moment that it could be."""
    gone = {name: held for name, held in budget.held.items() if _overdue(held, budget.period) <= now}
    spent = budget.spent + tuple((_overdue(held, budget.period), held.slots) for held in gone.values() if held.slots)
    return replace(
        budget,
        spent=_log(spent, budget.period, now),
        held={name: held for name, held in budget.held.items() if name not in gone},
        waiting={name: waiting for name, waiting in budget.waiting.items() if waiting.until > now},
    )


def _overdue(held: Held, period: float) -> float:
    # A request is sent a moment after its slot was looked at, and is some time under way.
    return held.until + max(period / 2, SHORTEST_VALIDITY)


def _recovered(budget: Budget, now: float) -> Budget:
    since = max(budget.share_since, budget.closed_until)
    periods = int((now - since) / budget.period)
    if budget.share >= 1 or periods < 1:
        return budget
    return replace(budget, share=min(1.0, budget.share + GROWTH * periods), share_since=since + periods * budget.period)


def _learned(budget: Budget, visit: Visit, now: float) -> Budget:
    mine = budget.held.get(visit.holder)
    held = {**budget.held, visit.holder: Held(visit.under_way, now + _validity(budget.period))}
    counted = budget.counted
    if counted and mine:
        unsent = max(0, mine.slots - visit.under_way - len(visit.answered))
        counted = replace(counted, most=counted.most - unsent)
    budget = replace(
        budget,
        limit=visit.limit or budget.limit,
        period=visit.period or budget.period,
        heard_at=now if visit.heard else budget.heard_at,
        held=held,
        counted=counted,
        lanes={**budget.lanes, visit.lane: now} if visit.wanted else budget.lanes,
        spent=budget.spent + tuple((answer.ended, 1) for answer in visit.answered),
    )
    budget = replace(budget, spent=_log(budget.spent, budget.period, now))
    if visit.refusal:
        budget = _refused(budget, visit.refusal, now)
    elif any(answer.count is not None and answer.sent > budget.refused_at for answer in visit.answered):
        budget = replace(budget, refusals=0)
    # A success beyond the limit is none: such a count is not believed.
    stated = [answer for answer in visit.answered if answer.count is not None and 0 < answer.count <= budget.limit]
    return _recounted(budget, max(stated, key=lambda answer: answer.sent), now) if stated else budget


def _recounted(budget: Budget, answer: Answered, now: float) -> Budget:
    """Believe the source's count, and take what it has above ours as spent by others on the same token."""
    count = answer.count or 0
    held = budget.held_slots()
    others = count - budget.spent_since(answer.sent - budget.period) - held
    # What is older than our log cannot be told apart.
    others = others if now - answer.sent < budget.period else 0
    if others > 0:
        budget = replace(budget, spent=_log((*budget.spent, (now, others)), budget.period, now))
    before = budget.counted
    if before and answer.sent < before.sent:
        return budget
    # Itself among them; what others spent was counted.
    later = budget.spent_since(answer.sent) - max(0, others) - 1
    most = count + max(0, later) + held
    is_new = before is None or most < before.count or answer.sent >= before.began + budget.period
    began = answer.ended if before is None or is_new else before.began
    return replace(budget, counted=Counted(most, answer.sent, count, began))


def _refused(budget: Budget, refusal: Refusal, now: float) -> Budget:
    """Close the budget for everybody; use half of it from then on.

    Requests that were under way together are refused together: that is one refusal.
    """
    if refusal.sent > budget.refused_at:
        budget = replace(budget, share=budget.share / 2, share_since=now, refused_at=now, refusals=budget.refusals + 1)
    wait = wait_after(refusal.retry_after, budget.period, budget.refusals)
    # A refused request was counted too, and nobody says by which window.
    return replace(budget, closed_until=max(budget.closed_until, now + wait), counted=None)


def wait_after(asked: float | None, period: float, refusals: int) -> float:
    """Give how long to wait after so many refusals in a row, the last of which asked for this.

    A window lasts one period, so what is asked beyond three is believed step by step: each
    refusal after having waited doubles it. A source that asks for nothing is given one period.
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
        # The first answer states the limit; until then one request at a time is enough to learn it.
        free, kept, beside = 1 - budget.held_slots(), 0, 0
    room = 0 if now < budget.closed_until else max(0, free - kept)
    slots = min(visit.wanted, math.ceil(room / (beside + 1)), max(1, budget.allowed // SLICES))
    come_back = _come_back(budget, now, missing=kept + 1 - free)
    mine = budget.held[visit.holder]
    held = {**budget.held, visit.holder: Held(mine.slots + slots, mine.until)}
    if not slots and visit.wanted:
        # Long enough to come back late, and no longer: one that was killed must not keep its place.
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
    """Give how many more the source surely takes, and the part of a period until it takes more again."""
    logged = _within(budget, now)
    by_log = budget.allowed - sum(count for _, count in logged) - budget.held_slots()
    next_ends = logged[0][0] + budget.period - now if logged else budget.period
    # While the source refuses, its count has proven to be worth nothing.
    if budget.counted is None or budget.share < 1 or (by_count := budget.allowed - budget.counted.most) <= by_log:
        return by_log, next_ends / budget.period
    return by_count, (budget.counted.began + budget.period - now) / budget.period


def _come_back(budget: Budget, now: float, missing: int) -> float:
    """Give when it is worth asking again: a moment after enough of the log has aged."""
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


def _log(spent: tuple[tuple[float, int], ...], period: float, now: float) -> tuple[tuple[float, int], ...]:
    """Give what two periods hold, in order; moments are rounded up, never down."""
    grain = period / GRAINS
    kept = sorted((math.ceil(ended / grain) * grain, count) for ended, count in spent if ended > now - 2 * period)
    return tuple((ended, sum(count for _, count in same)) for ended, same in groupby(kept, key=lambda one: one[0]))
