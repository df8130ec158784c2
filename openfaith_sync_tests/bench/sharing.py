"""Four processes on one connection at once: two read everything, one looks for changes, one reads what webhooks tell.

The limit is the source's own, 100 requests in 20 s; answers are 100 ms away. Everything shares this machine.
"""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.simulator.control.request_log import WindowUse
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync_tests.laws.sharer import Sharer
from openfaith_sync_tests.ten_entities import MANIFESTS

LIMIT, PERIOD, WINDOWS, LATENCY_MS = 100, 20, 6, 100
JOBS = (
    {"role": "fill", "lane": "backfill", "entities": ["person"]},
    {"role": "fill", "lane": "backfill", "entities": ["household", "email"]},
    {"role": "delta", "lane": "delta", "entities": ["campus", "group"], "every_seconds": 5},
    {"role": "hook", "lane": "webhook", "every_seconds": 1},
)


@dataclass(frozen=True)
class Measured:
    windows: Sequence[WindowUse]
    refused: int
    waits: Sequence[float]
    """Of a record that a webhook told of: from wanting it to having it, with the request itself."""

    @property
    def whole(self) -> Sequence[WindowUse]:
        """The windows in which work waited all the time."""
        return self.windows[: WINDOWS - 1]

    @property
    def used(self) -> float:
        """How much of what the source gives in the time, gaps between windows counted as lost."""
        seconds = self.windows[WINDOWS - 1].began_seconds - self.windows[0].began_seconds
        return sum(use.count for use in self.whole) / (LIMIT * seconds / PERIOD)


def measure(database_url: str, home: Path) -> Measured:
    settings = SimulatorSettings(people=400, rate=parse_rate(f"{LIMIT}/{PERIOD}"), latency_ms=LATENCY_MS)
    with running_simulator(settings, read_manifest(MANIFESTS, "pco")) as simulator:
        usual = {
            "org": "sharing",
            "home": str(home),
            "base_url": simulator.base_url,
            "database_url": database_url,
            "period_seconds": PERIOD,
            "seconds": WINDOWS * PERIOD,
            "people": sorted(simulator.truth("person"))[:200],
        }
        with ExitStack() as stack:
            workers = [stack.enter_context(Sharer(usual | job)) for job in JOBS]
            for worker in workers:
                worker.wait_ready()
            for worker in workers:
                worker.go()
            figures = [worker.figures() for worker in workers]
        refused = sum(request["status"] == 429 for request in simulator.requests())
        return Measured(simulator.window_uses(), refused, figures[-1]["waits"])


def show(found: Measured, console: Console) -> None:
    columns = ("windows", "used of them", "used of the time", "429", "over", "hooks", "p50 s", "p95 s", "max s")
    table = Table("sharing", *columns)
    cuts = statistics.quantiles(found.waits, n=100)
    table.add_row(
        f"four processes, {LIMIT} requests in {PERIOD} s",
        " ".join(str(use.count) for use in found.windows),
        f"{sum(use.count for use in found.whole) / (LIMIT * len(found.whole)):.1%}",
        f"{found.used:.1%}",
        str(found.refused),
        str(sum(use.over for use in found.windows)),
        str(len(found.waits)),
        *(f"{seconds:.2f}" for seconds in (cuts[49], cuts[94], max(found.waits))),
    )
    console.print(table)
