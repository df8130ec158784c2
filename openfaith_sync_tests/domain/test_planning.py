"""Predictions, rule by rule; that all of them together come true is tried in commands/test_plan_command.py."""

from dataclasses import replace
from heapq import heappop, heappush

import pytest

from openfaith_sync.domain.passes.deletions import READS_A_PASS, DeletionCheck, DeletionLimits
from openfaith_sync.domain.planning.deletion_forecast import SafetyStopForecast, count_allowed, predict_deletions
from openfaith_sync.domain.planning.entity_facts import EntityFacts, NestedFacts, SourceView
from openfaith_sync.domain.planning.ranges import Range
from openfaith_sync.domain.planning.run_time import Pace, predict_seconds
from openfaith_sync.domain.ratelimit.budget import Answered, Budget, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.ratelimit.spending import apply_visit

LIMITS = DeletionLimits(10, 0.1)


def facts(stored: int, counted: int | None, new: Range | None = None, *, set_aside: int = 0) -> EntityFacts:
    source = SourceView(counted=counted, new=new or Range())
    return EntityFacts(check=DeletionCheck(0, stored, LIMITS), source=source, set_aside=set_aside)


def test_records_that_came_hide_none_that_went() -> None:
    found = predict_deletions(facts(200, 200, Range(10, 10)), is_readable=True)
    assert (found.missing, found.deletions, found.is_counted) == (Range(10, 11), Range(10, 11), True)


def test_new_records_that_were_not_counted_widen_the_range() -> None:
    assert predict_deletions(facts(200, 200, Range(0, 9)), is_readable=True).missing == Range(0, 10)


def test_a_dead_letter_may_be_among_those_counted() -> None:
    assert predict_deletions(facts(200, 198, set_aside=3), is_readable=True).missing == Range(2, 6)


def test_merges_and_announced_deletions_go_before_the_night() -> None:
    known = facts(200, 195)
    source = replace(known.source or SourceView(), merges=2)
    known = replace(known, source=source, announced=1)
    assert predict_deletions(known, is_readable=True).missing.least == 2


def test_as_many_may_go_until_the_night_as_in_the_worst_of_the_last_nights() -> None:
    assert predict_deletions(replace(facts(200, 200), worst_night=7), is_readable=True).missing == Range(0, 7)


@pytest.mark.parametrize(
    ("counted", "deletions", "stop"),
    [
        (300, Range(0, 1), SafetyStopForecast.NO),
        (271, Range(29, 30), SafetyStopForecast.NO),
        # 30 of 300 are a tenth; one more may go before the night, and then all of them wait.
        (270, Range(0, 30), SafetyStopForecast.MAY),
        (269, Range(), SafetyStopForecast.WILL),
    ],
)
def test_the_safety_stop_is_predicted_from_both_ends(counted: int, deletions: Range, stop: SafetyStopForecast) -> None:
    found = predict_deletions(facts(300, counted), is_readable=True)
    assert (found.deletions, found.stop) == (deletions, stop)


def test_without_a_count_the_limits_bound_the_range() -> None:
    found = predict_deletions(facts(300, None), is_readable=True)
    assert (found.deletions, found.is_counted, found.stop) == (Range(0, 30), False, SafetyStopForecast.NO)


def test_nested_records_go_with_their_parents_beside_what_the_limits_allow() -> None:
    check = DeletionCheck(0, 300, LIMITS, is_nested=True)
    nested = EntityFacts(check=check, nested=NestedFacts(lists=(40, 25, 5)))
    assert predict_deletions(nested, Range(1, 2), is_readable=True).deletions == Range(0, 95)


def test_one_pass_reads_only_so_many() -> None:
    check = DeletionCheck(0, 10_000, DeletionLimits(10, 1.0))
    found = predict_deletions(EntityFacts(check=check, source=SourceView(8_000, new=Range())), is_readable=True)
    assert (found.missing.least, found.deletions) == (2_000, Range(READS_A_PASS, READS_A_PASS))


@pytest.mark.parametrize("live", [0, 5, 99, 100, 101, 5_000])
@pytest.mark.parametrize("lost", [0, 4, 40])
def test_the_largest_number_that_is_allowed_is_that_of_the_safety_stop(live: int, lost: int) -> None:
    check = DeletionCheck(0, live, LIMITS, losses=(lost, lost, lost))
    allowed = count_allowed(check)
    assert not replace(check, missing=allowed).is_over
    assert allowed == live or replace(check, missing=allowed + 1).is_over


def seconds_by_the_ledger(requests: int, latency: float, in_flight: int, budget: Budget) -> float:
    """Return how long the ledger lets so many requests take, sent by one process as fast as it may."""
    now, sent, ended, began = budget.share_since, 0, 0, budget.share_since
    under_way: list[float] = []
    answered: list[Answered] = []
    while ended < requests:
        free = min(in_flight - len(under_way), requests - sent)
        wanted = Visit(
            "one", Lane.BACKFILL, free, len(under_way), tuple(answered), budget.limit, budget.period, heard=True
        )
        budget, grant = apply_visit(budget, wanted, now)
        answered = []
        for _ in range(min(grant.slots, free)):
            heappush(under_way, now + latency)
        sent += min(grant.slots, free)
        if under_way and (sent == requests or len(under_way) == in_flight or under_way[0] <= now + grant.come_back):
            at = heappop(under_way)
            answered.append(Answered(at - latency, at))
            now, ended = max(now, at), ended + 1
        else:
            now += max(grant.come_back, 0.001)
    return now - began


@pytest.mark.parametrize("requests", [20, 97, 99, 250, 700])
@pytest.mark.parametrize("latency", [0.02, 0.3])
@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_run_takes_as_long_as_the_ledger_lets_it(requests: int, latency: float, in_flight: int) -> None:
    budget = Budget(limit=100, period=20.0, heard_at=1_000.0, share_since=1_000.0)
    pace = Pace(limit=100, period=20.0, latency_seconds=latency, in_flight=in_flight)
    taken = seconds_by_the_ledger(requests, latency, in_flight, budget)
    predicted = predict_seconds(pace, Lane.BACKFILL, requests, requests * latency / in_flight)
    assert abs(predicted - taken) <= max(3.0, 0.15 * taken)


def test_what_is_used_and_what_is_closed_cost_time() -> None:
    idle = Pace(limit=100, period=20.0)
    assert predict_seconds(idle, Lane.DELTA, 90, 1.0) < 2
    used = replace(idle, used=50)
    assert predict_seconds(used, Lane.DELTA, 90, 1.0) > 20 > predict_seconds(used.at_rest(), Lane.DELTA, 90, 1.0)
    assert predict_seconds(replace(idle, closed_seconds=30.0), Lane.DELTA, 10, 1.0) > 30
    assert predict_seconds(replace(idle, share=0.5), Lane.DELTA, 200, 1.0) > predict_seconds(idle, Lane.DELTA, 200, 1.0)
    assert predict_seconds(idle, Lane.DELTA, 0, 0.0) == 0
