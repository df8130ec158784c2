"""The tables of a contest."""

from collections.abc import Callable, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from openfaith_sync_tests.bench.peers.contenders import CONTENDERS, Case, Phase
from openfaith_sync_tests.bench.peers.contest import CHANGED, Measured
from openfaith_sync_tests.bench.peers.running import Figures

COLUMNS: Sequence[tuple[str, Callable[[Figures], float], str]] = (
    ("seconds", lambda run: run.seconds, "{:.2f}"),
    ("client CPU s", lambda run: run.client_cpu, "{:.2f}"),
    ("database CPU s", lambda run: run.database_cpu, "{:.2f}"),
    ("both", lambda run: run.cpu, "{:.2f}"),
    ("peak MB", lambda run: run.peak_mb, "{:.0f}"),
    ("requests", lambda run: run.requests, "{:,.0f}"),
    ("server's share", lambda run: run.server_share, "{:.0%}"),
)
SHARES: Sequence[tuple[str, str, Callable[[Figures], float]]] = (
    ("dlt-arrow", "seconds", lambda run: run.seconds),
    ("dlt-arrow", "CPU", lambda run: run.cpu),
    ("bare", "seconds", lambda run: run.seconds),
    ("bare", "CPU", lambda run: run.cpu),
)


def show(measured: Measured, console: Console) -> None:
    """Print a table for each case and phase, and the engine's shares of the others."""
    for case in Case:
        for phase in Phase:
            runs = {name: measured.figures.get((case, phase, name), []) for name in CONTENDERS}
            if any(runs.values()):
                _show_phase(case, phase, runs, measured, console)
    console.print(
        "Medians. Every row of every run was compared with the church by digest. "
        f"Load before each round: {', '.join(f'{load:.1f}' for load in measured.loads)}"
    )


def _show_phase(case: Case, phase: Phase, runs: dict[str, list[Figures]], measured: Measured, console: Console) -> None:
    rounds = max(map(len, runs.values()))
    table = Table(f"{case}: {phase}, {rounds} rounds", "records a second", *(name for name, _, _ in COLUMNS))
    records = CHANGED if phase is Phase.CHANGED else measured.records
    for name, found in runs.items():
        if found:
            speed = "" if phase is Phase.UNCHANGED else f"{records / median(run.seconds for run in found):,.0f}"
            values = (form.format(median(map(of, found))) for _, of, form in COLUMNS)
            table.add_row(CONTENDERS[name].label, speed, *values)
    console.print(table)
    for other, what, of in SHARES:
        if runs["engine"] and runs[other]:
            share = median(map(of, runs["engine"])) / median(map(of, runs[other]))
            console.print(f"  this engine's {what}: {share:.2f} × {CONTENDERS[other].label}'s")
