"""Runs syncs in processes of their own and kills them: a line of JSON a job in, its exit status out.

Started once, so that the imports are paid once; each job is a fork of its own.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.errors import SafetyStop, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.phone_numbers import parse_phone
from openfaith_sync.domain.mapping.vocabulary import parse_country
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.garbage import expect_little_garbage
from openfaith_sync_tests.laws.jobs import JobProcess
from openfaith_sync_tests.ten_entities import MANIFESTS

TRANSIENT = 75
HELD = 76
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens."""
ENTITIES = ("campus", "household", "person", "address", "email", "phone_number", "group", "event")


@cache
def read_shipped_manifest() -> Manifest:
    return read_manifest(MANIFESTS, "pco")


def prepare() -> None:
    """Make once what every fork would make again: the manifest, tables, patterns, and what a request imports."""
    manifest = read_shipped_manifest()
    parse_country("Germany")
    parse_phone("(212) 555-0123", "US")
    nowhere = Connection(OrgId("nowhere"), manifest.adapter, NOWHERE, BasicCredentials("demo", "demo"))
    with open_source(manifest, nowhere, attempts=1) as source, suppress(TransientError):
        source.read_record(EntityName("person"), ExternalId("1"))
    expect_little_garbage()


def sync(job: dict[str, Any], on_step: Any) -> None:
    manifest = read_shipped_manifest()
    paging = manifest.adapter_file.paging.model_copy(update=job.get("paging", {}))
    manifest = manifest.model_copy(update={"adapter_file": manifest.adapter_file.model_copy(update={"paging": paging})})
    org = OrgId(job["org"])
    settings = Settings(Path(job["home"]), MANIFESTS, job["database_url"], ())
    connection = Connection(org, manifest.adapter, job["base_url"], BasicCredentials("demo", "demo"))
    order = [EntityName(name) for name in job.get("entities", ENTITIES)]
    database = open_database(settings)
    manifest = ensure_tables(database, manifest)
    with open_store(database, org, on_step) as store, open_source(manifest, connection) as source:
        if job.get("drain"):
            run_records(Session(manifest, source, store, org, "test"))
            return
        if job.get("go_on"):
            keys = {name: SyncKey(org, manifest.adapter, name) for name in order}
            order = [name for name in order if store.load_checkpoint(keys[name]).completed_at is None]
        for outcome in run_org(
            Session(manifest, source, store, org), order, {}, mode=SyncMode(job.get("mode", "auto"))
        ):
            if outcome.error is not None:
                raise outcome.error


def run_job(job: dict[str, Any]) -> tuple[int, int]:
    """Return the exit status and the number of steps taken when it ran to its end."""
    steps = 0

    def on_step(_: str) -> None:
        nonlocal steps
        steps += 1
        if steps == job.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if steps == job.get("stop_postgres_at"):
            stop_postgres_immediately(Path(job["home"]) / "postgres")

    try:
        sync(job, on_step)
    except SafetyStop:
        return HELD, steps
    return 0, steps


def stop_postgres_immediately(folder: Path) -> None:
    """Stop the server as `pg_ctl stop -m immediate` does: no checkpoint, no goodbye to its clients."""
    postmaster = int((folder / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGQUIT)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(postmaster).wait(timeout=30)


def main() -> None:
    prepare()
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                status, steps_taken = run_job(json.loads(line))
            except TransientError as error:
                # Whoever reads a failure sees why the sync was not over; some tests expect it.
                os.write(2, f"{error}\n".encode())
                os._exit(TRANSIENT)
            os.write(writing, json.dumps(steps_taken).encode())
            os._exit(status)
        os.close(writing)
        steps = os.read(reading, 100).decode()
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(json.dumps({"status": status, "steps": json.loads(steps or "null")}) + "\n")
        sys.stdout.flush()


class Victims(JobProcess):
    """The other end: runs jobs in the victims' process."""

    def __init__(self) -> None:
        super().__init__("openfaith_sync_tests.laws.victim")


if __name__ == "__main__":
    main()
