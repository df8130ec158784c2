"""From a change at the source to its row here, with everything running.

`dagster dev` with its daemon and sensors, the receiver of webhooks, PostgreSQL and all the churches share
this machine. A change is timed from asking the simulator for it to the row that shows it.
"""

import statistics
import time
from dataclasses import dataclass

from rich.console import Console

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync_tests.scenarios.churches import Churches, calm_churches
from openfaith_sync_tests.scenarios.running import dagster_service, free_port, receiver_service
from openfaith_sync_tests.scenarios.test_churches_live_for_minutes import (
    SYNCED_WITHIN_SECONDS,
    completed,
    connect_all,
    new_deployment,
    wait_for,
)
from openfaith_sync_tests.ten_entities import MANIFESTS

ORGS = 8
PEOPLE = 200
CHANGES = 60
SECONDS_BETWEEN = 2.0
SECONDS_BETWEEN_LOOKS = 0.05
LOST_AFTER_SECONDS = 60

_CHANGED = """
SELECT person.org_id, person.first_name FROM openfaith.people AS person
WHERE person.first_name LIKE 'Renamed %'
"""


@dataclass(frozen=True)
class Measured:
    seconds: tuple[float, ...]
    lost: int


def measure() -> Measured:
    manifest = read_manifest(MANIFESTS, "pco")
    port = free_port()
    with new_deployment() as deployment:
        database = open_database(deployment.settings)
        environment = {**deployment.environment, "OPENFAITH_PUBLIC_URL": f"http://127.0.0.1:{port}"}
        with calm_churches(database, manifest, ORGS, PEOPLE) as churches:
            connect_all(churches)
            services = [receiver_service(deployment, environment, port), dagster_service(deployment, environment)]
            for service in services:
                service.start()
            try:
                wanted = ORGS * len(manifest.entities)
                wait_for(SYNCED_WITHIN_SECONDS, lambda: completed(churches) >= wanted, "the first syncs")
                wait_for(SYNCED_WITHIN_SECONDS, lambda: are_subscribed(churches), "subscribing")
                return time_changes(database, churches)
            finally:
                for service in services:
                    service.stop()


def are_subscribed(churches: Churches) -> bool:
    return all(simulator.webhooks()["subscriptions"] for simulator in churches.simulators.values())


def time_changes(database: Database, churches: Churches) -> Measured:
    people = {org: sorted(simulator.truth("person"), key=int) for org, simulator in churches.simulators.items()}
    orgs = list(people)
    began: dict[tuple[OrgId, str], float] = {}
    found: list[float] = []
    next_change, made = time.monotonic(), 0
    with database.connect_fleet() as connection:
        while made < CHANGES or began:
            now = time.monotonic()
            if made < CHANGES and now >= next_change:
                org, name = orgs[made % len(orgs)], f"Renamed {made}"
                began[org, name] = now
                churches.simulators[org].change("person", people[org][made // len(orgs)], {"first_name": name})
                made, next_change = made + 1, now + SECONDS_BETWEEN
            seen = began.keys() & {(OrgId(row[0]), str(row[1])) for row in connection.execute(_CHANGED).fetchall()}
            found += [time.monotonic() - began.pop(change) for change in seen]
            if made == CHANGES and began and now - max(began.values()) > LOST_AFTER_SECONDS:
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return Measured(tuple(sorted(found)), len(began))


def show(measured: Measured, console: Console) -> None:
    cuts = statistics.quantiles(measured.seconds, n=20)
    console.print(
        f"a change to its row, {ORGS} churches, everything running: {len(measured.seconds)} changes, "
        f"p50 {cuts[9]:.1f} s, p95 {cuts[18]:.1f} s, slowest {measured.seconds[-1]:.1f} s, {measured.lost} not seen"
    )
