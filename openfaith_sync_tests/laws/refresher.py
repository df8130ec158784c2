"""Reads with an org's tokens in processes of their own, and kills them: a line of JSON a job in, exit statuses out.

Each of a job's processes waits until all are ready, so that they all ask at the same instant.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.errors import ReconnectRequired, TransientError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.engine.org_sync import run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.laws.jobs import JobProcess
from openfaith_sync_tests.laws.sharing import watch
from openfaith_sync_tests.ten_entities import MANIFESTS

TRANSIENT, RECONNECT, KILLED = 75, 77, -signal.SIGKILL
PCO = AdapterName("pco")


def read(job: dict[str, Any], number: int, wait: Callable[[], None]) -> None:
    manifest = read_manifest(MANIFESTS, "pco")
    org = OrgId(job["org"])
    database = open_database(Settings(Path(job["home"]), MANIFESTS, job["database_url"], tuple(job["keys"])))
    connection = load_connection(database, org, PCO)
    connection.require_usable()

    def on_step(step: str) -> None:
        if step == job.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        open_source(manifest, connection, watch(database, connection, on_step=on_step)) as source,
    ):
        wait()
        for _ in range(job.get("reads", 1)):
            source.read_account()
        if "entities" in job:
            sync(manifest, source, database, org, [EntityName(job["entities"][number])])


def sync(manifest: Any, source: Any, database: Database, org: OrgId, entities: list[EntityName]) -> None:
    with open_store(database, org) as store:
        for outcome in run_org(Session(manifest, source, store, org), entities, {}, mode=SyncMode.FULL):
            if outcome.error is not None:
                raise outcome.error


def run(job: dict[str, Any], number: int, wait: Callable[[], None]) -> int:
    try:
        read(job, number, wait)
    except TransientError as error:
        print(error, file=sys.stderr)
        return TRANSIENT
    except ReconnectRequired as error:
        print(error, file=sys.stderr)
        return RECONNECT
    return 0


def run_together(job: dict[str, Any]) -> list[int]:
    """Run the job's processes, all let go at once; gives how each ended."""
    ready_reading, ready = os.pipe()
    waiting, go = os.pipe()
    children = []
    for number in range(job.get("processes", 1)):
        child = os.fork()
        if child == 0:
            os.close(go)

            def wait() -> None:
                os.write(ready, b".")
                # So that the parent waits for nobody who ended before it was ready; the exit status tells of it.
                os.close(ready)
                os.read(waiting, 1)

            os._exit(run(job, number, wait))
        children.append(child)
    os.close(ready)
    for _ in children:
        os.read(ready_reading, 1)
    for end in (go, waiting, ready_reading):
        os.close(end)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(run_together(json.loads(line))), flush=True)


class Refreshers(JobProcess):
    """The other end: runs jobs in the refreshers' process."""

    def __init__(self) -> None:
        super().__init__("openfaith_sync_tests.laws.refresher")


if __name__ == "__main__":
    main()
