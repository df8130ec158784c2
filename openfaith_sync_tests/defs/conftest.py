"""A deployment in a folder of its own: dagster.yaml as it lies, embedded PostgreSQL, a simulated church."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from openfaith_sync.defs.resources.partitions import register_org
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.postgres.embedded_server import stop_embedded
from openfaith_sync_tests.ten_entities import MANIFESTS

ROOT = Path(__file__).resolve().parents[2]
PCO = AdapterName("pco")
PEOPLE = 200


@dataclass(frozen=True, slots=True)
class Deployment:
    """A folder that is DAGSTER_HOME and working directory at once."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENFAITH_", "DAGSTER_"))}
        return {**ours, "DAGSTER_HOME": str(self.folder), "OPENFAITH_MANIFESTS": str(MANIFESTS)}

    @property
    def settings(self) -> Settings:
        return Settings.from_environment({**self.environment, "OPENFAITH_HOME": str(self.folder / ".openfaith")})

    def run(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def materialize(self, select: str, org: str) -> subprocess.CompletedProcess[str]:
        return self.run(*self.materialize_words(select, org))

    def materialize_words(self, select: str, org: str) -> tuple[str, ...]:
        module = ("-m", "openfaith_sync.definitions")
        return ("dagster", "asset", "materialize", *module, "--select", select, "--partition", org)

    def add_org(self, name: str, simulator: RunningSimulator) -> OrgId:
        """Do what `openfaith-sync org add` does."""
        org = OrgId(name)
        credentials = BasicCredentials(simulator.application_id, simulator.secret)
        add_connection(open_database(self.settings), Connection(org, PCO, simulator.base_url, credentials))
        with open_instance(self) as instance:
            register_org(instance, org)
        return org


@contextmanager
def open_instance(deployment: Deployment) -> Iterator[dg.DagsterInstance]:
    """Yield the deployment's Dagster instance in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in deployment.environment.items():
            patch.setenv(name, value)
        patch.setenv("OPENFAITH_HOME", str(deployment.settings.home))
        with dg.DagsterInstance.from_config(str(deployment.folder)) as instance:
            yield instance


def metadata_of(deployment: Deployment, org: OrgId, entity: str) -> dict[str, dg.MetadataValue[Any]]:
    """Return what the last materialization of an org's entity tells."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(["pco", entity]), asset_partitions=[org])
    with open_instance(deployment) as instance:
        records = instance.fetch_materializations(wanted, limit=1).records
    assert records[0].asset_materialization is not None
    return dict(records[0].asset_materialization.metadata)


@pytest.fixture(scope="session")
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=PEOPLE, rate=None), pco_manifest) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with new_deployment() as found:
        yield found


@contextmanager
def new_deployment() -> Iterator[Deployment]:
    """Yield a folder where nothing was started yet."""
    # Not one of pytest's own folders: it shuts them to all but root when another session
    # starts, and the server runs as another user.
    with tempfile.TemporaryDirectory(prefix="openfaith-defs-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.copy(ROOT / "dagster.yaml", folder)
        shutil.copy(ROOT / "workspace.yaml", folder)
        yield Deployment(folder)
        stop_embedded(folder / ".openfaith")
