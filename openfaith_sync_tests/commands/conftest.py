import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dagster_postgres import DagsterPostgresStorage

from openfaith_sync.cli import main
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.database.database import DAGSTER_SCHEMA, Database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.ten_entities import MANIFESTS

PROJECT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("openfaith-sync")

Run = Callable[..., Result]
Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture(scope="session")
def _template(_template: str, administering: Connection, postgres_url: str) -> str:
    """The migrated template with Dagster's tables as well: to make them takes ten times as long as to copy them."""
    name = f"{_template}_with_dagster"
    administering.execute(f"CREATE DATABASE {name} TEMPLATE {_template} STRATEGY file_copy".encode())
    # Ours keeps its connections, and a database in use cannot be copied.
    DagsterPostgresStorage(DatabaseUrl.parse(postgres_url).with_database(name).dagster(DAGSTER_SCHEMA))
    return name


@pytest.fixture
def deployment(tmp_path: Path) -> dict[str, str]:
    """The environment of a deployment of its own, where nothing was started."""
    shutil.copy(PROJECT / "dagster.yaml", tmp_path)
    return {
        "OPENFAITH_HOME": str(tmp_path / "home"),
        "OPENFAITH_MANIFESTS": str(MANIFESTS),
        "OPENFAITH_DATABASE_URL": "",
        "OPENFAITH_SECRET_KEYS": "",
        "DAGSTER_HOME": str(tmp_path),
    }


@pytest.fixture
def run(deployment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in this process; a test that wants a server asks for ``run_stored``."""
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str, stdin: str | None = None, **environment: str) -> Result:
        return CliRunner().invoke(main, words, input=stdin, env={**deployment, **environment})

    return run_command


@pytest.fixture
def run_stored(run: Run, deployment: dict[str, str], database: Database) -> Run:
    """Runs a command in this process, on a fresh database."""
    deployment["OPENFAITH_DATABASE_URL"] = database.libpq_url
    deployment["OPENFAITH_SECRET_KEYS"] = SECRET_KEY
    return run


@pytest.fixture
def run_shared(run: Run, deployment: dict[str, str], module_database: Database) -> Run:
    """Runs a command in this process, on a database that all tests of a file share."""
    deployment["OPENFAITH_DATABASE_URL"] = module_database.libpq_url
    deployment["OPENFAITH_SECRET_KEYS"] = SECRET_KEY
    return run


@pytest.fixture(scope="session")
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    """A small church that no test changes."""
    with running_simulator(SimulatorSettings(people=40, rate=None), pco_manifest) as simulator:
        yield simulator


@pytest.fixture
def start(deployment: dict[str, str], tmp_path: Path) -> Start:
    """Starts the installed program in a process and a folder of its own, and ends it with the block."""

    @contextmanager
    def start_process(*words: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [PROGRAM, *words],
            cwd=tmp_path,
            env={**os.environ, **deployment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return start_process
