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
    next_night,
    next_time,
)

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
        (work(WorkMode.DELTA), HOUR / 4),
        (work(WorkMode.DELTA, is_long=True), HOUR),
        (work(WorkMode.DELTA, is_long=True, every=HOUR / 12), HOUR / 12),
        (work(WorkMode.SUBSCRIPTIONS), 24 * HOUR),
        (work(WorkMode.RECORDS), 0 * HOUR),
    ],
)
def test_what_is_done_is_due_again_at_its_cadence(done: Work, expected: timedelta | None) -> None:
    found = next_time(done, NOON)
    assert found == (None if expected is None else NOON + expected)


def test_a_weekly_reconciliation_is_in_the_night_of_its_day() -> None:
    night = next_night(GRACE, "UTC", NOON)
    found = next_time(work(WorkMode.RECONCILIATION, every=timedelta(days=7)), night)
    assert found == night + timedelta(days=7)


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
