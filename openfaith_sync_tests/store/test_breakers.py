"""A source that is away is asked by one probe at a time, all processes and orgs together, until it answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import httpx
import psycopg
import pytest

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.ports.shared_state import Ledger
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.errors import SourceAway, SyncError, TransientError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.ratelimit.budget import Grant
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import (
    RULES,
    BreakerRules,
    SharedBreaker,
    list_unreachable,
    load_orgs_to_probe,
)
from openfaith_sync_tests.adapters.clients import unguarded
from openfaith_sync_tests.adapters.credentials import anybody
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, PCO, fetch, run
from openfaith_sync_tests.store.present_alerts import present_alerts

AT_ONCE = replace(RULES, lasting=timedelta())
"""As in life, but that nobody has to wait for it."""
NOW = timedelta()
ORGS = [OrgId(f"church-{number}") for number in range(6)]


@pytest.fixture
def database(database: Database) -> Database:
    for org in (ORG, *ORGS):
        add_connection(database, Connection(org, PCO, "https://pco.example", BasicCredentials("a", "b")))
    return database


def breaker(database: Database, org: OrgId = ORG, rules: BreakerRules = AT_ONCE) -> SharedBreaker:
    return SharedBreaker(database, org, PCO, rules)


def fail(database: Database, org: OrgId = ORG, requests: int = 2, rules: BreakerRules = AT_ONCE) -> SharedBreaker:
    """Return the breaker of an org so many of whose requests found nobody."""
    found = breaker(database, org, rules)
    for number in range(requests):
        found.note_failure(f"request {number}", "nobody there", NOW)
    return found


def let_time_pass(database: Database, span: str) -> None:
    for table in ("breakers", "adapter_breakers"):
        run(database, f"UPDATE sync.{table} SET probe_at = probe_at - interval '{span}'")


def is_away(found: SharedBreaker) -> bool:
    try:
        found.admit()
    except SourceAway:
        return True
    return False


def test_one_request_that_fails_alone_closes_nothing(database: Database) -> None:
    found = breaker(database)
    assert [found.note_failure("the same", "nobody there", NOW) for _ in range(5)] == [True] * 5
    assert not is_away(breaker(database))
    assert present_alerts(database) == []


def test_two_that_fail_in_a_row_open_it_for_every_process(database: Database) -> None:
    here, knows_nothing, elsewhere = breaker(database), breaker(database), breaker(database)
    knows_nothing.admit()
    assert here.note_failure("one", "nobody there", NOW)
    assert not elsewhere.note_failure("two", "nobody there", NOW)
    for one in (elsewhere, breaker(database)):
        with pytest.raises(SourceAway, match=r"pco unreachable since .* UTC \(nobody there\)") as refused:
            one.admit()
        retry_after = refused.value.retry_after
        assert retry_after is not None
        assert timedelta() < retry_after <= RULES.first_probe
    # Whoever found it there before is not asked to look at the database again.
    knows_nothing.admit()
    assert not is_away(breaker(database, OTHER_ORG))
    (alert,) = present_alerts(database)
    assert (alert.cause, alert.orgs, alert.is_general) == ("outage", (ORG,), False)


def test_an_answer_in_between_begins_the_count_anew(database: Database) -> None:
    found = fail(database, requests=1)
    found.note_answer()
    found.note_failure("another", "nobody there", NOW)
    assert not is_away(breaker(database))


def test_a_hiccup_is_no_outage(database: Database) -> None:
    found = fail(database, requests=5, rules=RULES)
    assert not is_away(breaker(database))
    found.note_failure("another", "nobody there", RULES.lasting)
    assert is_away(breaker(database))


def test_what_failed_long_ago_is_forgotten(database: Database) -> None:
    fail(database, requests=1)
    run(database, "UPDATE sync.breakers SET last_failed_at = now() - interval '11 minutes'")
    assert breaker(database).note_failure("another", "nobody there", NOW)
    assert not is_away(breaker(database))


def test_of_all_who_ask_at_once_one_is_the_probe(database: Database) -> None:
    fail(database)
    let_time_pass(database, "16 seconds")
    with ThreadPoolExecutor(8) as threads:
        away = list(threads.map(is_away, [breaker(database) for _ in range(8)]))
    assert away.count(False) == 1


def test_the_probes_own_tries_go_out_and_no_other_threads(database: Database) -> None:
    fail(database)
    let_time_pass(database, "16 seconds")
    found = breaker(database)
    found.admit()
    found.admit()
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(is_away, found).result()


def test_a_probe_in_vain_makes_the_next_one_wait_twice_as_long_within_bounds(database: Database) -> None:
    fail(database)
    waits = []
    for _ in range(8):
        let_time_pass(database, "1 day")
        found = breaker(database)
        found.admit()
        found.note_failure("probe", "still nobody", NOW)
        ((wait,),) = fetch(database, "SELECT probe_at - last_failed_at FROM sync.breakers")
        waits.append(wait)
    assert waits[:4] == [RULES.first_probe * 2**power for power in (1, 2, 3, 4)]
    assert waits[-1] == RULES.last_probe
    assert list_unreachable(database)[0].probes == 8


class Nowhere:
    """A ledger that nobody can ask."""

    def visit(self, *_: object) -> Grant:
        raise TransientError("not now")


JSON_API = {"content-type": "application/vnd.api+json"}


def ask(pco_manifest: Manifest, found: SharedBreaker, status: int, ledger: Ledger | None = None) -> None:
    """Ask a source that answers nothing but this."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(status, json={"errors": [{"status": str(status)}]}, headers=JSON_API)
    )
    with (
        HttpClient(
            "https://pco.example",
            anybody(),
            pco_manifest.adapter_file,
            transport=transport,
            pause=lambda _: None,
            attempts=1,
            patience=NOW,
            ledger=ledger,
            breaker=found,
            **unguarded(pco_manifest),
        ) as client,
        suppress(SyncError),
    ):
        client.read(Request("/people", {}), lambda answer: answer)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429])
