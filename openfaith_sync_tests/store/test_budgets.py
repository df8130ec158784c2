"""The ledger lies in PostgreSQL: processes agree there, and nobody sends when it cannot be reached."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from openfaith_sync.adapters.ratelimit.budget_share import LocalLedger
from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.ratelimit.budget import Answered, Budget, Visit
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.ratelimit import budgets
from openfaith_sync.store.ratelimit.budgets import PostgresLedger
from openfaith_sync_tests.store.making import fetch, run

PCO = AdapterName("pco")
ASSUMED = Budget(100, 600.0)


def hearing(holder: str, answered: tuple[Answered, ...] = ()) -> Visit:
    """Return the visit of one that was just told the limit."""
    return Visit(holder, Lane.WEBHOOK, answered=answered, limit=100, heard=True)


def ledger(database: Database, org: str = "grace") -> PostgresLedger:
    return PostgresLedger(database, OrgId(org), PCO)


@pytest.fixture(params=["in this process", "in PostgreSQL"])
def open_ledger(
    request: pytest.FixtureRequest, module_database: Database
) -> Iterator[Callable[[], PostgresLedger | LocalLedger]]:
    """Opens the same ledger again and again."""
    with ExitStack() as opened:
        own = LocalLedger()
        is_own = request.param == "in this process"
        yield lambda: own if is_own else opened.enter_context(closing(ledger(module_database, "contract")))


def test_a_ledger_remembers_for_every_process(open_ledger: Callable[[], PostgresLedger | LocalLedger]) -> None:
    first, second = open_ledger(), open_ledger()
    assert first.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 5)).slots == 1
    assert second.visit("common", ASSUMED, Visit("b", Lane.WEBHOOK, 5)).slots == 0
    now = second.visit("common", ASSUMED, Visit("b", Lane.WEBHOOK)).now
    first.visit("common", ASSUMED, hearing("a", (Answered(now, now, 1),)))
    assert second.visit("common", ASSUMED, Visit("b", Lane.WEBHOOK, 50)).slots == 10
    assert second.visit("deep", replace(ASSUMED, limit=10), Visit("b", Lane.WEBHOOK, 50)).slots == 1


def test_processes_that_come_at_once_get_no_more_than_there_is(module_database: Database) -> None:
    ledger(module_database).visit("common", ASSUMED, hearing("first"))

    def take(number: int) -> int:
        own, granted = ledger(module_database), 0
        for again in range(10):
            granted += own.visit("common", ASSUMED, Visit(f"{number} {again}", Lane.WEBHOOK, 3)).slots
        own.close()
        return granted

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(8))) == 100


def test_orgs_have_budgets_of_their_own(module_database: Database) -> None:
    for org in ("hope", "joy"):
        own = ledger(module_database, org)
        assert own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 5)).slots == 1
        own.close()
    kept = fetch(module_database, "SELECT org_id, bucket FROM sync.budgets WHERE org_id IN ('hope', 'joy') ORDER BY 1")
    assert kept == [("hope", "common"), ("joy", "common")]


def test_a_ledger_that_cannot_be_reached_is_an_error_and_no_free_pass(database: Database) -> None:
    own = ledger(database)
    own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 1))
    backends = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    fetch(database, f"SELECT pg_terminate_backend(pid) FROM ({backends}) AS others")
    with pytest.raises(SyncError, match="database"):
        own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 1))
    assert own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, under_way=1)).slots == 0
    own.close()


def test_a_slice_costs_two_statements_and_a_connection_is_opened_once(database: Database) -> None:
    own = ledger(database)
    for number in range(5):
        own.visit("common", ASSUMED, Visit(str(number), Lane.WEBHOOK, 1))
    assert fetch(database, "SELECT version FROM sync.budgets") == [(5,)]
    opened = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert fetch(database, opened) == [(1,)]
    own.close()


def test_a_session_that_cannot_begin_is_an_error_of_ours_and_not_left_open(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ledger(database)
    monkeypatch.setattr(budgets, "_SESSION", "SELECT 1 / 0")
    with pytest.raises(SyncError):
        own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 1))
    opened = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert fetch(database, opened) == [(0,)]
    monkeypatch.undo()
    assert own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 1)).slots == 1
    own.close()


def test_what_another_version_wrote_is_found_out_anew(database: Database) -> None:
    own = ledger(database)
    own.visit("common", ASSUMED, hearing("a"))
    run(database, """UPDATE sync.budgets SET budget = '{"limit": "many"}'""")
    assert own.visit("common", ASSUMED, Visit("a", Lane.WEBHOOK, 5)).slots == 1
    own.close()
