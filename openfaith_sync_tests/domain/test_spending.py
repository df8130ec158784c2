"""The rules of a shared budget, one by one; that they hold in every order is tried in adapters/test_budget.py."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.ratelimit.budget import Answered, Budget, Grant, RateRefusal, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane, keep_back, lane_of
from openfaith_sync.domain.ratelimit.spending import MOST_CLOSED, STALE, apply_visit, wait_after
from openfaith_sync.domain.ratelimit.stated_count import DOUBTED_FOR

NOW = 5000.0
SURE = Budget(limit=100, period=20.0, heard_at=NOW, share_since=NOW)


class Ledger:
    """A budget, and who visits it when."""

    def __init__(self, budget: Budget = SURE) -> None:
        self.budget = budget

    def visit(
        self,
        holder: str,
        at: float,
        lane: Lane = Lane.WEBHOOK,
        *,
        wanted: int = 0,
        answered: tuple[Answered, ...] = (),
        limit: int | None = None,
        period: float | None = None,
        heard: bool = False,
        refusal: RateRefusal | None = None,
    ) -> Grant:
        visit = Visit(holder, lane, wanted, answered=answered, limit=limit, period=period, heard=heard, refusal=refusal)
        self.budget, grant = apply_visit(self.budget, visit, NOW + at)
        return grant

    def spend(self, holder: str, at: float, lane: Lane = Lane.WEBHOOK, most: int = 1000) -> int:
        """Take what there is and have it answered at once; gives how much that was."""
        spent = 0
        while spent < most and (slots := self.visit(holder, at, lane, wanted=most - spent).slots):
            spent += slots
            self.visit(holder, at, lane, answered=(Answered(NOW + at, NOW + at),) * slots, limit=100, heard=True)
        return spent


def test_a_slice_is_a_tenth_of_the_limit_and_no_more_than_is_wanted() -> None:
    ledger = Ledger()
    assert ledger.visit("a", 0, wanted=50).slots == 10
    assert ledger.visit("b", 0, wanted=3).slots == 3


def test_slices_of_all_processes_together_are_no_more_than_the_limit() -> None:
    ledger = Ledger()
    granted = [ledger.visit(str(number), 0, wanted=10).slots for number in range(15)]
    assert granted == [10] * 10 + [0] * 5


def test_what_was_not_sent_is_given_back() -> None:
    ledger = Ledger()
    for number in range(10):
        ledger.visit(str(number), 0, wanted=10)
    ledger.visit("0", 1, answered=(Answered(NOW, NOW + 1),) * 4)
    assert ledger.visit("x", 1, wanted=10).slots == 6


def test_a_dead_processs_slice_lapses_by_itself_and_is_free_one_period_later() -> None:
    ledger = Ledger()
    for number in range(10):
        ledger.visit(str(number), 0, wanted=10)
    assert ledger.visit("x", 31.9, wanted=10).slots == 0
    assert ledger.visit("x", 32.1, wanted=10).slots == 10


def test_a_backfill_leaves_places_that_melt_away_as_the_window_ends() -> None:
    ledger = Ledger()
    assert ledger.spend("fill", 0, Lane.BACKFILL) == 96
    assert ledger.spend("fill", 6, Lane.BACKFILL) == 1
    assert ledger.spend("fill", 19, Lane.BACKFILL) == 3


def test_a_lane_that_asked_lately_is_kept_more_for() -> None:
    ledger = Ledger()
    ledger.spend("hook", 0, most=1)
    assert ledger.spend("fill", 0, Lane.BACKFILL) == 100 - 1 - 28
    assert ledger.spend("hook", 1) == 28


def test_who_waits_in_a_higher_lane_is_served_first() -> None:
    ledger = Ledger()
    ledger.spend("other", 0)
    assert ledger.visit("hook", 15, Lane.WEBHOOK, wanted=4).slots == 0
    # All comes free at once, and the lower lane comes first.
    assert ledger.visit("fill", 20.2, Lane.BACKFILL, wanted=100).slots == 10
    held = sum(ledger.visit(f"fill-{n}", 20.2, Lane.BACKFILL, wanted=10).slots for n in range(30))
    assert 10 + held <= 96
    assert ledger.visit("hook", 20.3, Lane.WEBHOOK, wanted=4).slots == 4


def test_equals_that_wait_share_what_there_is() -> None:
    ledger = Ledger()
    ledger.spend("other", 0, most=90)
    ledger.spend("another", 10)
    for name in "abcd":
        assert ledger.visit(name, 15, Lane.WEBHOOK, wanted=10).slots == 0
    assert [ledger.visit(name, 15.1, wanted=10).slots for name in "abcd"] == [0] * 4
    assert ledger.visit("a", 20.2, wanted=50).slots == 10


def test_nobody_sends_more_than_one_request_before_an_answer_states_the_limit() -> None:
    ledger = Ledger(Budget(limit=100, period=20.0))
    assert [ledger.visit(name, 0, wanted=10).slots for name in "abc"] == [1, 0, 0]
    ledger.visit("a", 1, answered=(Answered(NOW, NOW + 1, 1),), limit=40, period=10.0, heard=True)
    grant = ledger.visit("b", 1, wanted=10)
    assert (grant.slots, grant.limit, grant.period) == (4, 40, 10.0)


def test_what_was_stated_long_ago_is_asked_again_first() -> None:
    assert Ledger().visit("a", STALE, wanted=10).slots == 1


def test_what_others_spend_on_the_same_token_leaves_less() -> None:
    ledger = Ledger()
    ledger.visit("a", 0, wanted=1)
    ledger.visit("a", 1, answered=(Answered(NOW, NOW + 1, 95),), limit=100, heard=True)
    assert ledger.spend("b", 1) == 5


def test_a_fresh_window_is_used_at_once() -> None:
    ledger = Ledger(replace(SURE, is_count_proven=True))
    ledger.spend("a", 0, most=10)
    ledger.spend("a", 19)
    assert ledger.visit("a", 20.2, wanted=1).slots == 1
    ledger.visit("a", 20.3, answered=(Answered(NOW + 20.2, NOW + 20.3, 1),), limit=100, heard=True)
    assert ledger.spend("b", 20.4) == 99


def answer_one(ledger: Ledger, at: float, count: int) -> bool:
    """Take a slot, if there is one, and have it answered at once with this count."""
    if not ledger.visit("a", at, wanted=1).slots:
        return False
    ledger.visit("a", at, answered=(Answered(NOW + at, NOW + at, count),), limit=100, heard=True)
    return True


def test_a_count_that_stands_still_grants_no_more_than_our_own_log_does() -> None:
    ledger = Ledger()
    sent = [step / 10 for step in range(2000) if answer_one(ledger, step / 10, 1)]
    assert all(sum(at - 20 < one <= at for one in sent) <= 100 for at in sent)
    assert not ledger.budget.is_count_proven


def test_a_count_is_believed_once_it_follows_what_we_send() -> None:
    ledger = Ledger()
    for number in range(40):
        assert answer_one(ledger, number / 10, number + 1)
    assert not ledger.budget.is_count_proven
    for number in range(40, 60):
        assert answer_one(ledger, number / 10, number + 1)
    assert ledger.budget.is_count_proven


def test_a_window_that_begins_too_early_is_not_believed_and_doubted_for_an_hour() -> None:
    ledger = Ledger(replace(SURE, is_count_proven=True))
    for number in range(40):
        assert answer_one(ledger, number / 10, number + 1)
    # The first one may have begun at any time before; the next one not so soon after.
    assert answer_one(ledger, 5, 1)
    assert ledger.budget.is_count_proven
    for number in range(20):
        assert answer_one(ledger, 5.1 + number / 10, number + 2)
    assert answer_one(ledger, 8, 1)
    assert not ledger.budget.is_count_proven
    assert ledger.budget.doubted_until == NOW + 8 + DOUBTED_FOR
    for number in range(30):
        answer_one(ledger, 28 + number / 10, number + 1)
    assert not ledger.budget.is_count_proven


def refuse(ledger: Ledger, at: float, retry_after: float | None, limit: int | None = 100) -> None:
    ledger.visit("x", at, wanted=1)
    ledger.visit("x", at, answered=(Answered(NOW + at, NOW + at),), limit=limit, heard=True,
                 refusal=RateRefusal(NOW + at, retry_after))  # fmt: skip


def test_a_refusal_closes_the_budget_for_all_and_halves_it() -> None:
    ledger = Ledger()
    refuse(ledger, 1, retry_after=7)
    grant = ledger.visit("b", 2, wanted=10)
    assert (grant.slots, grant.come_back) == (0, 6.0)
    assert ledger.spend("b", 8.5) == 49


def test_requests_that_are_refused_together_are_one_refusal() -> None:
    ledger = Ledger()
    refuse(ledger, 1, retry_after=1)
    ledger.visit("y", 1.5, refusal=RateRefusal(NOW + 0.5, 1))
    assert ledger.budget.share == 0.5
    refuse(ledger, 9, retry_after=1)
    assert ledger.budget.share == 0.25


def test_whoever_waited_for_the_end_of_a_closure_and_was_killed_keeps_no_place() -> None:
    ledger = Ledger()
    refuse(ledger, 0, retry_after=60)
    assert ledger.visit("killed", 1, Lane.WEBHOOK, wanted=90).slots == 0
    assert ledger.visit("fill", 60.1, Lane.BACKFILL, wanted=10).slots == 0
    assert ledger.visit("fill", 61.1, Lane.BACKFILL, wanted=10).slots > 0


def test_the_limit_is_grown_back_to_while_nothing_is_refused() -> None:
    ledger = Ledger()
    refuse(ledger, 0, retry_after=5)
    shares = []
    for period in range(1, 8):
        ledger.visit("b", 5.1 + 20 * period)
        shares.append(round(ledger.budget.share, 3))
    assert shares == [0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0]


def test_a_limit_that_falls_holds_from_the_first_answer_that_says_so() -> None:
    ledger = Ledger()
    ledger.spend("a", 0, most=50)
    refuse(ledger, 1, retry_after=2, limit=10)
    assert ledger.spend("b", 4) == 0
    assert ledger.visit("b", 30, wanted=10).slots == 1
    assert ledger.budget.limit == 10


@pytest.mark.parametrize(
    ("asked", "refusals", "seconds"),
    [
        (7, 1, 7),
        (None, 1, 20),
        (0, 1, 1),
        (0, 3, 4),
        (0, 30, 20),
        (3600, 1, 60),
        (3600, 4, 480),
        (3600, 9, MOST_CLOSED),
        (1e11, 60, MOST_CLOSED),
    ],
)
def test_every_wait_that_is_asked_for_has_its_bounds(asked: float | None, refusals: int, seconds: float) -> None:
    assert wait_after(asked, 20.0, refusals) == seconds


@given(
    lane=st.sampled_from(Lane),
    allowed=st.integers(1, 1000),
    left=st.floats(-1, 2),
    active=st.sets(st.sampled_from(Lane)),
)
def test_every_lane_leaves_one_for_those_above_and_takes_at_least_one(
    lane: Lane, allowed: int, left: float, active: set[Lane]
) -> None:
    kept = keep_back(lane, allowed, left, active)
    assert 0 <= kept <= min(allowed - 1, allowed // 2 + 1)
    if lane.above and allowed > 1 and left > 0.051:
        assert kept >= 1
    if lane is Lane.WEBHOOK:
        assert kept == 0


def test_the_last_place_is_asked_for_when_it_is_no_longer_kept() -> None:
    ledger = Ledger()
    assert [ledger.spend("a", at, Lane.BACKFILL) for at in (0, 18.5)] == [96, 3]
    grant = ledger.visit("a", 18.6, Lane.BACKFILL, wanted=1)
    assert grant.slots == 0
    assert 18.6 + grant.come_back == pytest.approx(19.05)
    assert ledger.visit("a", 18.6 + grant.come_back, Lane.BACKFILL, wanted=1).slots == 1


def test_what_is_read_whole_gives_way_to_what_is_read_for_news() -> None:
    assert lane_of(SyncMode.AUTO, has_watermark=False) is Lane.BACKFILL
    assert lane_of(SyncMode.AUTO, has_watermark=True) is Lane.DELTA
    assert lane_of(SyncMode.FULL, has_watermark=True) is Lane.BACKFILL
    assert lane_of(SyncMode.RECONCILIATION, has_watermark=True) is Lane.RECONCILIATION


def test_a_count_above_the_limit_on_a_success_is_not_believed() -> None:
    ledger = Ledger()
    ledger.visit("a", 0, wanted=1)
    ledger.visit("a", 1, answered=(Answered(NOW, NOW + 1, 900),), limit=100, heard=True)
    assert ledger.spend("b", 1) == 99


def test_a_count_is_worth_nothing_while_the_source_refuses() -> None:
    ledger = Ledger(replace(SURE, share=0.5, refused_at=NOW - 1))
    ledger.spend("a", 0)
    ledger.visit("a", 1, answered=(Answered(NOW + 0.5, NOW + 1, 1),), limit=100, heard=True)
    assert ledger.visit("a", 1, wanted=5).slots == 0
