"""Dagster's own tables: in the database of the environment, made once, no secret told."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from sqlalchemy.engine import make_url

from openfaith_sync.defs.instance.storage import OpenFaithStorage, asynchronous_commit_url
from openfaith_sync.defs.resources.database_resource import build_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.defs.conftest import ROOT

DAGSTERS_TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'dagster'"
LOAD = "import dagster; dagster.DagsterInstance.get().get_runs()"


@pytest.fixture
def environment(empty_url: DatabaseUrl, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    return {**os.environ, "DAGSTER_HOME": str(tmp_path), "OPENFAITH_DATABASE_URL": empty_url.libpq}


@pytest.fixture
def instance(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name in ("DAGSTER_HOME", "OPENFAITH_DATABASE_URL"):
        monkeypatch.setenv(name, environment[name])
    with dg.DagsterInstance.get() as instance:
        yield instance


def test_two_processes_may_meet_an_empty_database_at_once(environment: dict[str, str], empty_url: DatabaseUrl) -> None:
    folder = environment["DAGSTER_HOME"]
    processes = [
        subprocess.Popen([sys.executable, "-c", LOAD], env=environment, cwd=folder, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()[-2000:]
        assert b"Retrying failed database creation" not in said
    with psycopg.connect(empty_url.libpq) as connection:
        assert connection.execute(DAGSTERS_TABLES).fetchone() != (0,)


def test_a_run_is_told_nothing_of_the_database(instance: dg.DagsterInstance, empty_url: DatabaseUrl) -> None:
    reference = instance.get_ref()
    assert reference.storage_data is not None
    assert isinstance(reference.storage_data.rehydrate(as_type=OpenFaithStorage), OpenFaithStorage)
    assert empty_url.libpq not in str(reference)


def test_the_resource_names_variables_and_holds_no_secret() -> None:
    url = DatabaseUrl.parse("postgresql://openfaith:hunter2@database.example/openfaith")
    resource = build_database(settings_for(url))
    assert "hunter2" not in repr(resource)
    assert resource.database_url == dg.EnvVar("OPENFAITH_DATABASE_URL")


def test_dagsters_url_is_for_its_driver_and_its_schema() -> None:
    given = "postgresql://openfaith:p%40ss@database.example:5433/openfaith?sslmode=require"
    url = make_url(asynchronous_commit_url(DatabaseUrl.parse(given).dagster("dagster")))
    assert (url.drivername, url.host, url.port, url.password) == (
        "postgresql+psycopg2",
        "database.example",
        5433,
        "p@ss",
    )
    assert url.query["sslmode"] == "require"
    assert url.query["options"] == "-csearch_path=dagster -csynchronous_commit=off"
