"""`dagster dev` starts as things lie, shows the assets, and runs one partition."""

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

from openfaith_sync.simulator.server import RunningSimulator
from openfaith_sync_tests.defs.conftest import Deployment

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
        wait_for(60, webserver.answers)
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
        assert {"assetKey": {"path": ["pco", "phone_number"]}, "groupName": "people"} in nodes
        params = {
            "selector": {**LOCATION, "assetSelection": [{"path": ["pco", "campus"]}]},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": org}]},
        }
        launched = webserver.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]
        wait_for(60, lambda: webserver.status(run_id) in {"SUCCESS", "FAILURE", "CANCELED"})
        assert webserver.status(run_id) == "SUCCESS"
