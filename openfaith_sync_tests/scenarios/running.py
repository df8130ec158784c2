"""The processes of a deployment: Dagster with its daemon, and the receiver of webhooks."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil

from openfaith_sync_tests.defs.conftest import Deployment

STOP_SECONDS = 30


class Service:
    """One process and all that it starts, which can be killed and started again."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._name = name
        self._command = command
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = (folder / f"{name}.log").open("ab")
        self.starts = 0

    def start(self) -> None:
        assert self._process is None
        self.starts += 1
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def kill(self) -> None:
        """End it and all its children at once, as a power cut would."""
        assert self._process is not None
        family = [
            self._process.pid,
            *(child.pid for child in psutil.Process(self._process.pid).children(recursive=True)),
        ]
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait(STOP_SECONDS)
        self._process = None

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
            self._process = None
        except subprocess.TimeoutExpired:
            self.kill()
        self._log.close()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tail(self, lines: int = 40) -> str:
        return "\n".join((self._folder / f"{self._name}.log").read_text(errors="replace").splitlines()[-lines:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dagster_service(deployment: Deployment, environment: dict[str, str]) -> Service:
    """Return `dagster dev`, whose daemon drives the sensors."""
    words = ["dagster", "dev", "-h", "127.0.0.1", "-p", str(free_port())]
    return Service("dagster", [sys.executable, "-m", *words], deployment.folder, environment)


def receiver_service(deployment: Deployment, environment: dict[str, str], port: int) -> Service:
    """Return `openfaith-sync serve`."""
    words = ["-c", "from openfaith_sync.cli import main; main()", "serve", "--port", str(port)]
    return Service("serve", [sys.executable, *words], deployment.folder, environment)


def look_sooner(folder: Path) -> None:
    """Make the daemon look for dead runs every few seconds, so that a test need not wait a minute."""
    path = folder / "dagster.yaml"
    text = path.read_text()
    changed = re.sub(r"poll_interval_seconds: \d+", "poll_interval_seconds: 5", text)
    assert changed != text
    path.unlink()
    path.write_text(changed)
