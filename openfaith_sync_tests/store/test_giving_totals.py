"""Giving adds up to the cent: by fund and month in the church's time zone, by batch, and against what is stated."""

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.problems.giving_differences import GivingDifference
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.giving.differences import check_differences
from openfaith_sync.store.giving.totals import TotalsBy, load_totals
from openfaith_sync_tests.store.given import ENTITIES, Giving, utc
from openfaith_sync_tests.store.making import NOON, ORG, OTHER_ORG, PCO, fetch, run, walking
from openfaith_sync_tests.store.test_problems import connection

GIFTS = SyncKey(ORG, PCO, ENTITIES["donations"])
CENTRAL = ZoneInfo("America/Chicago")


def months(database: Database, by: TotalsBy = TotalsBy.MONTH) -> list[dict[str, object]]:
    return load_totals(database, ORG, PCO, by, None, None)


def sums(database: Database) -> dict[date, tuple[int, int, int]]:
    """Return gross, refunds and what was refunded in the month, by month."""
    return {
        row["month"]: (row["gross_cents"], row["refund_cents"], row["refunded_in_month_cents"])
        for row in load_totals(database, ORG, PCO, TotalsBy.MONTH, None, None)
    }


def read_gifts(database: Database, completed_at: datetime) -> None:
    """Note that the gifts were completely read at this moment."""
    run(
        database,
        "INSERT INTO sync.checkpoints (org_id, adapter, entity, completed_at) VALUES (%s, %s, 'donation', %s) "
        "ON CONFLICT (org_id, adapter, entity) DO UPDATE SET completed_at = EXCLUDED.completed_at",
        ORG,
        PCO,
        completed_at,
    )


def kinds(database: Database) -> Counter[GivingDifference]:
    return Counter(found.kind for found in check_differences(database, GIFTS))


def test_a_gift_belongs_to_the_month_of_the_churchs_own_time_zone(database: Database) -> None:
    church = Giving(database)
    # Half past eleven in the evening of 31 January in Chicago.
    church.give("1", {"a": 10_000}, utc(2026, 2, 1, 5, 30))
    church.give("2", {"a": 1}, utc(2026, 2, 1, 6))
    assert sums(database) == {date(2026, 1, 1): (10_000, 0, 0), date(2026, 2, 1): (1, 0, 0)}


def test_a_time_zone_that_nobody_knows_counts_as_utc(database: Database) -> None:
    church = Giving(database, zone="Central Time (US & Canada)")
    church.give("1", {"a": 10_000}, utc(2026, 2, 1, 5, 30))
    assert sums(database) == {date(2026, 2, 1): (10_000, 0, 0)}


def test_a_refund_counts_in_the_month_of_its_gift_and_beside_it_in_its_own(database: Database) -> None:
    church = Giving(database)
    church.give("1", {"a": 7_000, "b": 3_000}, utc(2026, 1, 15))
    church.refund("1", {"a": 2_000, "b": 500}, utc(2026, 3, 2))
    assert sums(database) == {date(2026, 1, 1): (10_000, -2_500, 0), date(2026, 3, 1): (0, 0, -2_500)}
    by_fund = {row["fund_id"]: row["total_cents"] for row in months(database, TotalsBy.FUND)}
    assert by_fund == {church.id("funds", "a"): 5_000, church.id("funds", "b"): 2_500}


def test_a_refund_whose_parts_are_not_read_counts_for_the_only_fund_or_for_none(database: Database) -> None:
    church = Giving(database)
    church.give("1", {"a": 7_000})
    church.refund("1", {"a": 2_000}, names_parts=False)
    church.give("2", {"a": 7_000, "b": 3_000})
    church.refund("2", {"b": 1_000}, names_parts=False)
    by_fund = {row["fund_id"]: row["refund_cents"] for row in months(database, TotalsBy.FUND)}
    assert by_fund == {church.id("funds", "a"): -2_000, church.id("funds", "b"): 0, None: -1_000}


def test_two_currencies_are_never_added(database: Database) -> None:
    church = Giving(database)
    church.give("1", {"a": 100})
    church.give("2", {"a": 5}, currency="CAD")
    assert [(row["currency"], row["gross_cents"]) for row in months(database)] == [("CAD", 5), ("USD", 100)]


def test_what_failed_is_pending_or_gone_does_not_count(database: Database) -> None:
    church = Giving(database)
    church.give("1", {"a": 100})
    church.give("2", {"a": 10}, payment_status="failed")
    church.give("3", {"a": 20}, payment_status="pending")
    church.give("4", {"a": 40}, deleted_at=NOON)
    assert [row["gross_cents"] for row in months(database)] == [100]


