"""Worker processes that share one connection: one job of JSON in, its figures out.

``python -m … sharer JOB`` says that it is ready, waits for a line, and works until its time is up.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import NO_ANCESTORS, Ancestors, FreshRecord
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.domain.webhooks.inbox import EventAction, InboxEvent
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes.probe import probe_entity
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.inbox.inbox import receive
from openfaith_sync_tests.laws.altered_source import AlteredSource
from openfaith_sync_tests.ten_entities import MANIFESTS

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
class TimedReadings(AlteredSource):
    """A source that notes how long each reading of a record took."""

    waits: list[float]

    def read_record(
        self,
        entity: EntityName,
        external_id: ExternalId,
        parent: ExternalId | None = None,
        ancestors: Ancestors = NO_ANCESTORS,
    ) -> FreshRecord | None:
        began = time.monotonic()
        try:
            return super().read_record(entity, external_id, parent, ancestors)
        finally:
            self.waits.append(time.monotonic() - began)


@dataclass
class Worker:
    """One process's work on the connection."""

    job: Mapping[str, Any]
    database: Database
    session: Session
    waits: list[float] = field(default_factory=list)

    @property
    def entities(self) -> Sequence[EntityName]:
        return [EntityName(name) for name in self.job.get("entities", ())]

    def fill(self, until: float) -> None:
        while time.monotonic() < until:
            for entity in self.entities:
                run_entity(self.session, entity, SyncMode.FULL)

    def delta(self, until: float) -> None:
        while time.monotonic() < until:
            for entity in self.entities:
                probe_entity(self.session, entity)
                run_entity(self.session, entity)
            time.sleep(self.job["every_seconds"])

    def hook(self, until: float) -> None:
        session = replace(self.session, source=TimedReadings(self.session.source, self.waits))
        number = 0
        while time.monotonic() < until:
            number += 1
            told = ExternalId(self.job["people"][number % len(self.job["people"])])
            receive(
                self.database,
                self.session.org,
                PCO,
                [InboxEvent(str(number), "changed", PERSON, told, EventAction.UPDATED)],
            )
            run_records(session)
            time.sleep(self.job["every_seconds"])


@contextmanager
def _worker(job: Mapping[str, Any]) -> Iterator[Worker]:
    org = OrgId(job["org"])
    database = open_database(Settings(Path(job["home"]), MANIFESTS, job["database_url"], ()))
    manifest = small_pages(read_manifest(MANIFESTS, "pco"), job["period_seconds"])
    connection = Connection(org, PCO, job["base_url"], BasicCredentials("demo", "demo"))
    with (
        open_session(database, manifest, connection, lane=Lane(job["lane"]), trigger="test") as session,
    ):
        yield Worker(job, database, session)


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
