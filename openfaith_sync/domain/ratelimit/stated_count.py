"""How far a source's own count of our requests is trusted.

Until the count has been seen to follow the requests sent, it grants nothing beyond our own
log. A count below what we have sent can only mean that a new window began. A correct source
begins at most one window per period, so a count that implies more contradicts our own log:
it is then distrusted for an hour, after which it has to prove itself again.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from openfaith_sync.domain.ratelimit.budget import Answered, Budget, Counted

GRAINS = 512
"""Moments a period that are told apart: the log stays short however high the limit is."""
SEEN_GRAINS = 64
"""The same for what one window must hold."""
SLACK = 10
"""A source may be behind by one part in so many of its limit: some count in several places."""
DOUBTED_FOR = 3600.0


def is_count_trusted(budget: Budget, now: float) -> bool:
    """Return whether the source's count may grant more than our own log does."""
    # While the source refuses requests, its count has proven worthless.
    return budget.share >= 1 and budget.is_count_proven and now >= budget.doubted_until


def recount(budget: Budget, answered: Sequence[Answered], now: float) -> Budget:
    """Return the budget after these responses reported their counts."""
    # A success beyond the limit contradicts the limit, so such a count is distrusted.
    stated = [answer for answer in answered if answer.count is not None and 0 < answer.count <= budget.limit]
    if not stated:
        return budget
    if budget.counted:
        budget = replace(budget, counted=_with_seen(budget.counted, stated, budget.period))
    newest = max(stated, key=lambda answer: answer.sent)
    count, held = newest.count or 0, budget.held_slots()
    others = count - budget.spent_since(newest.sent - budget.period) - held
    # Responses older than our log cannot be distinguished.
    others = others if now - newest.sent < budget.period else 0
    if others > 0:
        # The excess over our log was spent by other users of the same token.
        budget = replace(budget, spent=rounded_log((*budget.spent, (now, others)), budget.period, now))
    # The newest request is included; requests of others are in the count.
    later = budget.spent_since(newest.sent) - max(0, others) - 1
    return _reconciled(budget, newest, count + max(0, later) + held, now)


def _reconciled(budget: Budget, answer: Answered, most: int, now: float) -> Budget:
    """Decide whether a count belongs to the known window, begins a new one, or contradicts it."""
    before, count, period = budget.counted, answer.count or 0, budget.period
    if before is None:
        return replace(budget, counted=Counted(most, answer.sent, count, answer.ended, answer.sent - period))
    if answer.sent < before.sent:
        return budget
    own = sum(number for ended, number in before.seen if ended <= answer.sent)
    slack = budget.limit // SLACK
    if answer.sent >= before.began + period:
        earliest = max(before.earliest + period, answer.sent - period)
        return replace(budget, counted=Counted(most, answer.sent, count, answer.ended, earliest))
    if most < before.count or count + slack < own:
        if answer.ended < before.earliest + period:
            return replace(budget, is_count_proven=False, doubted_until=now + DOUBTED_FOR)
        # The last response belongs to the previous window.
        earliest = max(before.sent, answer.sent - period)
        return replace(budget, counted=Counted(most, answer.sent, count, answer.ended, earliest))
    follows = own > budget.limit // 2 and count >= own
    is_proven = budget.is_count_proven or (now >= budget.doubted_until and follows)
    # However low the count, the window includes the requests that we sent in it.
    most = max(most, sum(number for _, number in before.seen) + budget.held_slots())
    counted = Counted(most, answer.sent, count, before.began, before.earliest, before.seen)
    return replace(budget, counted=counted, is_count_proven=is_proven)


def _with_seen(counted: Counted, stated: Sequence[Answered], period: float) -> Counted:
    """Record the responses that the window must include: sent after it began, and counted on arrival."""
    held = [(answer.ended, 1) for answer in stated if answer.sent >= counted.began]
    return replace(counted, seen=_grouped((*counted.seen, *held), period / SEEN_GRAINS)) if held else counted


def rounded_log(spent: tuple[tuple[float, int], ...], period: float, now: float) -> tuple[tuple[float, int], ...]:
    """Return the log of the last two periods in order; times are rounded up, never down."""
    return _grouped(tuple(one for one in spent if one[0] > now - 2 * period), period / GRAINS)


def _grouped(log: tuple[tuple[float, int], ...], grain: float) -> tuple[tuple[float, int], ...]:
    kept = sorted((math.ceil(ended / grain) * grain, count) for ended, count in log)
    return tuple((ended, sum(count for _, count in same)) for ended, same in groupby(kept, key=lambda one: one[0]))
