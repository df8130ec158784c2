"""``secrets``: what a person sees of keys, and that nothing starts in production without one."""

import json

import pytest
from cryptography.fernet import Fernet

from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.conftest import SECRET_KEY

NEW = Fernet.generate_key().decode()


@pytest.fixture
def connected(run_stored: Run, church: RunningSimulator) -> Run:
    words = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert run_stored(*words).exit_code == 0
    return run_stored


def test_a_key_is_replaced_step_by_step(connected: Run) -> None:
    assert "there is only one key" in connected("secrets", "status").stdout
    both = {"OPENFAITH_SECRET_KEYS": f"{NEW},{SECRET_KEY}"}
    told = json.loads(connected("secrets", "status", "--json", **both).stdout)
    assert [row["secrets"] for row in told["keys"]] == [0, 1]
    assert "openfaith-sync secrets rotate" in connected("secrets", "status", **both).stdout
    done = connected("secrets", "rotate", "--json", **both)
    told = json.loads(done.stdout)
    assert (told["rotated"], told["is_rotated"], [row["secrets"] for row in told["keys"]]) == (1, True, [1, 0])
    assert "1 re-encrypted" in done.stderr
    assert "remove the others once" in connected("secrets", "rotate", **both).stdout
    assert connected("secrets", "status", OPENFAITH_SECRET_KEYS=NEW).exit_code == 0


def test_a_key_that_is_missing_is_said_with_whose_it_was(connected: Run) -> None:
    for command in ("status", "rotate"):
        done = connected("secrets", command, OPENFAITH_SECRET_KEYS=NEW)
        assert done.exit_code == 1
        assert "1 secrets are encrypted with a key that is not in OPENFAITH_SECRET_KEYS: grace" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("org", "add", "grace", "--basic", "demo:demo"),
        ("sync", "grace"),
        ("serve", "--port", "0"),
        ("webhooks", "status", "grace"),
        ("secrets", "status"),
        ("secrets", "rotate"),
    ],
    ids=" ".join,
)
def test_nothing_that_needs_a_key_starts_without_one_in_production(connected: Run, words: tuple[str, ...]) -> None:
    done = connected(*words, OPENFAITH_SECRET_KEYS="")
    assert done.exit_code == 1
    assert done.stderr.startswith("openfaith-sync: OPENFAITH_SECRET_KEYS is not set")
    assert done.stderr.count("\n") == 1
