"""A receiver in a process of its own, as ``openfaith-sync serve`` runs it, that can be told when to die.

Its ``main`` serves what a line of JSON says; ``running_receiver`` forks a process that does.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import OAuthClient
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.web.limits import ServerLimits
from openfaith_sync.web.server import Address, serve
from openfaith_sync_tests.forking import Fork, fork_server
from openfaith_sync_tests.ten_entities import MANIFESTS

STOP_SECONDS = 40


@dataclass
class Receiver:
    """A receiver that runs."""

    url: str
    process: Fork

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def at(self, org: str, adapter: str = "pco") -> str:
        return f"{self.url}/webhooks/{adapter}/{org}"


@contextmanager
def running_receiver(
    database: Database, limits: dict[str, Any] | None = None, kill_at: tuple[str, int] | None = None, **more: Any
) -> Iterator[Receiver]:
    """Run a receiver until the block ends; ``kill_at`` names a step and how often it must have come."""
    job = {"database_url": database.libpq_url, "home": str(database.keys.home), "keys": list(database.keys.given)}
    told = {**job, "limits": limits or {}, "kill_at": kill_at, **more}
    # What it logs goes where nobody needs to read it to keep it alive.
    log = database.keys.home / "receiver.log"
    with log.open("a") as written:
        process = fork_server("openfaith_sync_tests.web.receiver").start(json.dumps(told), stderr=written.fileno())
    assert process.stdin
    assert process.stdout
    try:
        said = process.stdout.readline().decode()
        assert said.startswith("http"), log.read_text()
        yield Receiver(said.strip(), process)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            process.stdin.close()
            process.stdout.close()


def main() -> None:
    job = json.loads(sys.argv[1])
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    lock, seen = threading.Lock(), dict[str, int]()

    def on_step(step: str) -> None:
        with lock:
            seen[step] = seen.get(step, 0) + 1
            if job["kill_at"] and job["kill_at"] == [step, seen[step]]:
                os.kill(os.getpid(), signal.SIGKILL)

    clients = {AdapterName("pco"): OAuthClient("demo-client", "demo-client-secret")}
    manifests = Path(job.get("manifests", MANIFESTS))
    settings = Settings(Path(job["home"]), manifests, job["database_url"], tuple(job["keys"]), oauth_clients=clients)
    with open_database(settings) as database:
        manifest = read_manifest(manifests, "pco")
        limits = ServerLimits(**job["limits"])
        serve(
            database,
            [manifest],
            Address(port=0),
            lambda url: print(url, flush=True),
            limits=limits,
            on_step=on_step,
        )
