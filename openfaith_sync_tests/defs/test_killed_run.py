"""A run whose process is killed goes on where it was, in the next one."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync_tests.defs.conftest import Deployment, metadata_of

PEOPLE = 900
PAGES = 9


@pytest.fixture
def slow_church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=PEOPLE, latency_ms=200, rate=None), pco_manifest) as simulator:
        yield simulator


def committed_pages(database: Database, org: str) -> int:
    query = f"SELECT coalesce(max(pages), 0) FROM sync.passes WHERE org_id = '{org}' AND entity = 'person'"
    return int(run_query(database, query).rows[0][0])


def test_a_killed_run_is_resumed(deployment: Deployment, slow_church: RunningSimulator) -> None:
    org = deployment.add_org("killed", slow_church)
    database = open_database(deployment.settings)
    process = subprocess.Popen(
        [sys.executable, "-m", *deployment.materialize_words("pco/person", org)],
        cwd=deployment.folder,
        env=deployment.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while committed_pages(database, org) < 2:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, "no page was committed"
        # The run is another process; what it committed is all that tells how far it is.
        time.sleep(0.05)
    process.kill()
    process.wait()
    before = committed_pages(database, org)
    assert before < PAGES

    answer = deployment.materialize("pco/person", org)
    assert answer.returncode == 0, answer.stderr[-3000:]
    told = metadata_of(deployment, org, "person")
    assert told["resumed"].value is True
    assert told["stored_count"].value == told["source_count"].value >= PEOPLE
    assert before < told["pages"].value <= PAGES + 2
