"""Identify a run's process by machine, process id and start time, since process ids are reused."""

import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

WORKER_TAG = "openfaith/worker"
ENDED = 0
_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Positions in a stat line after the name, which may contain spaces: fields 3 and 22 of `man proc_pid_stat`."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A run's process on Linux, as the run's tag identifies it."""

    machine: str
    """The host name and the kernel's boot id."""
    pid: int
    started: int
    """In ticks since the machine started, which no clock change affects."""

    @classmethod
    def of(cls, pid: int) -> "Worker":
        """Identify a process of this machine; one that has already ended is marked as such."""
        return cls(_machine(), pid, _started(pid))

    @classmethod
    def parse(cls, text: str | None) -> "Worker | None":
        """Parse the result of ``str``."""
        if text is None:
            return None
        machine, pid, started = text.rsplit(" ", 2)
        return cls(machine, int(pid), int(started))

    def __str__(self) -> str:
        """Format the identity in one line."""
        return f"{self.machine} {self.pid} {self.started}"

    def is_alive(self) -> bool:
        """Return whether the process is running, on this machine and in its current boot."""
        return self.machine == _machine() and self.started != ENDED and _started(self.pid) == self.started

    def interrupt(self) -> bool:
        """Interrupt the process as Ctrl-C does, and return whether it was alive."""
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
    """Return when a process started; a zombie counts as ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ENDED
    return ENDED if fields[_STATE] in {"Z", "X"} else int(fields[_STARTED])