def test_a_fee_of_the_gift_counts_where_its_parts_state_none(database: Database) -> None:
    church = Giving(database)
    church.give("1", {"a": 10_250}, fee_cents=-250)
    church.give("2", {"a": 600, "b": 400}, fee_cents=-60)
    run(database, "UPDATE openfaith.designations SET fee_cents = -30 WHERE starts_with(external_id, '2-')")
    by_fund = {row["fund_id"]: (row["fee_cents"], row["net_cents"]) for row in months(database, TotalsBy.FUND)}
    assert by_fund == {church.id("funds", "a"): (-280, 10_570), church.id("funds", "b"): (-30, 370)}


@pytest.mark.parametrize("seed", [11, 23, 2_026])
def test_random_gifts_refunds_voids_and_moves_add_up_to_the_cent(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    church = Giving(database)
    for fund in "abcd":
        church.put("funds", fund, name=f"Fund {fund}")
    expected: dict[tuple[str, date], list[int]] = defaultdict(lambda: [0, 0])
    later: dict[date, int] = defaultdict(int)
    batches: dict[str, int] = defaultdict(int)
    for number in range(120):
        gift = str(number)
        parts = {fund: chance.randint(1, 99_999) for fund in chance.sample("abcd", chance.randint(1, 4))}
        received = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(0, 200 * 24 * 60))
        month = date(*received.astimezone(CENTRAL).timetuple()[:2], 1)
        batch = chance.choice([None, "1", "2", "3"])
        church.give(gift, parts, received, batch=batch)
        if chance.random() < 0.2:
            # Moved to another batch.
            batch = chance.choice(["1", "2", "3"])
            church.give(gift, parts, received, batch=batch)
        fate = chance.random()
        if fate < 0.1:
            run(database, "UPDATE openfaith.donations SET deleted_at = now() WHERE external_id = %s", gift)
            continue
        if batch is not None:
            batches[batch] += sum(parts.values())
        if fate < 0.2:
            run(database, "UPDATE openfaith.donations SET payment_status = 'failed' WHERE external_id = %s", gift)
            continue
        for fund, cents in parts.items():
            expected[fund, month][0] += cents
        if fate < 0.45:
            back = {fund: chance.randint(1, cents) for fund, cents in parts.items() if chance.random() < 0.7}
            refunded = received + timedelta(days=chance.randint(0, 80))
            if back:
                church.refund(gift, back, refunded)
            for fund, cents in back.items():
                expected[fund, month][1] -= cents
                later[date(*refunded.astimezone(CENTRAL).timetuple()[:2], 1)] -= cents
    for batch, cents in batches.items():
        church.put("batches", batch, state="committed", total_cents=cents, currency="USD", committed_at=NOON)
    rows = fetch(
        database,
        "SELECT fund, month, gross_cents, refund_cents, total_cents FROM openfaith_live.fund_months "
        "WHERE gross_cents <> 0 OR refund_cents <> 0",
    )
    assert {(fund[-1], month): (gross, refund) for fund, month, gross, refund, _ in rows} == {
        key: tuple(both) for key, both in expected.items()
    }
    assert all(total == gross + refund for _, _, gross, refund, total in rows)
    by_month = sums(database)
    assert {month: refunded for month, (_, _, refunded) in by_month.items() if refunded} == later
    read_gifts(database, NOON + timedelta(minutes=1))
    assert {row["batch"]: row["gross_cents"] for row in months(database, TotalsBy.BATCH)} == dict(batches)
    assert not kinds(database)


def test_each_amount_that_differs_is_found_and_told_by_numbers_alone(database: Database) -> None:
    add_connection(database, connection(ORG))
    church = Giving(database)
    church.give("1", {"a": 100}, amount_cents=123_456)
    church.give("2", {"a": 500, "b": 500})
    church.refund("2", {"a": 900, "b": 654_321})
    church.give("3", {"a": 100, "b": 100})
    church.refund("3", {"a": 10})
    run(database, "UPDATE openfaith.refunds SET amount_cents = -11 WHERE external_id = 'r3'")
    church.give("4", {"a": 100}, currency="CAD")
    run(database, "UPDATE openfaith.donations SET currency = 'USD' WHERE external_id = '4'")
    church.put("batches", "1", state="committed", total_cents=77, currency="USD")
    church.put("batches", "2", state="updating", total_cents=88, currency="USD")
    read_gifts(database, NOON + timedelta(minutes=1))
    assert kinds(database) == Counter({kind: 1 for kind in GivingDifference if kind is not GivingDifference.MONTH})
    (problem,) = [found for found in list_problems(database, ORG) if found.kind is ProblemKind.GIVING_TOTALS]
    assert problem.detail == (
        "giving does not add up: 1 gift is not the sum of its parts; 1 gift has another currency than its parts; "
        "1 refund is larger than its gift; 1 refund is not the sum of its parts; "
        "1 committed batch is not the sum of its gifts"
    )
    assert (problem.entity, problem.count, problem.is_red, problem.is_warned_of) == ("donation", 5, False, True)