def test_a_probe_that_is_answered_whatever_is_said_closes_it(
    database: Database, pco_manifest: Manifest, status: int
) -> None:
    fail(database)
    let_time_pass(database, "16 seconds")
    ask(pco_manifest, breaker(database), status)
    assert not is_away(breaker(database))
    assert present_alerts(database) == []


def test_a_probe_that_was_answered_by_nobody_leaves_it_open(database: Database, pco_manifest: Manifest) -> None:
    fail(database)
    let_time_pass(database, "16 seconds")
    ask(pco_manifest, breaker(database), 503)
    assert is_away(breaker(database))


def test_a_probe_that_never_went_out_is_no_licence_for_what_its_thread_asks_later(
    database: Database, pco_manifest: Manifest
) -> None:
    fail(database)
    let_time_pass(database, "16 seconds")
    found = breaker(database)
    ask(pco_manifest, found, 200, ledger=Nowhere())
    assert is_away(found)


def test_a_prober_that_was_lost_is_followed_by_another(database: Database) -> None:
    fail(database)
    let_time_pass(database, "16 seconds")
    breaker(database).admit()
    assert is_away(breaker(database))
    let_time_pass(database, "181 seconds")
    assert not is_away(breaker(database))


def test_an_answer_ends_it_for_all_and_what_waited_is_due(database: Database) -> None:
    run(
        database,
        "INSERT INTO sync.work (org_id, adapter, entity, mode, reason, attempts, not_before)"
        " VALUES (%s, 'pco', '*', 'full', 'failed', 3, now() + interval '1 hour')",
        ORG,
    )
    fail(database)
    let_time_pass(database, "16 seconds")
    assert load_orgs_to_probe(database, PCO, 5) == [ORG]
    found = breaker(database)
    found.admit()
    found.note_answer()
    assert not is_away(breaker(database))
    assert present_alerts(database) == []
    assert list_unreachable(database) == []
    assert fetch(database, "SELECT attempts, not_before <= now() FROM sync.work") == [(0, True)]


