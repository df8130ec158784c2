"""Records a second into a database that holds nothing, and into one with ten million rows of 170 other orgs.

The rows are copies of one synced church, made by SQL, so each table and index is as full as 170 syncs would leave it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.bench.growth import SIDELOAD
from openfaith_sync_tests.bench.our_tables import ENTITIES, multiply_org
from openfaith_sync_tests.bench.peers.running import DatabaseProcesses
from openfaith_sync_tests.bench.processes import measured
from openfaith_sync_tests.ten_entities import MANIFESTS

PEOPLE, ROUNDS, ROWS = 15_000, 3, 10_000_000


@dataclass(frozen=True)
class Measured:
    """The syncs into one database."""

    rows: int
    """What it held before."""
    runs: Sequence[dict[str, Any]]


class Crowd:
    """One church, synced again and again as another org."""

    def __init__(self, base_url: str, home: Path) -> None:
        self._base_url, self._home = base_url, home
        self._processes = DatabaseProcesses(home / "postgres")

    def sync(self, database_url: str, org: str) -> dict[str, Any]:
        """Return the figures of one full sync, with the database's processor time."""
        before = self._processes.cpu_seconds()
        job = {
            "database_url": database_url,
            "org": org,
            "manifests": str(MANIFESTS),
            "home": str(self._home),
            "base_url": self._base_url,
            "sideload": SIDELOAD,
            "entities": list(ENTITIES.values()),
            "mode": "full",
        }
        figures = measured("measured", job)
        return {**figures, "database_cpu_seconds": self._processes.cpu_seconds() - before}


@contextmanager
def fresh_database(server_url: str, name: str, home: Path) -> Iterator[str]:
    """Yield the URL of a migrated database, dropped at the end."""
    drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(drop)
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = DatabaseUrl.parse(server_url).libpq.replace("/postgres?", f"/{name}?")
    open_database(Settings(home, MANIFESTS, url, ()))
    yield url
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(drop)


def measure(server_url: str, home: Path, rows: int = ROWS) -> list[Measured]:
    """Sync into empty databases, then fill one and sync into that."""
    settings = SimulatorSettings(people=PEOPLE, rate=parse_rate("1000000/20"))
    with running_simulator(settings, read_manifest(MANIFESTS, "pco")) as simulator:
        crowd = Crowd(simulator.base_url, home)
        empty = []
        for number in range(ROUNDS):
            with fresh_database(server_url, "uncrowded", home) as url:
                empty.append(crowd.sync(url, f"alone-{number}"))
        with fresh_database(server_url, "crowded", home) as url:
            first = crowd.sync(url, "first")
            filled = multiply_org(url, rows // first["records"]) + first["records"]
            full = [crowd.sync(url, f"late-{number}") for number in range(ROUNDS)]
    return [Measured(0, empty), Measured(filled, full)]


def show(found: Sequence[Measured], console: Console) -> None:
    """Print the medians for the empty and for the full database."""
    table = Table("crowd", "rows before", "records", "records a second", "client CPU s", "database CPU s")
    for one in found:
        names = ("records", "records_a_second", "cpu_seconds", "database_cpu_seconds")
        records, speed, client, database = (median(run[name] for run in one.runs) for name in names)
        label = "into an empty database" if one.rows == 0 else "into a full one"
        table.add_row(label, f"{one.rows:,}", f"{records:,.0f}", f"{speed:,.0f}", f"{client:.2f}", f"{database:.2f}")
    console.print(table)
