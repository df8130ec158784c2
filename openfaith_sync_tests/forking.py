"""Processes that start within milliseconds: forks of one that has imported what they need.

To import the simulator takes half a second of processor time, and the tests start hundreds. A fork is a process
like any other: it has arguments, an environment, a folder and streams of its own, and it is killed by signals.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

STOP_SECONDS = 30


class ForkedProcess:
    """A process that was forked, with what the tests use of ``subprocess.Popen[bytes]``."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes], status: socket.socket) -> None:
        """Wait for its end at ``status``."""
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """Return the exit status, or ``None`` while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once the process has ended; negative for the signal that ended it.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                self.returncode = _read_number(self._status)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a fork", timeout or 0) from None
            self._status.close()
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


class ForkServer:
    """Starts forks of a process that has imported a module; each runs the module's ``main``."""

    def __init__(self, module: str) -> None:
        """Remember the module; the process that imports it starts with the first fork."""
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def __enter__(self) -> Self:
        """Use as a context that ends the process."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process; forks that still run are left alone."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait(STOP_SECONDS)

    def start(
        self,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stderr: int | None = None,
    ) -> ForkedProcess:
        """Fork, and return the process with pipes to its input and output."""
        requests = self._connect()
        request = {
            "arguments": [self._module, *arguments],
            "environment": dict(os.environ if environment is None else environment),
            "folder": str(folder or Path.cwd()),
        }
        child_in, our_in = os.pipe()
        our_out, child_out = os.pipe()
        ours, theirs = socket.socketpair()
        with theirs:
            files = [child_in, child_out, 2 if stderr is None else stderr, theirs.fileno()]
            socket.send_fds(requests, [json.dumps(request).encode()], files)
        os.close(child_in)
        os.close(child_out)
        return ForkedProcess(_read_number(ours), os.fdopen(our_in, "wb"), os.fdopen(our_out, "rb"), ours)

    def _connect(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "openfaith_sync_tests.fork_server", str(theirs.fileno()), self._module]
            with theirs:
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        return self._requests


def _read_number(line: socket.socket) -> int:
    """Return the number on the next line; it is read byte by byte, since another one may follow."""
    text = b""
    while not text.endswith(b"\n"):
        byte = line.recv(1)
        assert byte, "the fork server has ended"
        text += byte
    return int(text)
