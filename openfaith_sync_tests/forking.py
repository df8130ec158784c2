"""Processes that start within milliseconds: forks of one that has imported what they need.

To import the simulator takes half a second of processor time, Dagster two, and the tests start hundreds of
processes. A fork is a process like any other: it has arguments, an environment, a folder and streams of its own, and
it is killed by signals. What the environment does to Python itself, before anything is imported, only a process that
was started shows.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

STOP_SECONDS = 30


class Fork:
    """A process that was forked: its id and its end."""

    def __init__(self, status: socket.socket) -> None:
        """Read the process id, and later the exit status, from ``status``."""
        self.pid = _read_number(status)
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


class PipedFork(Fork):
    """A fork with pipes to its input and output, as the tests use ``subprocess.Popen[bytes]``."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], status: socket.socket) -> None:
        """Keep our ends of the pipes."""
        super().__init__(status)
        self.stdin: IO[bytes] | None = stdin
        self.stdout: IO[bytes] | None = stdout


class TextFork(Fork):
    """A fork with pipes of text to all its streams, as the tests use ``subprocess.Popen[str]``."""

    def __init__(self, stdin: IO[str], stdout: IO[str], stderr: IO[str], status: socket.socket) -> None:
        """Keep our ends of the pipes."""
        super().__init__(status)
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr

    def communicate(self, told: str = "", timeout: float | None = None) -> tuple[str, str]:
        """Write to its input and close it; return the rest of its output and of its errors once it has ended.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        with suppress(BrokenPipeError):
            self.stdin.write(told)
            self.stdin.close()
        with ThreadPoolExecutor(2) as threads:
            # They end with the streams.
            streams = [threads.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return streams[0].result(), streams[1].result()

    def close(self) -> None:
        """End it, if it still runs, and close our ends of the pipes."""
        self.terminate()
        try:
            self.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        for stream in (self.stdin, self.stdout, self.stderr):
            with suppress(BrokenPipeError):
                stream.close()


class ForkServer:
    """Starts forks of a process that has imported a module; each runs the module's ``main``."""

    def __init__(self, module: str, *also: str) -> None:
        """Remember the module and what else is imported; the process that does so starts with the first fork."""
        self._modules = [module, *also]
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def close(self) -> None:
        """End the process; forks that still run are left alone."""
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait(STOP_SECONDS)

    def start(self, *words: str, stderr: int = 2) -> PipedFork:
        """Fork, and return the process with pipes to its input and output."""
        child_in, our_in = os.pipe()
        our_out, child_out = os.pipe()
        try:
            status = self._fork([self._modules[0], *words], os.environ, Path.cwd(), (child_in, child_out, stderr))
        finally:
            os.close(child_in)
            os.close(child_out)
        return PipedFork(os.fdopen(our_in, "wb"), os.fdopen(our_out, "rb"), status)

    def open(self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> "TextFork":
        """Start a command line, the program's name first, with pipes of text to its three streams."""
        child_in, our_in = os.pipe()
        our_out, child_out = os.pipe()
        our_errors, child_errors = os.pipe()
        theirs = (child_in, child_out, child_errors)
        try:
            status = self._fork(words, environment, folder, theirs)
        finally:
            for number in theirs:
                os.close(number)
        return TextFork(os.fdopen(our_in, "w"), os.fdopen(our_out), os.fdopen(our_errors), status)

    def run(
        self, words: Sequence[str], *, environment: Mapping[str, str], folder: Path, stdin: str = "", timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line, the program's name first, to its end, as ``subprocess.run`` does.

        Raises:
            subprocess.TimeoutExpired: It took longer, and was killed.
        """
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            told.write(stdin.encode())
            told.seek(0)
            files = (told.fileno(), output.fileno(), errors.fileno())
            process = Fork(self._fork(words, environment, folder, files))
            try:
                status = process.wait(timeout)
            finally:
                process.kill()
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(list(words), status, output.read().decode(), errors.read().decode())

    def _fork(
        self, words: Sequence[str], environment: Mapping[str, str], folder: Path, streams: tuple[int, int, int]
    ) -> socket.socket:
        request = {"arguments": list(words), "environment": dict(environment), "folder": str(folder)}
        requests = self._connect()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(requests, [json.dumps(request).encode()], [*streams, theirs.fileno()])
        return ours

    def _connect(self) -> socket.socket:
        if self._requests is None:
            self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-m", "openfaith_sync_tests.fork_server", str(theirs.fileno()), *self._modules]
            with theirs:
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        return self._requests


@cache
def fork_server(module: str, *also: str) -> ForkServer:
    """Return this process's server of forks of a module, which ends with this process."""
    server = ForkServer(module, *also)
    atexit.register(server.close)
    return server


def command_line() -> ForkServer:
    """Return the server of forks that have imported the command line, and what it imports only when needed."""
    return fork_server("openfaith_sync.cli", "openfaith_sync_tests.commands_made_ready")


def _read_number(line: socket.socket) -> int:
    """Return the number on the next line; it is read byte by byte, since another one may follow."""
    text = b""
    while not text.endswith(b"\n"):
        byte = line.recv(1)
        assert byte, "the fork server has ended"
        text += byte
    return int(text)
