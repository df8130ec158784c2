"""The process: where it listens, what it says, when it ends."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync_tests.ten_entities import MANIFESTS

PARENT = """
import sys, time
from pathlib import Path
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
with running_simulator(SimulatorSettings(people=3), read_manifest(Path(sys.argv[1]), "pco")) as simulator:
    print(simulator.base_url, flush=True)
    time.sleep(60)  # never slept out: the test kills this process
"""


def test_the_command_says_where_it_listens_and_keeps_the_manifests_limit(manifest: Manifest) -> None:
    command = [sys.executable, "-m", "openfaith_sync.simulator", "pco", "--people", "12", "--manifests", str(MANIFESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            said = process.stdout.readline()
            url = said.split(" at ")[1].split(" ")[0]
            credentials = "application id demo secret demo, OAuth client demo-client secret demo-client-secret"
            assert said == f"simulating pco: 12 people at {url} ({credentials})\n"
            answer = httpx.get(f"{url}/people/v2/people", auth=("demo", "demo"))
            assert answer.json()["meta"]["total_count"] == 12
            stated = manifest.adapter_file.rate_limit
            assert answer.headers["x-pco-api-request-rate-limit"] == str(stated.assumed_limit)
            assert answer.headers["x-pco-api-request-rate-period"] == str(stated.assumed_period_seconds)
        finally:
            process.terminate()


def test_all_settings_reach_the_process(manifest: Manifest) -> None:
    fault = Fault(kind="status", status=503, at=1)
    settings = SimulatorSettings(people=3, faults=(fault,), application_id="app", secret="s3cret")
    with running_simulator(settings, manifest) as simulator:
        auth, url = (simulator.application_id, simulator.secret), f"{simulator.base_url}/people/v2/people"
        answers = [httpx.get(url, auth=auth) for _ in range(2)]
    assert [a.status_code for a in answers] == [503, 200]
    assert answers[1].headers["x-pco-api-request-rate-limit"] == "100"


def test_a_taken_port_is_said(manifest: Manifest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = SimulatorSettings(people=3, port=taken.getsockname()[1])
        with pytest.raises(UsageError, match="cannot listen"), running_simulator(settings, manifest):
            pass


def test_it_stops_with_its_block(manifest: Manifest) -> None:
    with running_simulator(SimulatorSettings(people=3), manifest) as simulator:
        url = simulator.base_url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_it_stops_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(MANIFESTS)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        port = int(parent.stdout.readline().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            os.kill(parent.pid, signal.SIGKILL)
            # The connection ends when, and only when, the simulator does.
            connection.settimeout(10)
            assert connection.recv(1) == b""
