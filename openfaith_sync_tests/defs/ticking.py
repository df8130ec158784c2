"""An org's plan driven by hand: sensors evaluated in this process, on a real database, against a simulated church."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.test_utils import create_run_for_test

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.defs.adapter_definitions import build_adapter
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.frame_io_manager import FRAMES
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store

PCO = AdapterName("pco")
RUN_KEY = "dagster/run_key"


@dataclass
class Ticking:
    """A deployment whose daemon is the test."""

    database: Database
    manifest: Manifest
    resource: DatabaseResource
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def connect(self, name: str, church: RunningSimulator) -> OrgId:
        org, credentials = OrgId(name), BasicCredentials(church.application_id, church.secret)
        add_connection(self.database, Connection(org, PCO, church.base_url, credentials))
        return org

    def tick(self, sensor: str) -> SensorExecutionData:
        """Evaluate a sensor and do with its partitions what the daemon does."""
        repository = self.definitions.get_repository_def()
        # With the instance that is open: Dagster would open one more from its reference, at every tick.
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            repository_def=repository,
            resources={"database": self.resource},
        )
        with context:
            answer = repository.get_sensor_def(f"pco_{sensor}").evaluate_tick(context)
        for request in answer.dynamic_partitions_requests or ():
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
            else:
                for key in request.partition_keys:
                    self.instance.delete_dynamic_partition(request.partitions_def_name, key)
        return answer

    def start(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> str:
        """Create the run of a request, without executing it."""
        tags = {**request.tags, RUN_KEY: str(request.run_key)}
        return str(create_run_for_test(self.instance, job_name="any", status=status, tags=tags).run_id)

    def execute(self, job: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Do what a run of the request does."""
        tags = {**request.tags, RUN_KEY: str(request.run_key)}
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
            asset_selection=request.asset_selection,
            tags=tags,
            raise_on_error=False,
        )

    def full_sync(self, *orgs: OrgId) -> None:
        """Add synced orgs and mark their work as done, without Dagster runs."""
        requests = {request.partition_key: request for request in self.tick("connections").run_requests or ()}
        graph = self.manifest.graph
        for org in orgs:
            connection = load_connection(self.database, org, PCO)
            with open_source(self.manifest, connection) as source, open_store(self.database, org) as store:
                synced = run_org(
                    Session(self.manifest, source, store, org), graph.entities, graph.hard, mode=SyncMode.FULL
                )
                assert all(outcome.result for outcome in synced)
            self.start(requests[org], dg.DagsterRunStatus.SUCCESS)
        self.tick("connections")

    def fetch(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self.database.connect_fleet() as session:
            return session.execute(statement.encode(), parameters).fetchall()

    def run(self, statement: str, *parameters: object) -> None:
        with self.database.connect_fleet() as session:
            session.execute(statement.encode(), parameters)

    def work(self, mode: str, org: OrgId, entity: str = "*") -> dict[str, Any]:
        """Return a row of the plan; moments are given as how far they are from now."""
        columns = ("due_in", "reason", "run_key", "run_id", "attempts")
        rows = self.fetch(
            "SELECT not_before - now(), reason, run_key, run_id, attempts FROM sync.work "
            "WHERE (org_id, entity, mode) = (%s, %s, %s)",
            org, entity, mode,
        )  # fmt: skip
        return dict(zip(columns, rows[0], strict=True)) if rows else {}

    def pass_time(self, span: timedelta) -> None:
        """Advance the schedule by moving all due times back."""
        self.run("UPDATE sync.work SET not_before = not_before - %s, asked_at = asked_at - %s", span, span)
        # What was compared today was compared in another night.
        self.run("UPDATE sync.checkpoints SET compared_at = compared_at - interval '1 day', whole_at = now()")


@contextmanager
def ticking(
    database: Database,
    manifest: Manifest,
    home: Path,
    public_url: str | None = None,
    oauth_clients: dict[str, str] | None = None,
) -> Iterator[Ticking]:
    resource = DatabaseResource(
        home=str(home),
        database_url=database.libpq_url,
        secret_keys=",".join(database.keys.given),
        oauth_clients=oauth_clients or {},
    )
    resources = {"database": resource, FRAMES: dg.mem_io_manager}
    definitions = dg.Definitions.merge(
        build_adapter(manifest, public_url, listen_seconds=0),
        dg.Definitions(resources=resources, executor=dg.in_process_executor),
    )
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield Ticking(database, manifest, resource, instance, definitions)
