"""An outage of the provider is one alert, costs a probe in a while, and is over with the first answer."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.errors import SourceAway, SourceFailed
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.org_sync import EntityOutcome, run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.breakers import RULES, SharedBreaker, list_unreachable
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.defs.ticking import PCO, Ticking, ticking
from openfaith_sync_tests.laws.synced_church import GRACE, running
from openfaith_sync_tests.store.making import run
from openfaith_sync_tests.store.present_alerts import present_alerts

ORGS = ("first", "second", "third", "fourth")
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def church_process(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running(pco_manifest, 12) as simulator:
        yield simulator


@pytest.fixture
def church(church_process: RunningSimulator) -> Iterator[RunningSimulator]:
    yield church_process
    church_process.clear_faults()
    church_process.clear_requests()


@pytest.fixture
def plan(database: Database, pco_manifest: Manifest, tmp_path: Path) -> Iterator[Ticking]:
    with ticking(database, pco_manifest, tmp_path) as found:
        yield found


def let_a_minute_pass(plan: Ticking) -> None:
    plan.pass_time(MINUTE)
    run(plan.database, "UPDATE sync.breakers SET first_failed_at = first_failed_at - interval '1 minute'")
    # Whoever was answered before the failures was so a minute earlier too.
    earlier = "checked_at = checked_at - interval '1 minute', completed_at = completed_at - interval '1 minute'"
    run(plan.database, f"UPDATE sync.checkpoints SET {earlier}")


def plan_probe(plan: Ticking, wait: timedelta) -> None:
    """Make the next probe due after this time, whatever the machine's speed."""
    for table in ("breakers", "adapter_breakers"):
        run(plan.database, f"UPDATE sync.{table} SET probe_at = now() + %s", wait)


def test_from_the_first_failure_to_the_first_answer(
    plan: Ticking, church: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    orgs = [plan.connect(name, church) for name in ORGS]
    plan.full_sync(*orgs)
    church.fault(Fault(kind="outage"))
    for _ in range(2):
        plan.tick("delta")
        let_a_minute_pass(plan)
    plan.tick("delta")
    (alert,) = present_alerts(plan.database)
    assert (alert.cause, alert.is_general) == ("outage", True)
    whole = list_unreachable(plan.database)[0]
    assert whole.org is None

    # Nobody is asked for anything any more, not even what was never tried.
    plan_probe(plan, 60 * MINUTE)
    church.clear_requests()
    plan.connect("fifth", church)
    for sensor in ("delta", "connections", "reconciliation", "webhooks"):
        answer = plan.tick(sensor)
        assert not answer.run_requests
        assert "pco unreachable since" in (answer.skip_message or "")
    assert church.requests() == []

    # One probe, in vain.
    plan_probe(plan, timedelta())
    plan.tick("delta")
    assert len(church.requests()) == 1
    assert list_unreachable(plan.database)[0].probes == whole.probes + 1
    assert len([line for line in caplog.records if "pco: outage" in line.message]) == 1

    # The source is back, and changed meanwhile.
    person = min(church.truth("person"))
    church.change("person", person, {"first_name": "Lazarus"})
    church.clear_faults()
    plan_probe(plan, timedelta())
    answer = plan.tick("delta")
    assert present_alerts(plan.database) == []
    assert list_unreachable(plan.database) == []
    # However few of them one tick reaches, all are asked again.
    assert answer.run_requests
    assert plan.fetch("SELECT count(*) FROM sync.work WHERE mode = 'delta' AND attempts > 0") == [(0,)]
    assert {request.partition_key for request in plan.tick("connections").run_requests or ()} == {"fifth"}


def sync(
    database: Database, manifest: Manifest, church: RunningSimulator, breaker: SharedBreaker
) -> dict[EntityName, EntityOutcome]:
    """Sync all entities, each request tried once."""
    connection = Connection(GRACE, PCO, church.base_url, BasicCredentials("demo", "demo"))
    add_connection(database, connection)
    authorization, adapter = Authorization(connection), manifest.adapter_file
    with (
        HttpClient(church.base_url, authorization, adapter, attempts=1, breaker=breaker, **guarded(manifest)) as client,
        open_store(database, GRACE) as store,
    ):
        source = open_dialect(manifest).open_source(client)
        found = run_org(Session(manifest, source, store, GRACE), list(manifest.entities), {}, mode=SyncMode.FULL)
        return {outcome.entity: outcome for outcome in found}


AT_ONCE = replace(RULES, lasting=timedelta())


def test_a_run_ends_at_once_and_says_when_to_come_again(
    database: Database, pco_manifest: Manifest, church: RunningSimulator
) -> None:
    church.fault(Fault(kind="outage"))
    outcomes = sync(database, pco_manifest, church, SharedBreaker(database, GRACE, PCO, AT_ONCE))
    first, *others = [outcome.error for outcome in outcomes.values()]
    # The page is asked for smaller once, and by then the source is known to be away.
    assert isinstance(first, SourceFailed | SourceAway)
    # Nested entities have no parents to ask for yet.
    away = [error for error in others if error is not None]
    assert len(away) > 5
    for error in away:
        assert isinstance(error, SourceAway)
        assert error.retry_after is not None
        assert timedelta() < error.retry_after <= RULES.first_probe
    # The request, and the cheapest one that told why it failed.
    assert [request["path"] for request in church.requests()][1:] == [pco_manifest.adapter_file.auth.verify]
    # The next run finds it away before it asks anything.
    church.clear_requests()
    sync(database, pco_manifest, church, SharedBreaker(database, GRACE, PCO, AT_ONCE))
    assert church.requests() == []


def test_one_listing_that_always_fails_is_no_outage(
    database: Database, pco_manifest: Manifest, church: RunningSimulator
) -> None:
    church.fault(Fault(kind="status", status=500, path="/people/v2/campuses"))
    for _ in range(3):
        outcomes = sync(database, pco_manifest, church, SharedBreaker(database, GRACE, PCO, AT_ONCE))
        assert [name for name, outcome in outcomes.items() if outcome.error] == ["campus"]
    assert present_alerts(database) == []
    assert list_unreachable(database) == []


def test_a_denied_entity_fails_visibly_and_buries_nobody(
    database: Database, pco_manifest: Manifest, church: RunningSimulator
) -> None:
    breaker = SharedBreaker(database, GRACE, PCO, AT_ONCE)
    sync(database, pco_manifest, church, breaker)
    church.fault(Fault(kind="status", status=403, path="/people/v2/emails"))
    outcomes = sync(database, pco_manifest, church, breaker)
    assert {name: type(outcome.error).__name__ for name, outcome in outcomes.items() if outcome.error} == {
        "email": "AccessDenied"
    }
    with database.connect(GRACE) as session:
        live = session.execute(
            "SELECT count(*), count(deleted_at) FROM openfaith.emails WHERE org_id = %s", (GRACE,)
        ).fetchone()
    assert live == (len(church.truth("email")), 0)
    assert list_unreachable(database) == []
