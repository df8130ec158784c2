"""Run a simulator, in this process or in a separate one."""

import gc
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

import orjson
import uvicorn
from pydantic import TypeAdapter

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.api.ignored_parameters import IgnoredParameters
from openfaith_sync.simulator.auth.oauth import OAuthBehaviour
from openfaith_sync.simulator.control.control_client import ControlClient
from openfaith_sync.simulator.server.app import SimulatorApp
from openfaith_sync.simulator.server.response_delivery import ResettableProtocol
from openfaith_sync.simulator.settings.delivery_faults import DeliveryFaults
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import RateRule, parse_rate
from openfaith_sync.simulator.settings.settings import SimulatorSettings

__all__ = [
    "DeliveryFaults",
    "Fault",
    "IgnoredParameters",
    "OAuthBehaviour",
    "RateRule",
    "RunningSimulator",
    "SimulatorSettings",
    "parse_rate",
    "running_simulator",
    "serve",
]

SETTINGS = TypeAdapter(SimulatorSettings)
_STOP_SECONDS = 10
_BACKLOG = 2048


class RunningSimulator(ControlClient):
    """A simulator that runs in a separate process, and its control surface."""

    def __init__(self, base_url: str, settings: SimulatorSettings) -> None:
        """Connect to it at this URL."""
        super().__init__(base_url)
        self.application_id = settings.application_id
        self.secret = settings.secret
        self.client_id = settings.client_id
        self.client_secret = settings.client_secret


def serve(settings: SimulatorSettings, manifest: Manifest) -> None:
    """Serve until stopped; prints its address in one line once it is listening.

    Raises:
        UsageError: The port is taken.
    """
    # Startup makes millions of permanent objects: collecting garbage among them takes longer than making them.
    gc.disable()
    app = SimulatorApp(settings, manifest)
    gc.freeze()
    gc.enable()
    with _listening_socket(settings) as listener:
        port = listener.getsockname()[1]
        announcement = (
            f"simulating {manifest.adapter}: {settings.people} people at http://{settings.host}:{port} "
            f"(application id {settings.application_id} secret {settings.secret}, "
            f"OAuth client {settings.client_id} secret {settings.client_secret})"
        )
        # Uvicorn would report a response that a fault cuts short as an application error.
        config = uvicorn.Config(
            app,
            http=ResettableProtocol,
            access_log=False,
            log_level="critical",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=0,
        )
        _AnnouncingServer(config, announcement).run(sockets=[listener])


class SimulatorProcess(Protocol):
    """The process of a simulator, whose input and output are pipes; ``subprocess.Popen`` is one."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status, or raise ``subprocess.TimeoutExpired``."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


def start_process() -> SimulatorProcess:
    """Start the process of a simulator. Tests, which start hundreds, replace this by one that is quicker."""
    return subprocess.Popen(
        [sys.executable, "-m", "openfaith_sync.simulator.server.server_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@contextmanager
def running_simulator(settings: SimulatorSettings, manifest: Manifest) -> Iterator[RunningSimulator]:
    """Run a simulator in a separate process until the block ends.

    It stops by itself when this process dies, since it watches its standard input.

    Raises:
        UsageError: It did not start; the message contains its output.
    """
    process = start_process()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        payload = {
            "settings": SETTINGS.dump_python(settings, mode="json"),
            "manifest": manifest.model_dump(mode="json"),
        }
        process.stdin.write(orjson.dumps(payload) + b"\n")
        process.stdin.flush()
        first_line = process.stdout.readline().decode()
        if " at http" not in first_line:
            raise UsageError(f"the simulator did not start: {first_line.strip() or 'it first_line nothing'}")
        with RunningSimulator(first_line.split(" at ")[1].split(" ")[0], settings) as simulator:
            yield simulator
    finally:
        _stop(process)


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._said = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._said, flush=True)  # noqa: T201  the command's output


def _listening_socket(settings: SimulatorSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None


def _stop(process: SimulatorProcess) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    # The process ends with its input.
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
