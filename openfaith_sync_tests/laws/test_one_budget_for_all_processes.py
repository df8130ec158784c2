"""All processes that use a connection keep within one budget, use it whole, and let the urgent go first.

With real processes, and a real ledger in PostgreSQL.
"""

from contextlib import ExitStack
from pathlib import Path

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.laws.sharer import Sharer

LIMIT, PERIOD, WINDOWS = 80, 5, 4


def test_four_processes_use_the_whole_budget_and_never_more(
    module_database: Database, pco_manifest: Manifest, tmp_path: Path
) -> None:
    rate = parse_rate(f"{LIMIT}/{PERIOD}")
    with running_simulator(SimulatorSettings(people=240, rate=rate, latency_ms=20), pco_manifest) as simulator:
        usual: dict[str, object] = {
            "org": "four",
            "home": str(tmp_path),
            "base_url": simulator.base_url,
            "database_url": module_database.libpq_url,
            "period_seconds": PERIOD,
            "seconds": WINDOWS * PERIOD,
            "people": sorted(simulator.truth("person"))[:40],
        }
        jobs: list[dict[str, object]] = [
            {"role": "fill", "lane": "backfill", "entities": ["person"]},
            {"role": "fill", "lane": "backfill", "entities": ["household", "email"]},
            {"role": "delta", "lane": "delta", "entities": ["campus", "group"], "every_seconds": 1},
            {"role": "hook", "lane": "webhook", "every_seconds": 0.3},
        ]
        with ExitStack() as stack:
            workers = [stack.enter_context(Sharer(usual | job)) for job in jobs]
            for worker in workers:
                worker.wait_ready()
            for worker in workers:
                worker.go()
            figures = [worker.figures() for worker in workers]
        uses = simulator.window_uses()
    assert sum(use.over for use in uses) == 0
    # The last ones are those in which the work ends.
    full = uses[: WINDOWS - 1]
    assert sum(use.count for use in full) >= 0.95 * LIMIT * len(full)
    waits = sorted(figures[3]["waits"])
    assert len(waits) > 10
    # Two seconds are promised with windows of 20; whoever waits for the end of one of these waits longer than that.
    assert waits[len(waits) * 95 // 100] < 1
