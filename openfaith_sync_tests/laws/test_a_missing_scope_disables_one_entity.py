"""Law 6: what an org did not grant, or its source refuses, disables those entities alone and heals by itself."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from openfaith_sync.domain.connections.connection import Connection, ConnectionStatus, OAuthTokens
from openfaith_sync.domain.connections.deployment_settings import client_variables
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS, WorkMode
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.connections.unavailable_entities import load_refusals
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import make_due
from openfaith_sync_tests.defs.ticking import Ticking, ticking
from openfaith_sync_tests.laws.sharing import CLIENT
from openfaith_sync_tests.store.making import PCO, fetch, run
from openfaith_sync_tests.store.present_alerts import present_alerts

GRACE = OrgId("grace")


@pytest.fixture(scope="module")
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=60, rate=parse_rate("1000000/20")), pco_manifest) as simulator:
        yield simulator


@pytest.fixture
def deployment(
    database: Database, pco_manifest: Manifest, tmp_path: Path, church: RunningSimulator
) -> Iterator[Ticking]:
    church.clear_oauth()
    client = dict(zip(client_variables(PCO), (CLIENT.client_id, CLIENT.secret), strict=True))
    with ticking(database, pco_manifest, tmp_path, oauth_clients=client) as running:
        yield running


def connect(deployment: Ticking, church: RunningSimulator, *scopes: str) -> dict[str, Any]:
    (pair,) = church.issue_tokens(*scopes)
    tokens = OAuthTokens(pair["access_token"], pair["refresh_token"], timedelta(hours=2), frozenset(scopes))
    add_connection(deployment.database, Connection(GRACE, PCO, church.base_url, tokens))
    make_due(deployment.database, GRACE, PCO, WHAT_REPEATS, "connected again")
    return pair


def request_of(deployment: Ticking, sensor: str) -> dg.RunRequest:
    (request,) = deployment.tick(sensor).run_requests or ()
    return request


def asked_of_groups(church: RunningSimulator) -> int:
    return sum(request["path"].startswith("/groups/") for request in church.requests())


def synced(deployment: Ticking) -> set[str]:
    rows = fetch(deployment.database, "SELECT entity FROM sync.checkpoints WHERE completed_at IS NOT NULL")
    return {entity for (entity,) in rows if not entity.startswith("$")}


def in_groups(manifest: Manifest) -> set[str]:
    return {str(name) for name, entity in manifest.entities.items() if entity.path == "/groups/v2"}


@pytest.mark.long
def test_a_scope_that_was_not_granted(deployment: Ticking, church: RunningSimulator) -> None:
    everything = set(map(str, deployment.manifest.entities))
    connect(deployment, church, "people")
    church.clear_requests()
    request = request_of(deployment, "connections")
    assert deployment.execute("pco_full_sync", request).success
    deployment.start(request, dg.DagsterRunStatus.SUCCESS)
    assert synced(deployment) == everything - in_groups(deployment.manifest)
    deployment.tick("connections")
    deployment.pass_time(timedelta(hours=2))
    assert not deployment.tick("delta").run_requests
    assert asked_of_groups(church) == 0
    work = deployment.work("delta", GRACE, "group")
    assert "did not grant the scope 'groups'" in work["reason"]
    assert work["due_in"] > timedelta()
    # Whoever asks for it all the same is told that it is not available, and the source is not asked.
    alone = dg.RunRequest(run_key="x", partition_key=GRACE, asset_selection=[dg.AssetKey(["pco", "group"])])
    ended = deployment.execute("pco_full_sync", alone)
    assert ended.success
    assert ended.get_asset_materialization_events() == []
    (observed,) = ended.get_asset_observation_events()
    assert "pco/group is not read: the org did not grant the scope 'groups'" in str(observed.event_specific_data)
    assert asked_of_groups(church) == 0
    # Connected again with the scope, it comes by itself.
    connect(deployment, church, "people", "groups")
    assert load_refusals(deployment.database, deployment.manifest) == {}
    request = request_of(deployment, "delta")
    assert {str(key.path[1]) for key in request.asset_selection or ()} >= in_groups(deployment.manifest)
    assert deployment.execute("pco_delta_sync", request).success
    assert synced(deployment) == everything


@pytest.mark.long
def test_a_refusal_that_only_the_source_knows_of(deployment: Ticking, church: RunningSimulator) -> None:
    everything = set(map(str, deployment.manifest.entities))
    pair = connect(deployment, church, "people", "groups")
    church.set_scopes(pair["grant"], "people")
    request = request_of(deployment, "connections")
    ended = deployment.execute("pco_full_sync", request)
    assert ended.success
    deployment.start(request, dg.DagsterRunStatus.SUCCESS)
    observed = ended.get_asset_observation_events()
    refused_alone = {"group", "group_type"} & in_groups(deployment.manifest)
    assert {str(event.asset_key.path[1]) for event in observed if event.asset_key} == refused_alone
    assert all(event.partition == GRACE for event in observed)
    assert synced(deployment) == everything - in_groups(deployment.manifest)
    connection = load_connection(deployment.database, GRACE, PCO)
    assert connection.status is ConnectionStatus.ACTIVE
    assert present_alerts(deployment.database) == []
    refusal = load_refusals(deployment.database, deployment.manifest)[GRACE][EntityName("group")]
    assert refusal.is_unavailable
    assert "lacks the scope" in str(refusal)
    # Neither it nor what is listed below it is asked for by changes, or by the next full sync.
    deployment.tick("connections")
    deployment.pass_time(timedelta(hours=2))
    church.clear_requests()
    assert not deployment.tick("delta").run_requests
    make_due(deployment.database, GRACE, PCO, [WorkMode.FULL], "again")
    again = request_of(deployment, "connections")
    assert {str(key.path[1]) for key in again.asset_selection or ()} == everything - in_groups(deployment.manifest)
    assert deployment.execute("pco_full_sync", again).success
    deployment.start(again, dg.DagsterRunStatus.SUCCESS)
    deployment.tick("connections")
    assert asked_of_groups(church) == 0
    # A day later the source is asked, and lets us.
    church.set_scopes(pair["grant"], "people", "groups")
    run(deployment.database, "UPDATE sync.disabled_entities SET ask_again_at = now()")
    deployment.pass_time(timedelta(hours=2))
    request = request_of(deployment, "delta")
    assert deployment.execute("pco_delta_sync", request).success
    assert synced(deployment) == everything
    assert fetch(deployment.database, "SELECT FROM sync.disabled_entities") == []
