"""Law 8: a revoked grant is one alert and no retry, for one org or for 500, and connecting again goes on from there."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import (
    BasicCredentials,
    BearerToken,
    Connection,
    ConnectionStatus,
    Credentials,
    OAuthTokens,
)
from openfaith_sync.domain.connections.deployment_settings import client_variables
from openfaith_sync.domain.errors import ReconnectRequired
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.pass_runner import PassProgress
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.sessions.opening import open_shared_source
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.connections.connections import add_connection, list_connections, load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync.store.schedule.work import make_due
from openfaith_sync_tests.defs.ticking import Ticking, ticking
from openfaith_sync_tests.laws.sharing import CLIENT, watch
from openfaith_sync_tests.store.making import PCO, fetch, run
from openfaith_sync_tests.store.present_alerts import present_alerts

ORGS = 500
PEOPLE = 230
CAMPUS = EntityName("campus")
PERSON = EntityName("person")
SCOPES = ("people", "groups")


@pytest.fixture(scope="module")
def simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, pco_manifest) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_usual(simulator: RunningSimulator) -> None:
    simulator.clear_oauth()
    simulator.clear_requests()


@pytest.fixture
def deployment(database: Database, pco_manifest: Manifest, tmp_path: Path) -> Iterator[Ticking]:
    """A daemon that is a client of the source."""
    client = dict(zip(client_variables(PCO), (CLIENT.client_id, CLIENT.secret), strict=True))
    with ticking(database, pco_manifest, tmp_path, oauth_clients=client) as running:
        yield running


def connect(database: Database, simulator: RunningSimulator, orgs: list[OrgId]) -> None:
    """Complete the authorization of these orgs, as `org connect` does."""
    pairs = simulator.issue_tokens(*SCOPES, count=len(orgs))

    def store(org: OrgId, pair: dict[str, Any]) -> None:
        tokens = OAuthTokens(pair["access_token"], pair["refresh_token"], timedelta(hours=2), frozenset(SCOPES))
        add_connection(database, Connection(org, PCO, simulator.base_url, tokens))
        make_due(database, org, PCO, WHAT_REPEATS, "connected again")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(store, orgs, pairs))


def statuses(database: Database) -> set[ConnectionStatus]:
    return {connection.status for connection in list_connections(database)}


@pytest.mark.long
def test_500_grants_that_are_revoked_at_once(
    deployment: Ticking, database: Database, simulator: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    orgs = [OrgId(f"church-{number:03}") for number in range(ORGS)]
    connect(database, simulator, orgs)
    seed_quiet(database, deployment.manifest, orgs)
    simulator.revoke_grants()
    simulator.clear_requests()
    with caplog.at_level(logging.ERROR, logger="openfaith_sync.alerts"):
        for _ in range(10):
            tick = deployment.tick("delta")
            assert not tick.run_requests
            (alert,) = present_alerts(database)
            if statuses(database) == {ConnectionStatus.RECONNECT_NEEDED}:
                break
    assert statuses(database) == {ConnectionStatus.RECONNECT_NEEDED}
    # One alert, told once, for all of them.
    assert (alert.cause, set(alert.orgs)) == ("connection", set(orgs))
    assert len([record for record in caplog.records if record.name == "openfaith_sync.alerts"]) == 1
    assert all("revoked" in str(connection.status_reason) for connection in list_connections(database))
    # Each org asked once and tried to refresh once; nobody asks again.
    asked = [request["path"] for request in simulator.requests()]
    assert asked.count("/oauth/token") == ORGS
    assert len(asked) == 2 * ORGS
    assert {use["outcome"] for use in simulator.oauth()["refreshes"]} == {"revoked"}
    simulator.clear_requests()
    deployment.pass_time(timedelta(days=1))
    for sensor in ("delta", "connections", "reconciliation", "webhooks"):
        assert not deployment.tick(sensor).run_requests
    assert simulator.requests() == []
    # Connected again, all go on: each is asked about, in one request, and found as it was.
    connect(database, simulator, orgs)
    assert present_alerts(database) == []
    for _ in range(10):
        deployment.tick("delta")
        if not waiting(database):
            break
    assert not waiting(database)
    assert [request["status"] for request in simulator.requests()] == [200] * ORGS
    assert statuses(database) == {ConnectionStatus.ACTIVE}
    assert simulator.oauth()["spent_twice"] == 0


def waiting(database: Database) -> int:
    """Count the orgs that are due, or whose last look failed."""
    return int(fetch(database, "SELECT count(*) FROM sync.work WHERE not_before <= now() OR attempts > 0")[0][0])


def sync(
    database: Database, manifest: Manifest, org: OrgId, entity: EntityName, after_a_page: Any = lambda _: None
) -> PassResult:
    connection = load_connection(database, org, PCO)
    with (
        open_source(manifest, connection, watch(database, connection)) as source,
        open_store(database, org) as store,
    ):
        return run_entity(Session(manifest, source, store, org), entity, SyncMode.AUTO, after_a_page)


def seed_quiet(database: Database, manifest: Manifest, orgs: list[OrgId]) -> None:
    """Mark one entity of each org as synced before, as the first one's really was, and as due now."""
    sync(database, manifest, orgs[0], CAMPUS)
    for schema, table, entity in (("openfaith", "campuses", "type"), ("sync", "checkpoints", "entity")):
        columns = fetch(
            database,
            "SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s AND column_name <> 'org_id'",
            schema,
            table,
        )[0][0]
        run(
            database,
            f"INSERT INTO {schema}.{table} (org_id, {columns}) SELECT org, {columns} FROM {schema}.{table}"
            f" CROSS JOIN unnest(%s::text[]) AS org WHERE org_id = %s AND {entity} = %s",
            orgs[1:], orgs[0], CAMPUS,
        )  # fmt: skip
    run(
        database,
        "INSERT INTO sync.work (org_id, adapter, entity, mode, not_before, reason)"
        " SELECT org, 'pco', %s, 'delta', now(), 'test' FROM unnest(%s::text[]) AS org",
        CAMPUS, orgs,
    )  # fmt: skip


