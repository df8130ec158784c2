from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx
import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RateRule, RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.ten_entities import MANIFESTS

PEOPLE = 230

Get = Callable[..., httpx.Response]
Ask = Callable[[str], Any]
"""Returns the document of a path."""
Status = Callable[[str], int]
"""Returns the status of a path."""


class Send(Protocol):
    """Sends a request to the moving church."""

    def __call__(self, method: str, path: str, body: object = None) -> httpx.Response: ...


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    return read_manifest(MANIFESTS, "pco")


@pytest.fixture(scope="session")
def still(manifest: Manifest) -> Iterator[RunningSimulator]:
    """A church that no test changes."""
    with running_simulator(SimulatorSettings(people=PEOPLE, rate=RateRule(10_000_000, 20)), manifest) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def moving_process(manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=PEOPLE, rate=None), manifest) as simulator:
        yield simulator


@pytest.fixture
def moving(moving_process: RunningSimulator) -> Iterator[RunningSimulator]:
    """A church that tests change; every test takes records of its own and finds no fault armed."""
    moving_process.clear_requests()
    yield moving_process
    moving_process.clear_faults()
    moving_process.set_rate("off")
    moving_process.set_latency(0)
    moving_process.ignore()
    moving_process.reset_webhooks()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(auth=("demo", "demo"), trust_env=False) as opened:
        yield opened


@pytest.fixture
def ask(moving: RunningSimulator, client: httpx.Client) -> Ask:
    """Return the document of a path of the moving church."""
    return lambda path: client.get(moving.base_url + path).json()


@pytest.fixture
def status(moving: RunningSimulator, client: httpx.Client) -> Status:
    return lambda path: client.get(moving.base_url + path).status_code


@pytest.fixture
def get(still: RunningSimulator, client: httpx.Client) -> Get:
    """Read a path of the still church; parameters are sent as they are."""

    def read(path: str, query: str = "", **headers: str) -> httpx.Response:
        return client.get(f"{still.base_url}{path}?{query}".rstrip("?"), headers=headers)

    return read


@pytest.fixture
def read(get: Get) -> Callable[..., Any]:
    """Return the document of a path of the still church."""
    return lambda path, query="": get(path, query).json()
