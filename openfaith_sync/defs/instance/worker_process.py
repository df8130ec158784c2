"""Which process runs a run: its machine, its id there and when it started, since ids are used again."""

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

WORKER_TAG = "openfaith/worker"
ENDED = 0
_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Places in a process's line behind its name, which may hold spaces: fields 3 and 22 of `man proc_pid_stat`."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A run's process on Linux, as its run's tag names it."""

    machine: str
    """The host's name and the kernel's id of this start of it."""
    pid: int
    started: int
    """In ticks since the machine started, which no change of its clock moves."""

    @classmethod
    def of(cls, pid: int) -> "Worker":
        """Name a process of this machine; one that has ended already is named as such."""
        return cls(_machine(), pid, _started(pid))

    @classmethod
    def parse(cls, text: str | None) -> "Worker | None":
        """Read what ``str`` wrote."""
        if text is None:
            return None
        machine, pid, started = text.rsplit(" ", 2)
        return cls(machine, int(pid), int(started))

    def __str__(self) -> str:
        """Name it in one line."""
        return f"{self.machine} {self.pid} {self.started}"

    def is_alive(self) -> bool:
        """Say whether it runs, on this machine and since this machine's last start."""
        return self.machine == _machine() and self.started != ENDED and _started(self.pid) == self.started

    def interrupt(self) -> bool:
        """Ask it to stop as Ctrl-C does; says whether it was there."""
        if not self.is_alive():
            return False
        try:
            os.kill(self.pid, signal.SIGINT)
        except ProcessLookupError:
            return False
        return True


def _machine() -> str:
    start = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()} {start}"


def _started(pid: int) -> int:
    """Return when a process started; one that only waits to be buried has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ENDED
    return ENDED if fields[_STATE] in {"Z", "X"} else int(fields[_STARTED])