def test_a_run_ends_as_such_without_a_retry(
    deployment: Ticking, database: Database, simulator: RunningSimulator
) -> None:
    org = OrgId("grace")
    connect(database, simulator, [org])
    deployment.tick("connections")
    simulator.revoke_grants()
    simulator.clear_requests()
    ended = deployment.execute("pco_full_sync", dg.RunRequest(run_key="first", partition_key=org))
    assert not ended.success
    assert not [event for event in ended.all_events if event.is_step_up_for_retry]
    assert [request["path"] for request in simulator.requests()].count("/oauth/token") == 1
    assert len(simulator.requests()) == 2
    failure = next(event for event in ended.all_events if event.is_step_failure)
    assert "the org must reconnect" in str(failure.event_specific_data)
    (alert,) = present_alerts(database)
    assert alert.orgs == (org,)
    connect(database, simulator, [org])
    assert deployment.execute("pco_full_sync", dg.RunRequest(run_key="second", partition_key=org)).success


def test_connected_again_it_goes_on_from_its_last_page(
    database: Database, simulator: RunningSimulator, pco_manifest: Manifest
) -> None:
    org = OrgId("hope")
    paging = pco_manifest.adapter_file.paging.model_copy(update={"size": 10, "pages_in_flight": 1})
    manifest = pco_manifest.model_copy(
        update={"adapter_file": pco_manifest.adapter_file.model_copy(update={"paging": paging})}
    )
    connect(database, simulator, [org])

    def revoke(progress: PassProgress) -> None:
        if progress.pages >= 5:
            simulator.revoke_grants()

    with pytest.raises(ReconnectRequired):
        sync(database, manifest, org, PERSON, revoke)
    held = fetch(database, "SELECT count(*) FROM openfaith.people WHERE org_id = %s", org)[0][0]
    assert 40 <= held < PEOPLE
    connect(database, simulator, [org])
    simulator.clear_requests()
    result = sync(database, manifest, org, PERSON)
    assert result.resumed
    assert result.counts.created == PEOPLE
    pages = [r for r in simulator.requests() if r["path"] == "/people/v2/people" and r["query"].get("per_page") == "10"]
    # Each page begins with the last record of the one before it.
    assert len(pages) <= (PEOPLE - held) // 9 + 2
    assert fetch(database, "SELECT count(*) FROM openfaith.people WHERE org_id = %s", org) == [(PEOPLE,)]


def test_basic_credentials_that_are_refused_are_the_same_alert(
    database: Database, simulator: RunningSimulator, pco_manifest: Manifest
) -> None:
    refused: tuple[Credentials, ...] = (BasicCredentials("demo", "wrong"), BearerToken("wrong"))
    for number, credentials in enumerate(refused):
        org = OrgId(f"old-{number}")
        add_connection(database, Connection(org, PCO, simulator.base_url, credentials))
        connection = load_connection(database, org, PCO)
        with (
            open_shared_source(database, pco_manifest, connection) as source,
            pytest.raises(ReconnectRequired),
        ):
            source.read_account()
        assert load_connection(database, org, PCO).status is ConnectionStatus.RECONNECT_NEEDED
    (alert,) = present_alerts(database)
    assert alert.orgs == ("old-0", "old-1")
