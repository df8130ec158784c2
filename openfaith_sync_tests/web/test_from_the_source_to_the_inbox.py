"""End to end: a simulated source announces, signs and delivers; the installed program subscribes and receives."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from openfaith_sync.cli import main
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.event_names import announcements
from openfaith_sync.simulator.server.server import (
    DeliveryFaults,
    RunningSimulator,
    SimulatorSettings,
    running_simulator,
)
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.store.making import fetch
from openfaith_sync_tests.ten_entities import MANIFESTS, ROOT

PROGRAM = Path(sys.executable).with_name("openfaith-sync")
QUICK_RETRIES = 0.000002
"""Five days of trying are a second."""
SUBSCRIPTIONS = "/webhooks/v2/subscriptions"

Run = Callable[..., Result]


@pytest.fixture
def church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=30, rate=None), pco_manifest) as simulator:
        yield simulator


@pytest.fixture
def environment(database: Database, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    return {
        **os.environ,
        "OPENFAITH_HOME": str(database.keys.home),
        "OPENFAITH_MANIFESTS": str(MANIFESTS),
        "OPENFAITH_DATABASE_URL": database.libpq_url,
        "OPENFAITH_SECRET_KEYS": SECRET_KEY,
        "OPENFAITH_PUBLIC_URL": "",
        "DAGSTER_HOME": str(tmp_path),
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run_command(*words: str, status: int = 0, stdin: str = "", **more: str) -> Result:
        done = CliRunner().invoke(main, words, input=stdin, env=environment | more)
        assert done.exit_code == status, done.output
        return done

    return run_command


@contextmanager
def serving(environment: dict[str, str], port: int = 0) -> Iterator[str]:
    """Run ``openfaith-sync serve`` and give its URL."""
    process = subprocess.Popen(
        [PROGRAM, "serve", "--port", str(port)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    try:
        said = process.stdout.readline()
        assert said.startswith("receiving webhooks at http://127.0.0.1:"), said
        yield said.split()[3]
    finally:
        process.terminate()
        assert process.wait(40) == 0
        process.stdout.close()


def connect(run: Run, church: RunningSimulator) -> None:
    run("org", "add", "grace", "--basic-stdin", "--base-url", church.base_url, stdin="demo:demo\n")


def at_source(church: RunningSimulator, path: str = SUBSCRIPTIONS) -> list[dict[str, Any]]:
    answer = httpx.get(f"{church.base_url}{path}?per_page=100", auth=("demo", "demo"), trust_env=False)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def announced(church: RunningSimulator) -> set[str]:
    """Return the uuids of all events that the source has for subscriptions."""
    events = [at_source(church, f"{SUBSCRIPTIONS}/{found['id']}/events") for found in at_source(church)]
    return {event["attributes"]["uuid"] for found in events for event in found}


def received(database: Database) -> set[str]:
    return {event_id for (event_id,) in fetch(database, "SELECT event_id FROM sync.webhook_events")}


def change_people(church: RunningSimulator, last_name: str) -> None:
    for number, person in enumerate(list(church.truth("person"))[:5]):
        church.change("person", person, {"last_name": last_name})
        church.create("email", {"address": f"{number}@example.org"}, {"person": person})


def test_all_that_a_source_announces_is_received_whatever_its_deliveries_go_through(
    church: RunningSimulator, database: Database, environment: dict[str, str], run: Run, pco_manifest: Manifest
) -> None:
    connect(run, church)
    wanted = sorted(announcements(pco_manifest))
    with serving(environment) as url:
        ensured = json.loads(run("webhooks", "ensure", "grace", "--json", OPENFAITH_PUBLIC_URL=url).stdout)
        assert (ensured["created"], ensured["refused"]) == (wanted, {})
        assert {s["attributes"]["url"] for s in at_source(church)} == {f"{url}/webhooks/pco/grace"}
        again = json.loads(run("webhooks", "ensure", "grace", "--json", OPENFAITH_PUBLIC_URL=url).stdout)
        assert again == {
            "wanted": len(wanted),
            "created": [],
            "adopted": [],
            "reactivated": [],
            "rotated": [],
            "removed": [],
            "refused": {},
            "missed": 0,
        }
        church.set_webhook_retry_scale(0.01)
        church.set_delivery_faults(DeliveryFaults(duplicate_share=0.5, disorder_seconds=0.2, batch=4))
        change_people(church, "Before")
        keep, remove, *_ = church.truth("person")
        church.merge(keep, remove)
        run("webhooks", "rotate", "grace")
        change_people(church, "After")
        # What is refused while a secret is new comes again.
        church.wait_delivered(30)
        assert {delivery["status"] for delivery in church.deliveries()} <= {200, 401}
        assert received(database) == announced(church)
    assert len(received(database)) > 20
    rows = fetch(database, "SELECT external_id, action FROM sync.webhook_events WHERE name LIKE '%%person_merger%%'")
    assert rows == [(remove, "merged")]
    status = json.loads(run("webhooks", "status", "grace", "--json").stdout)
    assert {row["event"] for row in status} == set(wanted)
    assert all(row["active"] for row in status)
    assert sum(row["received"] for row in status) == len(received(database))
    assert "secret" not in run("webhooks", "status", "grace").stdout
    run("webhooks", "remove", "grace", OPENFAITH_PUBLIC_URL=url)
    assert at_source(church) == []
    run("webhooks", "status", "grace", status=1)


def test_what_was_missed_while_the_receiver_was_away_is_fetched_when_the_subscription_is_switched_on_again(
    church: RunningSimulator, database: Database, environment: dict[str, str], run: Run
) -> None:
    connect(run, church)
    with serving(environment) as url:
        run("webhooks", "ensure", "grace", OPENFAITH_PUBLIC_URL=url)
    church.set_webhook_retry_scale(QUICK_RETRIES)
    change_people(church, "Unheard")
    deadline = time.monotonic() + 60
    # The source tries for days, which are seconds here, and then switches off what failed.
    while all(s["attributes"]["active"] for s in at_source(church)):
        assert time.monotonic() < deadline
    assert received(database) == set()
    missed = announced(church)
    report = json.loads(run("webhooks", "ensure", "grace", "--json", OPENFAITH_PUBLIC_URL=url).stdout)
    assert report["reactivated"]
    assert report["missed"] == len(missed)
    assert received(database) == missed
    assert all(s["attributes"]["active"] for s in at_source(church))


def test_without_a_public_url_no_source_is_asked(
    church: RunningSimulator, environment: dict[str, str], run: Run
) -> None:
    connect(run, church)
    answer = run("webhooks", "ensure", "grace", status=1)
    assert "OPENFAITH_PUBLIC_URL is not set" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert at_source(church) == []
    assert "OPENFAITH_PUBLIC_URL" in run("webhooks", "ensure", "grace", status=1, OPENFAITH_PUBLIC_URL="x y").stderr
    assert "there is no org" in run("webhooks", "rotate", "nobody", status=1).stderr
    assert "there is no org" in run("webhooks", "status", "nobody", status=1).stderr
