"""Worker processes that share one connection: one job of JSON in, its figures out.

``python -m … sharer JOB`` says that it is ready, waits for a line, and works until its time is up.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from openfaith_sync.adapters.dialects.json_api.source import JsonApiSource
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.entity_sync import SyncRequest, run_entity
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.connections.shared_state import share
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync.store.postgres_store import PostgresStore, open_store

MANIFESTS = Path(__file__).parents[2] / "manifests"
PCO = AdapterName("pco")
PERSON = EntityName("person")


def small_pages(manifest: Manifest, period_seconds: int) -> Manifest:
    """Return a manifest by which many requests cost little, and whose limit's period is short."""
    adapter = manifest.adapter_file
    paging = adapter.paging.model_copy(update={"size": 10, "pages_a_slice": 2})
    rate = adapter.rate_limit.model_copy(update={"assumed_period_seconds": period_seconds})
    return manifest.model_copy(
        update={"adapter_file": adapter.model_copy(update={"paging": paging, "rate_limit": rate})}
    )


@dataclass
class Worker:
    """One process's work on the connection."""

    job: Mapping[str, Any]
    database: Database
    manifest: Manifest
    source: JsonApiSource
    store: PostgresStore
    waits: list[float] = field(default_factory=list)

    @property
    def org(self) -> OrgId:
        return OrgId(self.job["org"])

    @property
    def entities(self) -> Sequence[EntityName]:
        return [EntityName(name) for name in self.job.get("entities", ())]

    def fill(self, until: float) -> None:
        while time.monotonic() < until:
            for entity in self.entities:
                run_entity(self.manifest, self.source, self.store, SyncRequest(self.org, entity, SyncMode.FULL))

    def delta(self, until: float) -> None:
        while time.monotonic() < until:
            for entity in self.entities:
                probe_entity(self.manifest, self.source, self.store, self.org, entity)
                run_entity(self.manifest, self.source, self.store, SyncRequest(self.org, entity))
            time.sleep(self.job["every_seconds"])

    def hook(self, until: float) -> None:
        read = self.source.read_record

        def timed(*asked: Any) -> Any:
            began = time.monotonic()
            try:
                return read(*asked)
            finally:
                self.waits.append(time.monotonic() - began)

        self.source.read_record = timed  # type: ignore[method-assign]
        number = 0
        while time.monotonic() < until:
            number += 1
            told = ExternalId(self.job["people"][number % len(self.job["people"])])
            receive(
                self.database, self.org, PCO, [InboxEvent(str(number), "changed", PERSON, told, EventAction.UPDATED)]
            )
            run_records(self.manifest, self.source, self.store, self.org, trigger="test")
            time.sleep(self.job["every_seconds"])


@contextmanager
def _worker(job: Mapping[str, Any]) -> Iterator[Worker]:
    org = OrgId(job["org"])
    database = open_database(Settings(Path(job["home"]), MANIFESTS, job["database_url"], ()))
    manifest = small_pages(read_manifest(MANIFESTS, "pco"), job["period_seconds"])
    connection = Connection(org, PCO, job["base_url"], BasicCredentials("demo", "demo"))
    with (
        share(database, connection) as shared,
        open_source(manifest, connection, shared, lane=Lane(job["lane"])) as source,
        open_store(database, org) as store,
    ):
        yield Worker(job, database, manifest, source, store)


def main() -> None:
    job = json.loads(sys.argv[1])
    with _worker(job) as worker:
        print("ready", flush=True)
        sys.stdin.readline()
        getattr(worker, job["role"])(time.monotonic() + job["seconds"])
    print(json.dumps({"waits": worker.waits}), flush=True)


class Sharer:
    """The other end of one worker process."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        command = [sys.executable, "-m", "openfaith_sync_tests.laws.sharer", json.dumps(job)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_ready(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def figures(self) -> dict[str, Any]:
        said, _ = self._process.communicate(timeout=600)
        assert self._process.returncode == 0
        found: dict[str, Any] = json.loads(said)
        return found


if __name__ == "__main__":
    main()
