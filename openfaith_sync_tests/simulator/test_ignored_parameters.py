"""Parameters that the source takes without a word and does not heed."""

from collections.abc import Callable

import httpx
import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import (
    IgnoredParameters,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)

NEWER = "where[updated_at][gte]=2026-05-31T00:00:00Z"


@pytest.fixture
def total(moving: RunningSimulator, client: httpx.Client) -> Callable[[str], int]:
    return lambda path: int(client.get(moving.base_url + path).json()["meta"]["total_count"])


def test_an_ignored_filter_answers_with_everything(
    moving: RunningSimulator, client: httpx.Client, total: Callable[[str], int]
) -> None:
    everything, path = len(moving.truth("email")), f"/people/v2/emails?{NEWER}"
    assert total(path) < everything
    moving.ignore(IgnoredParameters())
    answer = client.get(moving.base_url + path)
    assert (answer.status_code, answer.json()["meta"]["total_count"]) == (200, everything)
    assert "where[updated_at][gte]=" in answer.json()["links"]["self"]
    moving.ignore()
    assert total(path) < everything


def test_only_the_named_filters_are_ignored(moving: RunningSimulator, total: Callable[[str], int]) -> None:
    everything = len(moving.truth("person"))
    moving.ignore(IgnoredParameters(filters=("updated_at",)))
    assert total(f"/people/v2/people?{NEWER}") == everything
    assert total("/people/v2/people?where[status]=inactive") < everything


def test_they_are_ignored_below_a_path_only(moving: RunningSimulator, total: Callable[[str], int]) -> None:
    moving.ignore(IgnoredParameters(path="/emails"))
    assert total(f"/people/v2/emails?{NEWER}") == len(moving.truth("email"))
    assert total(f"/people/v2/people?{NEWER}") < len(moving.truth("person"))


def test_an_order_can_be_ignored(moving: RunningSimulator, client: httpx.Client) -> None:
    path = f"{moving.base_url}/people/v2/people?order=-last_name"
    by_id = client.get(f"{moving.base_url}/people/v2/people").json()["data"]
    assert client.get(path).json()["data"] != by_id
    moving.ignore(IgnoredParameters(filters=(), order=True))
    assert client.get(path).json()["data"] == by_id


def test_a_scenario_can_start_with_it(manifest: Manifest, client: httpx.Client) -> None:
    with running_simulator(
        SimulatorSettings(people=40, ignored=(IgnoredParameters(path="/emails"),)), manifest
    ) as simulator:
        found = client.get(f"{simulator.base_url}/people/v2/emails?where[location]=nowhere").json()
        assert found["meta"]["total_count"] == len(simulator.truth("email"))
