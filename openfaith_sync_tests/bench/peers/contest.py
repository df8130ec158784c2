"""The contest: every contender copies the same church from the same server into the same PostgreSQL, turn by turn."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync_tests.bench.our_tables import ENTITIES
from openfaith_sync_tests.bench.peers import verifying
from openfaith_sync_tests.bench.peers.contenders import (
    CONTENDERS,
    Case,
    Job,
    Phase,
    environment_of,
)
from openfaith_sync_tests.bench.peers.running import DatabaseProcesses, Figures, Server, run, running_server
from openfaith_sync_tests.ten_entities import MANIFESTS

PEOPLE = 15_000
"""With their addresses, e-mails and phone numbers about 59,000 records."""
CHANGED = 200
UNLIMITED = "1000000/20"


@dataclass(frozen=True)
class Measured:
    """All runs of a contest."""

    records: int
    figures: dict[tuple[Case, Phase, str], list[Figures]] = field(default_factory=dict)
    loads: list[float] = field(default_factory=list)
    """The machine's load before each round: this contest alone makes up to two."""


@dataclass(frozen=True)
class Contest:
    """What the contenders share."""

    simulator: RunningSimulator
    server: Server
    processes: DatabaseProcesses
    database_url: str
    contenders: Sequence[str]
    report: Callable[[str], None]

    def run_round(self, case: Case, folder: Path, measured: Measured, number: int) -> None:
        """Run each phase with all contenders in turn; another one begins in each round."""
        turned = number % len(self.contenders)
        order = [*self.contenders[turned:], *self.contenders[:turned]]
        with ExitStack() as stack:
            jobs = {name: stack.enter_context(self._job(name, case, folder)) for name in order}
            for phase in Phase:
                if phase is Phase.CHANGED:
                    self._change(number)
                truth = {entity: verifying.digest_truth(entity, self._truth(entity)) for entity in ENTITIES}
                for name in order:
                    figures = self._run(name, jobs[name], phase)
                    self._verify(name, jobs[name], phase, truth)
                    measured.figures.setdefault((case, phase, name), []).append(figures)
                    self.report(
                        f"round {number + 1}, {case}, {phase}: {name} {figures.seconds:.1f} s, "
                        f"CPU {figures.client_cpu:.1f} + {figures.database_cpu:.1f} s"
                    )

    def warm_up(self, case: Case, folder: Path) -> None:
        """Record what the engine and one other contender request, which is what all of them request."""
        for name in {"engine", "bare"} & set(self.contenders) or self.contenders[:1]:
            with self._job(name, case, folder) as job:
                self._run(name, job, Phase.FIRST)

    @contextmanager
    def _job(self, name: str, case: Case, folder: Path) -> Iterator[Job]:
        """Yield a job with a database and a folder of its own."""
        database = f"{name}_{case.name}".lower().replace("-", "_")
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())
            connection.execute(f'CREATE DATABASE "{database}"'.encode())
        parts = urlsplit(self.database_url)
        url = f"postgresql://{parts.username}:unused@localhost/{database}?{parts.query}"
        with tempfile.TemporaryDirectory(dir=folder, prefix=f"{database}-") as own:
            job = Job(self.server.base_url, url, Path(own), case)
            CONTENDERS[name].begin(job)
            yield job
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'.encode())

    def _run(self, name: str, job: Job, phase: Phase) -> Figures:
        contender = CONTENDERS[name]
        commands = contender.commands(job, phase)
        # What runs before left to be cleaned and written is not this one's work.
        with psycopg.connect(job.database_url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")
        return run(commands, environment_of(contender, job), job.folder, self.server, self.processes)

    def _truth(self, entity: str) -> dict[str, TrueRecord]:
        return self.simulator.truth(ENTITIES[entity])

    def _change(self, number: int) -> None:
        people = list(self._truth("people"))
        for identity in people[number :: max(1, len(people) // CHANGED)][:CHANGED]:
            self.simulator.change("person", identity, {"last_name": f"Changed {number} {identity}"})
        self.server.refresh()

    @staticmethod
    def _verify(name: str, job: Job, phase: Phase, truth: dict[str, tuple[int, str]]) -> None:
        found = verifying.digest_rows(job.database_url, name)
        wrong = {entity: (found[entity], truth[entity]) for entity in truth if found[entity] != truth[entity]}
        if wrong:
            raise UsageError(f"{name} has other rows than the church after {phase!r} ({job.case!r}): {wrong}")


@contextmanager
def without_autovacuum(database_url: str) -> Iterator[None]:
    """Turn autovacuum off: its work would count for the contender that runs, not for the one that caused it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
    yield
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET autovacuum")
        connection.execute("SELECT pg_reload_conf()")


def measure(
    database_url: str,
    home: Path,
    contenders: Sequence[str],
    cases: Sequence[Case],
    rounds: int,
    people: int = PEOPLE,
    *,
    report: Callable[[str], None] = lambda _: None,
) -> Measured:
    """Run this many rounds of each case, and report each run as it ends.

    Raises:
        UsageError: A contender failed, or its rows are not the church's.
    """
    for name in contenders:
        CONTENDERS[name].prepare()
    manifest = read_manifest(MANIFESTS, "pco")
    settings = SimulatorSettings(people=people, rate=parse_rate(UNLIMITED))
    with (
        without_autovacuum(database_url),
        running_simulator(settings, manifest) as simulator,
        running_server(simulator.base_url) as server,
    ):
        counts = simulator.counts()
        measured = Measured(sum(counts[name] for name in ENTITIES.values()))
        contest = Contest(simulator, server, DatabaseProcesses(home / "postgres"), database_url, contenders, report)
        for case in cases:
            contest.warm_up(case, home)
        for number in range(rounds):
            for case in cases:
                measured.loads.append(os.getloadavg()[0])
                contest.run_round(case, home, measured, number)
    return measured
