"""``make bench``: full syncs at several sizes and limits, beside other tools, and much else; see ``--help``."""

import argparse
import math
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres.embedded_server import stop_embedded
from openfaith_sync_tests.bench import crowd, fleet, growth, joining, latency, memory, sharing, webhooks
from openfaith_sync_tests.bench.peers import contest, showing
from openfaith_sync_tests.bench.peers.contenders import CONTENDERS, Case
from openfaith_sync_tests.bench.processes import measured
from openfaith_sync_tests.ten_entities import MANIFESTS

SIDELOAD = {"addresses": "address", "emails": "email"}
ENTITIES = (EntityName("person"), EntityName("address"), EntityName("email"))
COLUMNS = (
    ("records", "{:,.0f}"),
    ("seconds", "{:.2f}"),
    ("records_a_second", "{:,.0f}"),
    ("cpu_seconds", "{:.2f}"),
    ("peak_mb", "{:.0f}"),
    ("requests", "{:,.0f}"),
    ("network_seconds", "{:.2f}"),
    ("mapping_seconds", "{:.2f}"),
    ("database_seconds", "{:.2f}"),
)


@dataclass(frozen=True)
class Scenario:
    name: str
    people: int
    sideload: dict[str, str] = field(default_factory=dict)
    rate: str = "1000000/20"  # stated in the headers: far more than is ever asked for
    latency_ms: int = 0
    is_repeated: bool = False
    paging: dict[str, int] = field(default_factory=dict)
    is_bare: bool = False


SCENARIOS = {
    "sideload": Scenario("children ride along", 20_000, SIDELOAD, is_repeated=True),
    "plain": Scenario("each entity listed", 20_000, is_repeated=True),
    "bare": Scenario("a bare script: httpx, COPY, upsert", 20_000, is_bare=True),
    "large": Scenario("children ride along", 200_000, SIDELOAD),
    "paced": Scenario("100 requests in 20 s, 150 ms away, ride along", 20_000, SIDELOAD, "100/20", 150),
    "paced-two-windows": Scenario("100 requests in 20 s, 150 ms away, ride along", 19_500, SIDELOAD, "100/20", 150),
    "paced-plain": Scenario("100 requests in 20 s, 150 ms away, each listed", 20_000, {}, "100/20", 150),
}
ALONE = {
    "webhooks": "the receiver under load",
    "latency": "from a change at the source to its row, with everything running",
    "sharing": "four processes on one budget",
    "memory": "a server process's memory over thousands of pages and passes",
    "joining": "joining people to their source ids right after a sync",
    "growth": "peak memory of client and server from 20,000 to 2,000,000 records",
    "crowd": "records a second into an empty database and into one with ten million rows",
    "fleet": "status over 5,000 orgs, as a whole process",
    "peers": "this engine beside a bare script, dlt and Singer (docs/benchmarks.md)",
}
USUAL = ("sideload", "plain", "bare")


def run(scenario: Scenario, number: int, database_url: str, home: Path) -> list[tuple[str, dict[str, Any]]]:
    manifest = read_manifest(MANIFESTS, "pco")
    settings = SimulatorSettings(people=scenario.people, rate=parse_rate(scenario.rate), latency_ms=scenario.latency_ms)
    rows = []
    with running_simulator(settings, manifest) as simulator:
        for again in range(2 if scenario.is_repeated else 1):
            common = {"database_url": database_url, "org": f"bench-{number}"}
            if scenario.is_bare:
                listings = {
                    name: simulator.base_url + manifest.entities[name].path + manifest.entities[name].endpoints.list
                    for name in ENTITIES
                }
                figures = measured("bare", {**common, "listings": listings})
            else:
                figures = measured(
                    "measured",
                    {
                        **common,
                        "manifests": str(MANIFESTS),
                        "home": str(home),
                        "base_url": simulator.base_url,
                        "sideload": scenario.sideload,
                        "entities": ENTITIES,
                        "mode": "full",
                        "paging": scenario.paging,
                    },
                )
            label = f"{scenario.name}, {scenario.people:,} people" + (", nothing changed" if again else "")
            rows.append((label, figures))
        if scenario.latency_ms:
            rows[-1][1]["note"] = paced_note(scenario, manifest, simulator, rows[-1][1]["seconds"])
    return rows


