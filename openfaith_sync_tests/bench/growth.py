"""Peak memory while churches of very different sizes are synced: of the client, and of any process of PostgreSQL.

A process of PostgreSQL is read ten times a second: ``RssAnon``, what it allocated itself, without shared buffers.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
from rich.console import Console
from rich.table import Table

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync_tests.bench.our_tables import ENTITIES
from openfaith_sync_tests.bench.processes import measured
from openfaith_sync_tests.ten_entities import MANIFESTS

PEOPLE = (5_100, 51_000, 510_000)
"""About four records each: 20,000, 200,000 and 2,000,000."""
SIDELOAD = {table: entity for table, entity in ENTITIES.items() if table != "people"}
READ_EVERY_SECONDS = 0.1


@dataclass
class PeakWatch:
    """Reads the memory of a server's processes until it is stopped."""

    folder: Path
    kilobytes: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin to read."""
        postmaster = psutil.Process(int((self.folder / "postmaster.pid").read_text().split()[0]))
        self._thread = threading.Thread(target=self._read, args=(postmaster,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stopped.set()
        self._thread.join()

    def _read(self, postmaster: psutil.Process) -> None:
        while not self._stopped.wait(READ_EVERY_SECONDS):
            for child in postmaster.children():
                with suppress(OSError, IndexError):
                    status = Path(f"/proc/{child.pid}/status").read_text()
                    self.kilobytes = max(self.kilobytes, int(status.partition("RssAnon:")[2].split()[0]))


@dataclass(frozen=True)
class Measured:
    """One church's sync."""

    people: int
    figures: dict[str, Any]
    database_peak_mb: float


def measure(database_url: str, home: Path, sizes: Sequence[int] = PEOPLE) -> list[Measured]:
    """Sync a church of each size."""
    manifest = read_manifest(MANIFESTS, "pco")
    found = []
    for people in sizes:
        settings = SimulatorSettings(people=people, rate=parse_rate("1000000/20"))
        with running_simulator(settings, manifest) as simulator, PeakWatch(home / "postgres") as watch:
            job = {
                "database_url": database_url,
                "org": f"growth-{people}",
                "manifests": str(MANIFESTS),
                "home": str(home),
                "base_url": simulator.base_url,
                "sideload": SIDELOAD,
                "entities": list(ENTITIES.values()),
                "mode": "full",
            }
            figures = measured("measured", job)
        found.append(Measured(people, figures, watch.kilobytes / 1024))
    return found


def show(found: Sequence[Measured], console: Console) -> None:
    """Print one row for each size."""
    table = Table("growth", "records", "seconds", "records a second", "client's peak MB", "a server process's peak MB")
    for one in found:
        figures = one.figures
        table.add_row(
            f"{one.people:,} people",
            f"{figures['records']:,}",
            f"{figures['seconds']:.1f}",
            f"{figures['records_a_second']:,.0f}",
            f"{figures['peak_mb']:.0f}",
            f"{one.database_peak_mb:.0f}",
        )
    console.print(table)
