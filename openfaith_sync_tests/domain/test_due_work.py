from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.schedule.due_work import (
    ALL,
    Work,
    WorkChange,
    WorkKey,
    WorkMode,
    make_run_key,
    next_time,
)
from openfaith_sync.domain.schedule.slots import is_nights_turn, next_night, next_slot, night_of

GRACE, PCO, PERSON = OrgId("grace"), AdapterName("pco"), EntityName("person")
NOON = datetime(2026, 3, 7, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def work(
    mode: WorkMode,
    *,
    attempts: int = 0,
    every: timedelta | None = None,
    is_long: bool = False,
    is_held: bool = False,
) -> Work:
    key = WorkKey(GRACE, PCO, ALL, mode)
    return Work(key, NOON, "", None, None, attempts, "UTC", every, is_long, is_complete=False, is_held=is_held)


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago", "Pacific/Auckland", "Asia/Kolkata", "Nowhere/AtAll"])
@pytest.mark.parametrize("org", [f"org-{number}" for number in range(20)])
def test_a_night_is_between_one_and_five_where_the_org_is(zone: str, org: str) -> None:
    after = NOON
    for _ in range(400):
        night = next_night(OrgId(org), zone, after)
        local = night.astimezone(ZoneInfo("UTC" if zone == "Nowhere/AtAll" else zone))
        assert after < night <= after + 26 * HOUR
        assert 1 <= local.hour < 6
        after = night


def test_orgs_are_spread_over_the_night() -> None:
    nights = sorted(next_night(OrgId(f"org-{number}"), "UTC", NOON) for number in range(1000))
    gaps = [later - earlier for earlier, later in pairwise(nights)]
    assert nights[-1] - nights[0] > timedelta(hours=3, minutes=50)
    assert max(gaps) < timedelta(minutes=4)


def test_a_night_stays_an_orgs_own() -> None:
    first = next_night(GRACE, "UTC", NOON)
    assert next_night(GRACE, "UTC", first) == first + 24 * HOUR
    assert next_night(GRACE, "UTC", first - timedelta(seconds=1)) == first


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (work(WorkMode.FULL), None),
        (work(WorkMode.DELTA), None),
        (work(WorkMode.SUBSCRIPTIONS), 24 * HOUR),
        (work(WorkMode.RECORDS), 0 * HOUR),
    ],
)
def test_what_is_done_is_due_again_at_its_cadence(done: Work, expected: timedelta | None) -> None:
    found = next_time(done, NOON)
    assert found == (None if expected is None else NOON + expected)


@pytest.mark.parametrize("is_long", [False, True])
def test_checks_are_as_far_apart_as_their_interval_says_however_long_each_takes(*, is_long: bool) -> None:
    done, after = work(WorkMode.DELTA, every=HOUR / 4, is_long=is_long), NOON
    times = []
    for _ in range(20):
        found = next_time(done, after)
        assert found is not None
        times.append(found)
        after = found + timedelta(minutes=2)
    assert {later - earlier for earlier, later in pairwise(times)} == {HOUR if is_long else HOUR / 4}


@pytest.mark.parametrize("org", [f"org-{number}" for number in range(10)])
def test_hourly_entities_are_spread_over_the_quarters_of_the_org(org: str) -> None:
    quarter = next_slot(OrgId(org), 0, HOUR / 4, "UTC", NOON)
    due = [next_slot(OrgId(org), position, HOUR, "UTC", NOON) for position in range(7, 47)]
    of_quarter = [sum(moment == quarter + n * HOUR / 4 for moment in due) for n in range(4)]
    assert of_quarter == [10, 10, 10, 10]


@pytest.mark.parametrize("days", [1, 7, 30])
@pytest.mark.parametrize("zone", ["UTC", "America/Chicago"])
def test_nightly_weekly_and_monthly_entities_are_spread_over_as_many_nights(days: int, zone: str) -> None:
    nights = [next_slot(GRACE, position, timedelta(days=days), zone, NOON) for position in range(3 * days)]
    dates = sorted({night_of(night, zone) for night in nights})
    assert len(dates) == days
    assert dates[-1] - dates[0] == timedelta(days=days - 1)
    assert all(1 <= night.astimezone(ZoneInfo(zone)).hour < 6 for night in nights)
    again = [next_slot(GRACE, position, timedelta(days=days), zone, night) for position, night in enumerate(nights)]
    assert {night_of(b, zone) - night_of(a, zone) for a, b in zip(nights, again, strict=True)} == {timedelta(days=days)}


def test_a_comparison_that_missed_its_night_is_made_up_for_in_the_next() -> None:
    week, first = timedelta(days=7), night_of(NOON, "UTC")
    turns = [n for n in range(21) if is_nights_turn(GRACE, 3, week, first + timedelta(days=n), None)]
    assert len(turns) == 3
    turn = first + timedelta(days=turns[1])
    after = turn + timedelta(days=1)
    assert is_nights_turn(GRACE, 3, week, after, turn - timedelta(days=1))
    assert not is_nights_turn(GRACE, 3, week, after, turn)
    assert not is_nights_turn(GRACE, 3, None, turn, None)


def test_failures_wait_longer_each_time_and_never_less_than_the_source_asks() -> None:
    changes = [WorkChange.failed(work(WorkMode.DELTA, attempts=n), NOON, "x") for n in range(6)]
    waits = [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 60, 60)]
    assert [change.not_before for change in changes] == [NOON + wait for wait in waits]
    asked = WorkChange.failed(work(WorkMode.DELTA), NOON, "x", 2 * HOUR)
    assert asked.not_before == NOON + 2 * HOUR
    assert asked.attempts == 1


def test_what_is_held_waits_for_the_night() -> None:
    change = WorkChange.failed(work(WorkMode.RECONCILIATION, is_held=True), NOON, "its run failed")
    assert change.not_before == next_night(GRACE, "UTC", NOON)
    assert change.attempts == 0


def test_a_run_key_holds_what_is_asked_and_the_attempt() -> None:
    assert make_run_key(GRACE, PCO, WorkMode.DELTA, "person", "T", 0) == "grace/pco/delta/person/T"
    assert make_run_key(GRACE, PCO, WorkMode.FULL, "", "T", 2) == "grace/pco/full/T/2"
