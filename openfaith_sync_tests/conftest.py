"""Fixtures that every room's tests share."""

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server import server
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.embedded_server import start_embedded, stop_embedded
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync_tests.forking import fork_server
from openfaith_sync_tests.garbage import expect_little_garbage
from openfaith_sync_tests.ordering import begin_with_long
from openfaith_sync_tests.ten_entities import MANIFESTS

# A deployment with a database of its own has keys of its own.
SECRET_KEY = "dGhlLWtleS1vZi1hbGwtdGVzdHMtMzItYnl0ZXMtbG8="
MEMORY_NEEDED_BYTES = 2 << 30
MOST_WORKERS = 8
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")
_numbers = itertools.count()
# Containers often switch byte code off. Then each of the hundreds of processes that import the project compiles all of
# it, which takes longer than what they do.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure() -> None:
    """Keep what the tests write in memory: databases of tests are made, written and deleted by the hundred."""
    memory = _quick_folder()
    if memory is not None and "TMPDIR" not in os.environ and not os.statvfs(memory).f_flag & os.ST_NOEXEC:
        # For pytest's own folders, for ours, and for those of the processes that tests start.
        os.environ["TMPDIR"] = str(memory)
        tempfile.tempdir = None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run two workers per core for ``auto``, since tests also wait: for processes, limits and clocks."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(2 * cores, MOST_WORKERS) if config.option.numprocesses == "auto" else cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest."""
    items[:] = begin_with_long(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_collection_finish() -> None:
    """Exclude imported objects from garbage collection, which saves a tenth of the tests' processor time."""
    expect_little_garbage()


@pytest.fixture(scope="session", autouse=True)
def _simulators_start_quickly() -> Iterator[None]:
    """Fork every simulator of this process from one that has imported everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "start_process", fork_server("openfaith_sync.simulator.server.server_process").start)
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real server of this session's own."""
    with tempfile.TemporaryDirectory(
        prefix="openfaith-tests-", dir=_quick_folder(), ignore_cleanup_errors=True
    ) as folder:
        url = start_embedded(Path(folder))
        # Tests end processes, never the machine: nothing here has to survive on the disk.
        with psycopg.connect(url, autocommit=True) as connection:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
            connection.execute("SELECT pg_reload_conf()")
        yield url
        stop_embedded(Path(folder))


@pytest.fixture(scope="session")
def administering(postgres_url: str) -> Iterator[Connection]:
    """A connection that makes and drops databases; a new one for each would take a third of the time."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def _template(postgres_url: str, administering: Connection) -> str:
    """The name of a migrated database that nobody connects to, so that it can be copied."""
    administering.execute("CREATE DATABASE openfaith_template")
    opened = open_database(settings_for(DatabaseUrl.parse(postgres_url).with_database("openfaith_template")))
    ensure_tables(opened, read_manifest(MANIFESTS, "pco"))
    return "openfaith_template"


@pytest.fixture
def database(postgres_url: str, administering: Connection, _template: str, tmp_path: Path) -> Iterator[Database]:
    """A fresh migrated database, dropped after the test."""
    with _new_database(administering, f"TEMPLATE {_template} STRATEGY file_copy") as name:
        yield Database(DatabaseUrl.parse(postgres_url).with_database(name), SecretKeys(tmp_path, (SECRET_KEY,)))


@pytest.fixture(scope="module")
def module_database(
    postgres_url: str, administering: Connection, _template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A fresh migrated database for all tests of a file, which keep apart by org."""
    with _new_database(administering, f"TEMPLATE {_template} STRATEGY file_copy") as name:
        keys = SecretKeys(tmp_path_factory.mktemp(name), (SECRET_KEY,))
        yield Database(DatabaseUrl.parse(postgres_url).with_database(name), keys)


@pytest.fixture
def empty_url(postgres_url: str, administering: Connection) -> Iterator[DatabaseUrl]:
    """The URL of a fresh database without any table, dropped after the test."""
    with _new_database(administering) as name:
        yield DatabaseUrl.parse(postgres_url).with_database(name)


@pytest.fixture(scope="session")
def pco_manifest() -> Manifest:
    """Ten entities of Planning Center's manifest."""
    return read_manifest(MANIFESTS, "pco")


def settings_for(url: DatabaseUrl, home: Path = Path("/nonexistent")) -> Settings:
    """Return settings that point at this database."""
    return Settings(home=home, manifests=MANIFESTS, database_url=url.libpq, secret_keys=(SECRET_KEY,))


def _quick_folder() -> Path | None:
    """Return memory where there is enough of it.

    A database is 300 files. Making them where as many were just deleted takes ext4
    0.2 s a test, memory 0.02 s.
    """
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_NEEDED_BYTES else None


@contextmanager
def _new_database(administering: Connection, source: str = "") -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    administering.execute(f"CREATE DATABASE {name} {source}".encode())
    yield name
    administering.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
