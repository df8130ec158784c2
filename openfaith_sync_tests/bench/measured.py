"""One measured sync in a process of its own: ``python -m … measured JSON`` prints its figures as JSON."""

import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import map_batch
from openfaith_sync.domain.passes.passes import Counts, SyncMode
from openfaith_sync.domain.ratelimit.lanes import Lane
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.passes import page_fetching as fetching
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.store.database.database import open_database


def peak_mb() -> float:
    """Return the most memory this process held; what ``getrusage`` says counts the process that started it too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def figures(
    before: resource.struct_rusage, seconds: float, records: int, requests: int, spent: dict[str, float]
) -> dict[str, Any]:
    """Return what a run is shown by; ``spent`` are seconds by what they went to, over all threads."""
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "records": records,
        "seconds": seconds,
        "records_a_second": records / seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak_mb(),
        "requests": requests,
        **{f"{name}_seconds": spent.get(name, 0.0) for name in ("network", "mapping", "database")},
    }


class Stopwatch:
    """Adds up the seconds spent in calls, over all threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                with self._lock:
                    self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

        return wrapped


def with_sideload(manifest: Manifest, children: dict[str, str]) -> Manifest:
    person = manifest.entities[EntityName("person")].model_copy(update={"sideload": children})
    return manifest.model_copy(update={"entities": {**manifest.entities, EntityName("person"): person}})


@dataclass(frozen=True)
class Timed:
    """A page on its way into the database, its waits measured."""

    result: Callable[[], Mapping[EntityName, Counts]]


def measure(job: dict[str, Any]) -> dict[str, Any]:
    manifest = with_sideload(read_manifest(Path(job["manifests"]), "pco"), job["sideload"])
    paging = manifest.adapter_file.paging.model_copy(update=job.get("paging", {}))
    adapter_file = manifest.adapter_file.model_copy(update={"paging": paging})
    manifest = manifest.model_copy(update={"adapter_file": adapter_file})
    settings = Settings(Path(job["home"]), Path(job["manifests"]), job["database_url"], ())
    org = OrgId(job["org"])
    connection = Connection(org, manifest.adapter, job["base_url"], BasicCredentials("demo", "demo"))
    watch = Stopwatch()
    vars(fetching)["map_batch"] = watch.timed("mapping", map_batch)
    database = open_database(settings)
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    records = requests = 0
    with (
        open_session(database, manifest, connection, lane=Lane.BACKFILL, trigger="bench") as session,
    ):
        source, store = session.source, session.store
        source.read_page = watch.timed("network", source.read_page)  # type: ignore[method-assign]  # timed where it runs
        begin = watch.timed("database", store.begin_commit)
        store.begin_commit = lambda *page: Timed(watch.timed("database", begin(*page).result))  # type: ignore[method-assign]  # as above
        for entity in job["entities"]:
            result = run_entity(session, EntityName(entity), SyncMode(job["mode"]))
            records += result.counts.records
            requests += result.requests
    return figures(before, time.perf_counter() - began, records, requests, watch.seconds)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.loads(sys.argv[1]))))
