"""Churches live for some minutes under `dagster dev`, and every copy ends in its church's truth.

Half of them announce what happens, with losses, repetitions and disorder; the others are polled. At no
moment is a record tombstoned that its church still has. Once undisturbed, once with the daemon and the
receiver killed again and again.

`OPENFAITH_SCENARIO_ORGS` and `OPENFAITH_SCENARIO_SECONDS` make it larger or longer.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.schedule.due_work import ALL, WorkMode
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.postgres.embedded_server import stop_embedded
from openfaith_sync.store.schedule.intervals import set_intervals
from openfaith_sync_tests.defs.conftest import ROOT, Deployment
from openfaith_sync_tests.scenarios.churches import PCO, Churches, living_churches
from openfaith_sync_tests.scenarios.running import (
    Service,
    dagster_service,
    free_port,
    look_sooner,
    receiver_service,
)

ORGS = int(os.environ.get("OPENFAITH_SCENARIO_ORGS", "4"))
SECONDS = float(os.environ.get("OPENFAITH_SCENARIO_SECONDS", "80"))
PEOPLE = 40
SECONDS_BETWEEN_HAPPENINGS = 0.5
SECONDS_BETWEEN_LOOKS = 5
SECONDS_BETWEEN_KILLS = 35
SECONDS_BETWEEN_RECONCILIATIONS = 45
SYNCED_WITHIN_SECONDS = 300
EQUAL_WITHIN_SECONDS = 420

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="killing dagster dev with its children takes POSIX processes"
)


@contextmanager
def new_deployment() -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="openfaith-scenario-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        shutil.copy(ROOT / "dagster.yaml", folder)
        shutil.copy(ROOT / "workspace.yaml", folder)
        look_sooner(folder)
        yield Deployment(folder)
        stop_embedded(folder / ".openfaith")


def connect_all(churches: Churches) -> None:
    """Do what `openfaith-sync org add` does; the sensors do the rest."""
    for org, simulator in churches.simulators.items():
        credentials = BasicCredentials(simulator.application_id, simulator.secret)
        add_connection(churches.database, Connection(org, PCO, simulator.base_url, credentials))
        # Years happen here within minutes: what goes in them would be too much for one day.
        set_org(churches.database, org, deletion_count=1_000_000)


def poll_often(churches: Churches) -> None:
    """Do what `openfaith-sync org set --delta-every 20s` does."""
    for org in churches.simulators:
        set_intervals(churches.database, org, PCO, {(ALL, WorkMode.DELTA): timedelta(seconds=20)})


def wait_for(
    seconds: float, is_so: Callable[[], bool], what: str, meanwhile: Callable[[], None] = lambda: None
) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"{what} took longer than {seconds:.0f} s"
        meanwhile()
        # Other processes do the work and have no way to tell us; asking is all there is.
        time.sleep(1)


def completed(churches: Churches) -> int:
    with churches.database.connect_fleet() as connection:
        rows = connection.execute("SELECT count(*) FROM sync.checkpoints WHERE completed_at IS NOT NULL").fetchall()
    return int(rows[0][0])


def live(churches: Churches, seconds: float, disturb: Callable[[float], None]) -> None:
    """Apply mutations for the given time, and look for false tombstones throughout."""
    began = time.monotonic()
    next_look, next_reconciliation = began, began
    while (now := time.monotonic()) - began < seconds:
        churches.happen()
        disturb(now)
        if now >= next_look:
            assert churches.false_tombstones() == []
            next_look = now + SECONDS_BETWEEN_LOOKS
        if now >= next_reconciliation:
            churches.ask_for("reconciliation")
            next_reconciliation = now + SECONDS_BETWEEN_RECONCILIATIONS
        time.sleep(SECONDS_BETWEEN_HAPPENINGS)


class Killer:
    """Kills one of the services every so often, in turn, and starts it again."""

    def __init__(self, *services: Service) -> None:
        self._services = services
        self._next = time.monotonic() + SECONDS_BETWEEN_KILLS
        self.kills = 0

    def __call__(self, now: float) -> None:
        if now < self._next:
            return
        service = self._services[self.kills % len(self._services)]
        service.kill()
        service.start()
        self.kills += 1
        self._next = time.monotonic() + SECONDS_BETWEEN_KILLS


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("is_killed", [False, True], ids=["undisturbed", "daemon and receiver killed"])
def test_every_copy_ends_in_the_truth_and_no_tombstone_is_ever_false(is_killed: bool, pco_manifest: Manifest) -> None:
    port = free_port()
    with new_deployment() as deployment:
        environment = {**deployment.environment, "OPENFAITH_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        database = open_database(deployment.settings)
        with living_churches(database, pco_manifest, ORGS, PEOPLE) as churches:
            connect_all(churches)
            poll_often(churches)
            receiver = receiver_service(deployment, environment, port)
            dagster = dagster_service(deployment, environment)
            receiver.start()
            dagster.start()
            try:
                entities = len(pco_manifest.entities)
                wait_for(SYNCED_WITHIN_SECONDS, lambda: completed(churches) >= ORGS * entities, "the first syncs")
                killer = Killer(dagster, receiver)
                live(churches, SECONDS, killer if is_killed else lambda _: None)
                assert bool(killer.kills) == is_killed
                churches.ask_for("reconciliation")
                settle(churches)
            except BaseException:
                # Whoever reads a failure needs the daemon's last words. Raised again.
                print(dagster.tail(), receiver.tail(), sep="\n")
                raise
            finally:
                dagster.stop()
                receiver.stop()
            assert churches.false_tombstones() == []
            assert churches.tombstones() > 0
            assert receiver.starts == 1 or is_killed


def settle(churches: Churches) -> None:
    """Wait, now that nothing happens any more, until every row is as its church has it."""
    last_ask = time.monotonic()

    def ask_again() -> None:
        nonlocal last_ask
        if time.monotonic() - last_ask > SECONDS_BETWEEN_RECONCILIATIONS:
            churches.ask_for("reconciliation")
            last_ask = time.monotonic()

    said: list[str] = []

    def is_equal() -> bool:
        said[:] = churches.disagreements()
        return not said

    try:
        wait_for(EQUAL_WITHIN_SECONDS, is_equal, "agreeing with the truth", ask_again)
    except AssertionError as error:
        raise AssertionError(f"{error}; still different:\n" + "\n".join(said[:40])) from None
