"""`dagster dev` starts as things lie, shows the assets, runs one partition, and takes up orgs by itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dagster import DagsterRun, RunsFilter

from openfaith_sync.defs.instance.launcher import CAN_FORK
from openfaith_sync.defs.instance.worker_process import WORKER_TAG, Worker
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import open_database
from openfaith_sync_tests.defs.conftest import Deployment, new_deployment, open_instance

ASSETS = "{ assetNodes { assetKey { path } groupName } }"
LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
STATUS = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
PATIENCE = 240
"""Seconds within which anything here happens, also on a machine that does much else; most of it takes a tenth."""
LOCATION = {"repositoryLocationName": "openfaith_sync", "repositoryName": "__repository__", "jobName": "__ASSET_JOB"}


class Webserver:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        data: dict[str, Any] = found["data"]
        return data

    def answers(self) -> bool:
        try:
            return bool(self.ask(ASSETS)["assetNodes"])
        except OSError:
            return False

    def status(self, run_id: str) -> str:
        return str(self.ask(STATUS, id=run_id)["runOrError"]["status"])


def wait_for(seconds: float, is_so: Any) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "took too long"
        # Another process gets ready and has no way to tell us; asking is all there is.
        time.sleep(0.25)


@contextmanager
def dagster_dev(deployment: Deployment) -> Iterator[Webserver]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (deployment.folder / "dev.log").open("w")
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, cwd=deployment.folder, env=deployment.environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        webserver = Webserver(port)
        wait_for(PATIENCE, webserver.answers)
        yield webserver
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


@pytest.mark.skipif(
    sys.platform == "win32", reason="ending dagster dev with its children takes process groups, which Windows lacks"
)
def test_dev_shows_the_assets_and_materializes_one_partition(deployment: Deployment, church: RunningSimulator) -> None:
    org = deployment.add_org("dev", church)
    with dagster_dev(deployment) as webserver:
        nodes = webserver.ask(ASSETS)["assetNodes"]
        assert {"assetKey": {"path": ["pco", "phone_number"]}, "groupName": "pco_people"} in nodes
        params = {
            "selector": {**LOCATION, "assetSelection": [{"path": ["pco", "campus"]}]},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": org}]},
        }
        launched = webserver.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]
        wait_for(PATIENCE, lambda: webserver.status(run_id) in {"SUCCESS", "FAILURE", "CANCELED"})
        assert webserver.status(run_id) == "SUCCESS"


@pytest.fixture
def slow_church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=400, latency_ms=300, rate=None), pco_manifest) as simulator:
        yield simulator


@pytest.fixture
def fresh_deployment() -> Iterator[Deployment]:
    """One with no other org in it, where run monitoring looks more often."""
    with new_deployment() as deployment:
        configuration = deployment.folder / "dagster.yaml"
        quicker = configuration.read_text().replace("poll_interval_seconds: 15", "poll_interval_seconds: 2")
        configuration.write_text(quicker)
        yield deployment


@pytest.mark.long
@pytest.mark.skipif(not CAN_FORK, reason="only Linux forks")
def test_an_org_is_taken_up_by_itself_and_goes_on_after_its_process_was_killed(
    fresh_deployment: Deployment, slow_church: RunningSimulator
) -> None:
    deployment = fresh_deployment
    org = deployment.add_org("taken-up", slow_church)
    database = open_database(deployment.settings)

    def ask(query: str) -> Any:
        return run_query(database, query).rows[0][0]

    def run_of(attempt: str) -> DagsterRun | None:
        with open_instance(deployment) as instance:
            runs = instance.get_runs(RunsFilter(job_name="pco_full_sync", tags={"dagster/partition": org}))
        return next((run for run in runs if run.tags["dagster/run_key"].endswith(attempt)), None)

    pages = f"SELECT coalesce(max(pages), 0) FROM sync.passes WHERE org_id = '{org}' AND entity = 'person'"
    plan = f"FROM sync.work WHERE org_id = '{org}' AND mode = 'full'"
    with dagster_dev(deployment):
        wait_for(PATIENCE, lambda: ask(pages) >= 1)
        first = run_of("+00:00")
        assert first is not None
        worker = Worker.parse(first.tags[WORKER_TAG])
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        slow_church.set_latency(0)
        wait_for(PATIENCE, lambda: ask(f"SELECT attempts {plan}") == 1)
        assert ask(f"SELECT reason {plan}") == "its run failed"
        with database.connect_fleet() as session:
            # Its backoff is a minute; the test has less time.
            session.execute("UPDATE sync.work SET not_before = now() WHERE org_id = %s AND mode = 'full'", [org])
        wait_for(PATIENCE, lambda: ask(f"SELECT reason {plan}") == "done")
        assert run_of("/1") is not None
    truth = slow_church.truth("person")
    assert ask(f"SELECT count(*) FROM openfaith.people WHERE org_id = '{org}'") == len(truth)
