"""A church without a product is no failure; one that lost what it could read is."""

import json
from collections.abc import Iterator

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import Fault, RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.commands.conftest import Run

NO_PRODUCT = Fault(kind="status", status=402, path="/groups/v2/")
DENIED = Fault(kind="status", status=403, path="/people/v2/campuses")


@pytest.fixture
def simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=20, rate=None), pco_manifest) as running:
        yield running


def sync(run_stored: Run, *words: str) -> tuple[int, dict[str, str], str]:
    answer = run_stored("sync", "grace", *words, "--json")
    return answer.exit_code, {row["entity"]: row["result"] for row in json.loads(answer.stdout)}, answer.stderr


def connect(run_stored: Run, simulator: RunningSimulator) -> None:
    assert run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", simulator.base_url).exit_code == 0


def test_what_never_was_readable_is_not_available_and_everything_else_a_success(
    run_stored: Run, simulator: RunningSimulator, pco_manifest: Manifest
) -> None:
    in_groups = {name for name, entity in pco_manifest.entities.items() if entity.path == "/groups/v2"}
    connect(run_stored, simulator)
    simulator.fault(NO_PRODUCT)
    for _ in range(2):
        code, results, said = sync(run_stored)
        assert code == 0
        assert {name for name, result in results.items() if result == "not available"} == in_groups
        assert {result for name, result in results.items() if name not in in_groups} == {"complete"}
        assert "group: not available: Planning Center Online answered 402" in said
        assert "event: not available, because group is not" in said
    status = run_stored("status", "grace", "--json")
    access = {row["entity"]: row["access"] for row in json.loads(status.stdout)}
    assert access["pco/group"] == "not available"
    assert access["pco/person"] is None
    reasons = [row["access_reason"] for row in json.loads(status.stdout) if row["entity"] == "pco/group"]
    assert "the church's plan does not include this product" in reasons[0]
    assert "grace pco/group is not available: Planning Center Online answered 402" in status.stderr

    # Bought meanwhile, it comes with the next sync.
    simulator.clear_faults()
    code, results, _ = sync(run_stored)
    assert (code, set(results.values()) - {"resumed, complete"}) == (0, {"complete"})
    assert not any(row["access"] for row in json.loads(run_stored("status", "grace", "--json").stdout))


def test_what_was_readable_and_is_refused_is_a_failure(run_stored: Run, simulator: RunningSimulator) -> None:
    connect(run_stored, simulator)
    assert sync(run_stored, "--entity", "campus")[0] == 0
    simulator.fault(DENIED)
    code, results, said = sync(run_stored, "--entity", "campus", "--entity", "household")
    assert (code, results) == (1, {"campus": "failed", "household": "complete"})
    assert "though it could be read at" in said
    status = run_stored("status", "grace")
    assert "grace pco connection since" in status.stderr
    assert "campus is refused: Planning Center Online answered 403" in status.stderr
    simulator.clear_faults()
    assert sync(run_stored, "--entity", "campus")[0] == 0
    assert "refused" not in run_stored("status", "grace").stderr