def paced_note(scenario: Scenario, manifest: Manifest, simulator: RunningSimulator, seconds: float) -> str:
    """Compare a run with the least possible time for the pages alone, whatever else was requested."""
    listings = [entity for entity in ENTITIES if entity not in scenario.sideload.values()]
    size = manifest.adapter_file.paging.size
    pages = sum(math.ceil(len(simulator.truth(entity)) / size) for entity in listings)
    rule = parse_rate(scenario.rate)
    assert rule is not None
    least = (pages - 1) // rule.requests * rule.period_seconds + scenario.latency_ms / 1000
    statuses = [request["status"] for request in simulator.requests()]
    return (
        f"{len(statuses)} requests for {pages} pages, {statuses.count(429)} refused with 429; "
        f"the least possible time for the pages is {least:.2f} s, this took {seconds / least:.3f} times as long"
    )


def share_of_bare(rows: list[tuple[str, dict[str, Any]]]) -> float | None:
    """Return how fast the plain scenario ran beside the bare script; nothing when one of the two was not run."""
    speeds: dict[str, list[float]] = {}
    for label, figures in rows:
        speeds.setdefault(label, []).append(figures["records_a_second"])
    plain, bare = (
        speeds.get(f"{SCENARIOS[name].name}, {SCENARIOS[name].people:,} people") for name in ("plain", "bare")
    )
    return median(plain) / median(bare) if plain and bare else None


def parse_arguments() -> argparse.Namespace:
    known = {name: f"{one.name}, {one.people:,} people" for name, one in SCENARIOS.items()} | ALONE
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        epilog="scenarios:\n" + "\n".join(f"  {name:12} {what}" for name, what in known.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", help=f"which of those below; by default {' '.join(USUAL)}")
    parser.add_argument("--rounds", type=int, default=1, help="how often each scenario is run")
    chosen = parser.add_argument_group("peers")
    chosen.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), help="who takes part")
    chosen.add_argument("--cases", nargs="+", choices=[case.name.lower() for case in Case], help="by default both")
    chosen.add_argument("--people", type=int, default=contest.PEOPLE, help="about four records each")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - known.keys()
    if unknown:
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return arguments


def show_peers(arguments: argparse.Namespace, database_url: str, home: Path, console: Console) -> None:
    cases = [case for case in Case if not arguments.cases or case.name.lower() in arguments.cases]
    found = contest.measure(
        database_url,
        home,
        arguments.contenders,
        cases,
        arguments.rounds,
        arguments.people,
        report=lambda line: print(line, file=sys.stderr, flush=True),
    )
    showing.show(found, console)


def show_rows(rows: list[tuple[str, dict[str, Any]]], console: Console) -> None:
    table = Table("scenario", *(name.replace("_", " ") for name, _ in COLUMNS))
    for label, figures in rows:
        table.add_row(label, *(form.format(figures[name]) for name, form in COLUMNS))
    console.print(table)
    share = share_of_bare(rows)
    if share:
        console.print(f"{SCENARIOS['plain'].name}: {share:.2f} of the bare script's records a second, by the medians")
    for label, figures in rows:
        if "note" in figures:
            console.print(f"{label}: {figures['note']}")


def main() -> None:
    arguments = parse_arguments()
    console = Console(width=170)
    with tempfile.TemporaryDirectory(prefix="openfaith-bench-") as folder, ExitStack() as at_end:
        home = Path(folder)
        home.chmod(0o755)
        at_end.callback(stop_embedded, home)
        database = open_database(Settings(home, MANIFESTS, None, ()))
        ensure_tables(database, read_manifest(MANIFESTS, "pco"))
        url = database.libpq_url
        rows = [
            row
            for number in range(arguments.rounds)
            for name in arguments.scenarios or USUAL
            if name in SCENARIOS
            for row in run(SCENARIOS[name], number * 100 + list(SCENARIOS).index(name), url, home)
        ]
        alone: dict[str, Callable[[], None]] = {
            "webhooks": lambda: webhooks.show(webhooks.measure(url, home), console),
            "sharing": lambda: sharing.show(sharing.measure(url, home), console),
            "memory": lambda: memory.show(memory.measure(database), console),
            "joining": lambda: joining.show(joining.measure(database), console),
            "growth": lambda: growth.show(growth.measure(url, home), console),
            "crowd": lambda: crowd.show(crowd.measure(url, home), console),
            "fleet": lambda: fleet.show(fleet.measure(url, home), console),
            "peers": lambda: show_peers(arguments, url, home, console),
        }
        for name, show in alone.items():
            if name in arguments.scenarios:
                show()
    if "latency" in arguments.scenarios:
        latency.show(latency.measure(), console)
    if rows:
        show_rows(rows, console)


if __name__ == "__main__":
    main()
