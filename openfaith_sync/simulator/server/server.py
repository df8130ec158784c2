"""Running a simulator: here, or in a process of its own."""

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
from openfaith_sync.simulator.api.ignored_parameters import Ignored
from openfaith_sync.simulator.auth.oauth import OAuthBehaviour
from openfaith_sync.simulator.control.control_client import ControlClient
from openfaith_sync.simulator.server.app import SimulatorApp
from openfaith_sync.simulator.server.response_delivery import ResettableProtocol
from openfaith_sync.simulator.settings.delivery_faults import WebhookTrouble
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import RateRule, parse_rate
from openfaith_sync.simulator.settings.settings import SimulatorSettings

__all__ = [
    "Fault",
    "Ignored",
    "OAuthBehaviour",
    "RateRule",
    "RunningSimulator",
    "SimulatorSettings",
    "WebhookTrouble",
    "parse_rate",
    "running_simulator",
    "serve",
]

SETTINGS = TypeAdapter(SimulatorSettings)
_STOP_SECONDS = 10
_BACKLOG = 2048


class RunningSimulator(ControlClient):
    """A simulator that runs in a process of its own, and its control surface."""

    def __init__(self, base_url: str, settings: SimulatorSettings) -> None:
        """Talk to it at this URL."""
        super().__init__(base_url)
        self.application_id = settings.application_id
        self.secret = settings.secret
        self.client_id = settings.client_id
        self.client_secret = settings.client_secret


def serve(settings: SimulatorSettings, manifest: Manifest) -> None:
    """Serve until stopped; says where in one line once it really listens.

    Raises:
        UsageError: The port is taken.
    """
    # Millions of objects are made that stay: looking through them for garbage takes longer than making them.
    gc.disable()
    app = SimulatorApp(settings, manifest)
    gc.freeze()
    gc.enable()
    with _listening_socket(settings) as listener:
        port = listener.getsockname()[1]
        said = (
            f"simulating {manifest.adapter}: {settings.people} people at http://{settings.host}:{port} "
            f"(application id {settings.application_id} secret {settings.secret}, "
            f"OAuth client {settings.client_id} secret {settings.client_secret})"
        )
        # A fault that cuts an answer short would be reported as an error of the application.
        config = uvicorn.Config(
            app,
            http=ResettableProtocol,
            access_log=False,
            log_level="critical",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=0,
        )
        _Announcing(config, said).run(sockets=[listener])


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
    """Run a simulator in a process of its own, from when it listens to the end of the block.

    It stops by itself when this process dies, since it watches its standard input.

    Raises:
        UsageError: It did not start; says what it said.
    """
    process = start_process()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        given = {"settings": SETTINGS.dump_python(settings, mode="json"), "manifest": manifest.model_dump(mode="json")}
        process.stdin.write(orjson.dumps(given) + b"\n")
        process.stdin.flush()
        said = process.stdout.readline().decode()
        if " at http" not in said:
            raise UsageError(f"the simulator did not start: {said.strip() or 'it said nothing'}")
        with RunningSimulator(said.split(" at ")[1].split(" ")[0], settings) as simulator:
            yield simulator
    finally:
        _stop(process)


class _Announcing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, said: str) -> None:
        super().__init__(config)
        self._said = said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._said, flush=True)  # noqa: T201  what the command is for


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