def test_a_batch_is_compared_only_once_its_gifts_were_read_after_it(database: Database) -> None:
    church = Giving(database)
    church.put("batches", "1", state="committed", total_cents=77, currency="USD")
    read_gifts(database, NOON - timedelta(minutes=1))
    assert not kinds(database)
    read_gifts(database, NOON + timedelta(minutes=1))
    assert kinds(database) == {GivingDifference.BATCH: 1}


def test_a_difference_ends_when_it_is_gone_and_keeps_its_beginning_until_then(database: Database) -> None:
    church = Giving(database)
    church.give("1", {"a": 100}, amount_cents=101)
    assert kinds(database) == {GivingDifference.PARTS: 1}
    run(database, "UPDATE sync.giving_differences SET since = %s", NOON)
    church.give("2", {"a": 100}, amount_cents=101)
    assert kinds(database) == {GivingDifference.PARTS: 2}
    assert fetch(database, "SELECT kind, records, since FROM sync.giving_differences") == [("parts", 2, NOON)]
    church.give("1", {"a": 100})
    church.give("2", {"a": 100})
    assert not kinds(database)
    assert fetch(database, "SELECT kind FROM sync.giving_differences") == []


def test_another_churchs_gifts_are_never_counted(database: Database) -> None:
    for org in (ORG, OTHER_ORG):
        church = Giving(database, org)
        church.give("1", {"a": 100 if org == ORG else 7}, amount_cents=100)
    assert [row["gross_cents"] for row in months(database)] == [100]
    assert not kinds(database)


def register_giving(database: Database) -> None:
    """Register the tables of the entities of giving, as a manifest does."""
    for table, entity in ENTITIES.items():
        run(
            database,
            "INSERT INTO sync.record_tables (adapter, entity, table_schema, table_name, has_merges) "
            "VALUES (%s, %s, 'openfaith', %s, false) ON CONFLICT DO NOTHING",
            PCO,
            entity,
            table,
        )


def test_the_end_of_a_reconciliation_of_giving_notes_what_differs(database: Database) -> None:
    register_giving(database)
    church = Giving(database)
    church.give("1", {"a": 100}, amount_cents=101)
    with walking(database, SyncKey(ORG, PCO, ENTITIES["batches"])) as walk:
        walk.store.open_evidence(walk.lease, walk.opened.pass_id).note_dangling(())
    stored = fetch(database, "SELECT org_id, adapter, entity, kind, records FROM sync.giving_differences")
    assert stored == [(ORG, PCO, "donation", "parts", 1)]


def test_the_end_of_a_reconciliation_of_something_else_compares_nothing(database: Database) -> None:
    register_giving(database)
    church = Giving(database)
    church.give("1", {"a": 100}, amount_cents=101)
    with walking(database) as walk:
        walk.store.open_evidence(walk.lease, walk.opened.pass_id).note_dangling(())
    assert fetch(database, "SELECT kind FROM sync.giving_differences") == []


def test_living_gifts_are_counted_between_bounds_and_a_month_that_differs_is_noted(database: Database) -> None:
    register_giving(database)
    church = Giving(database)
    bounds = [utc(2026, month, 1) for month in (1, 2, 3)]
    for number, received in enumerate([bounds[0] - timedelta(seconds=1), *bounds, bounds[1], utc(2026, 2, 28, 23, 59)]):
        church.give(str(number), {"a": 100}, received)
    run(database, "UPDATE openfaith.donations SET deleted_at = now() WHERE external_id = '4'")
    with walking(database, GIFTS) as walk:
        evidence = walk.store.open_evidence(walk.lease, walk.opened.pass_id)
        assert evidence.count_between("received_at", bounds) == [1, 2]
        evidence.note_months(3)
        assert fetch(database, "SELECT kind, records FROM sync.giving_differences") == [("month", 3)]
        # A comparison of amounts says nothing of months, and the other way round.
        evidence.note_dangling(())
        assert fetch(database, "SELECT kind, records FROM sync.giving_differences") == [("month", 3)]
        evidence.note_months(0)
    assert fetch(database, "SELECT kind FROM sync.giving_differences") == []
