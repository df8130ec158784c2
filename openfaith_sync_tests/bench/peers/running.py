"""What a run takes: the client's processes, the database's, and the server's."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from openfaith_sync.domain.errors import UsageError

LAUNCHER = Path(__file__).parent / "scripts" / "launcher.py"


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of one contender."""

    seconds: float
    client_cpu: float
    database_cpu: float
    peak_mb: float
    requests: int
    server_cpu: float
    """Of the replaying server and the simulator behind it."""

    @property
    def cpu(self) -> float:
        return self.client_cpu + self.database_cpu

    @property
    def server_share(self) -> float:
        """Return how much of the time the server was at work."""
        return self.server_cpu / self.seconds


class DatabaseProcesses:
    """The processes of a PostgreSQL server."""

    def __init__(self, folder: Path) -> None:
        """Watch the server of this data folder."""
        self._postmaster = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))

    def cpu_seconds(self) -> float:
        """Return what the server, its processes and those that have ended have used."""
        own = self._postmaster.cpu_times()
        used = own.user + own.system + own.children_user + own.children_system
        for child in self._postmaster.children():
            # One that ends now is among the postmaster's ended children the next time.
            with suppress(psutil.NoSuchProcess):
                used += sum(child.cpu_times()[:2])
        return used


class Server:
    """The replaying server and the simulator."""

    def __init__(self, base_url: str, simulators: list[psutil.Process], control: httpx.Client) -> None:
        self.base_url = base_url
        self._simulators, self._control = simulators, control

    def refresh(self) -> None:
        """Forget all recorded pages, since the church has changed."""
        self._control.get("refresh").raise_for_status()

    def read_figures(self) -> tuple[int, float]:
        """Return the number of requests and the processor seconds so far."""
        figures = self._control.get("figures").raise_for_status().json()
        simulated = sum(sum(simulator.cpu_times()[:2]) for simulator in self._simulators)
        return figures["requests"], figures["cpu_seconds"] + simulated


@contextmanager
def running_server(upstream: str) -> Iterator[Server]:
    """Run the replaying server in front of the simulator, which is a child of this process, until the block ends."""
    simulators = [
        child
        for child in psutil.Process().children()
        if "openfaith_sync.simulator.server.server_process" in child.cmdline()
    ]
    command = [sys.executable, "-m", "openfaith_sync_tests.bench.peers.replaying_server", upstream]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            base_url = process.stdout.readline().strip()
            with httpx.Client(base_url=f"{base_url}/_replay/", trust_env=False, timeout=120) as control:
                yield Server(base_url, simulators, control)
        finally:
            process.stdin.close()


def run(
    commands: list[list[str]], environment: Mapping[str, str], folder: Path, server: Server, database: DatabaseProcesses
) -> Figures:
    """Run one contender's processes to their end.

    Raises:
        UsageError: One of them failed; the message contains the end of its log.
    """
    figures, log, given = (folder / name for name in ("figures.json", "log.txt", "input"))
    given.touch()
    arguments = [str(figures), str(given), str(folder / "output"), json.dumps(commands)]
    requests, server_cpu = server.read_figures()
    database_cpu = database.cpu_seconds()
    with log.open("wb") as errors:
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), *arguments]
        subprocess.run(launched, check=True, env=dict(environment), cwd=folder, stderr=errors)
    found = json.loads(figures.read_text())
    if any(found["statuses"]):
        raise UsageError(f"{commands} ended with {found['statuses']}: {log.read_text()[-4000:]}")
    requests_after, server_cpu_after = server.read_figures()
    return Figures(
        found["seconds"],
        found["cpu_seconds"],
        database.cpu_seconds() - database_cpu,
        found["peak_mb"],
        requests_after - requests,
        server_cpu_after - server_cpu,
    )