def test_when_several_orgs_find_nobody_it_is_the_provider_and_one_alert(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    for org in ORGS[:3]:
        fail(database, org)
    (whole, *_) = list_unreachable(database)
    assert (whole.adapter, whole.org) == (PCO, None)
    # An org that never asked is spared the asking.
    assert is_away(breaker(database, ORGS[5]))
    for org in ORGS[3:5]:
        fail(database, org)
    (alert,) = present_alerts(database)
    assert alert.is_general
    assert len([record for record in caplog.records if "pco: outage" in record.message]) == 1
    let_time_pass(database, "16 seconds")
    found = breaker(database, ORGS[5])
    found.admit()
    assert is_away(breaker(database, ORGS[0]))
    found.note_answer()
    assert not any(is_away(breaker(database, org)) for org in ORGS)
    assert present_alerts(database) == []
    assert fetch(database, "SELECT count(*) FROM sync.breakers") == [(0,)]


def test_a_probe_of_the_provider_in_vain_waits_longer(database: Database) -> None:
    for org in ORGS[:3]:
        fail(database, org)
    let_time_pass(database, "16 seconds")
    found = breaker(database, ORGS[5])
    found.admit()
    found.note_failure("probe", "still nobody", NOW)
    (whole, *_) = list_unreachable(database)
    assert (whole.probes, whole.reason) == (1, "still nobody")
    assert is_away(breaker(database, ORGS[0]))


def test_a_probe_in_vain_by_a_church_that_never_failed_is_the_only_request(database: Database) -> None:
    for org in ORGS[:5]:
        fail(database, org)
    assert list_unreachable(database)[0].org is None
    let_time_pass(database, "1 hour")
    fresh = breaker(database)
    fresh.admit()
    assert not fresh.note_failure("probe", "nobody there", NOW)


@pytest.mark.parametrize(("answered", "is_provider"), [("30 seconds", False), ("2 minutes", True)])
def test_three_sick_churches_among_many_that_are_answered_meanwhile_are_not_the_provider(
    database: Database, answered: str, is_provider: bool
) -> None:
    healthy = [OrgId(f"healthy-{number}") for number in range(9)]
    for org in healthy:
        run(
            database,
            "INSERT INTO sync.checkpoints (org_id, adapter, entity, checked_at)"
            " VALUES (%s, 'pco', 'person', now() - %s::interval)",
            org,
            answered,
        )
    rules = replace(RULES, lasting=timedelta(seconds=10))
    for org in ORGS[:3]:
        found = breaker(database, org, rules)
        for number in range(2):
            found.note_failure(f"request {number}", "nobody there", timedelta(minutes=1))
    assert {away.org for away in list_unreachable(database)} == {*ORGS[:3], *([None] if is_provider else [])}
    assert is_away(breaker(database, healthy[0])) is is_provider
    (alert,) = present_alerts(database)
    assert (alert.is_general, set(alert.orgs)) == (is_provider, set() if is_provider else set(ORGS[:3]))


def test_a_removed_org_leaves_no_breaker(database: Database) -> None:
    fail(database)
    disconnect_org(database, ORG)
    assert list_unreachable(database) == []
    assert present_alerts(database) == []
    # Nor does a run of its own that goes on.
    fail(database)
    assert list_unreachable(database) == []
    assert present_alerts(database) == []


def test_many_fail_and_heal_at_once_without_a_deadlock(database: Database) -> None:
    def live(number: int) -> None:
        found = fail(database, ORGS[number % 6])
        if number % 4 == 0:
            found.note_answer()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(live, range(48))) == [None] * 48


@dataclass(frozen=True)
class Counted(Database):
    """A database that counts who connects."""

    connects: list[str] = field(default_factory=list)

    @contextmanager
    def connect_fleet(self) -> Iterator[psycopg.Connection]:
        self.connects.append("fleet")
        with super().connect_fleet() as session:
            yield session


def test_while_the_source_answers_a_request_costs_no_word_with_the_database(database: Database) -> None:
    counted = Counted(database.url, database.keys)
    found = breaker(counted)
    for _ in range(1000):
        found.admit()
        found.note_answer()
    assert counted.connects == ["fleet"]
