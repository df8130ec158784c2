"""The demonstration's Dagster run: materializes one org, and reduces Dagster's log to its progress."""

import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import IO

from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.store.postgres.folders import require_folder

DEFINITIONS = "openfaith_sync.definitions"

_STARTED = re.compile(r" - STEP_START - ")
_DONE = re.compile(r" - ASSET_MATERIALIZATION - Materialized value (?P<adapter>\w+) (?P<entity>\w+)\.")
_FAILED = re.compile(r" - ERROR - .* - (?P<adapter>\w+)/(?P<entity>\w+): ")
_TAIL_LINES = 30
_SECONDS_BETWEEN_LINES = 5.0


@dataclass(slots=True)
class StepLog:
    """Reads a run's log: when each entity ended, and how long it took. Says now and then how far the run is."""

    adapter: AdapterName
    entities: int
    say: Callable[[str], None]
    clock: Callable[[], float] = monotonic
    seconds: dict[EntityName, float] = field(default_factory=dict)
    _began: float = 0.0
    _said: float = 0.0

    def read(self, line: str) -> None:
        """Read one line of the log; most lines are not about the end of an entity."""
        if _STARTED.search(line):
            self._began = self._said = self.clock()
        for pattern, ending in ((_DONE, "done"), (_FAILED, "failed")):
            match = pattern.search(line)
            if match and match["adapter"] == self.adapter:
                # One entity after another: each begins when the one before it ends.
                began, self._began = self._began, self.clock()
                entity = EntityName(match["entity"])
                self.seconds[entity] = self._began - began
                if ending == "failed":
                    self.say(f"  {self.adapter}/{entity}: failed in {self.seconds[entity]:.1f} s")
                elif self._began - self._said >= _SECONDS_BETWEEN_LINES or len(self.seconds) == self.entities:
                    self._said = self._began
                    self.say(f"  {len(self.seconds)} of {self.entities} entities; {self.adapter}/{entity} is done")


def materialize(
    deployment: Deployment, adapter: AdapterName, org: OrgId, entities: int, say: Callable[[str], None]
) -> dict[EntityName, float]:
    """Materialize every asset of an org in a Dagster process, and return the seconds each took.

    Raises:
        TransientError: The run failed; the message contains the log's path and its last lines.
    """
    command = [sys.executable, "-m", "dagster", "asset", "materialize"]
    command += ["-m", DEFINITIONS, "--select", f'key:"{adapter}/*"', "--partition", org]
    steps, path = StepLog(adapter, entities, say), deployment.settings.home / "demo.log"
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    require_folder(path.parent, "OPENFAITH_HOME")
    with path.open("w", encoding="utf-8") as log, _running(command, deployment) as (process, lines):
        for line in lines:
            log.write(line)
            tail.append(line)
            steps.read(line)
        status = process.wait()
    if status:
        raise TransientError(f"the Dagster run failed; its log is {path} and ends with\n{''.join(tail).rstrip()}")
    return steps.seconds


@contextmanager
def _running(command: list[str], deployment: Deployment) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """Run a process, and terminate it if the block exits early."""
    environment = deployment.environment()
    with subprocess.Popen(  # noqa: S603  our own interpreter and fixed arguments; the org's name is validated
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout
        except BaseException:  # Ctrl-C too: the run must not outlive the demonstration; raised again
            process.terminate()
            raise
