"""Trouble shows on the church's partition in Dagster, in `status --check` and in one alert, and ends by what it says.

One church revokes its token, one does not respond, one loses a third of its addresses, one has a record that the
manifest cannot map, and one answers nothing that can be read. The daemon is the only process that runs meanwhile.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable

import dagster as dg
import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.simulator.server.server import Fault
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync_tests.alert_receiver import alert_receiver
from openfaith_sync_tests.defs.conftest import new_deployment, open_instance
from openfaith_sync_tests.scenarios.running import Service
from openfaith_sync_tests.scenarios.troubled_churches import (
    AWAY,
    EMPTIED,
    FAILING,
    MISREAD,
    ORGS,
    REVOKED,
    Check,
    TroubledChurches,
    daemon_command,
    failed_checks,
    of_connection,
    troubled_churches,
)

PATIENCE_SECONDS = 240
"""A quiet machine takes a fifth of this."""
LOST_ADDRESSES = 12
KINDS = {
    REVOKED: ProblemKind.CONNECTION,
    AWAY: ProblemKind.OUTAGE,
    FAILING: ProblemKind.FRESHNESS,
    EMPTIED: ProblemKind.DELETIONS_HELD,
    MISREAD: ProblemKind.DEAD_LETTERS,
}
RED: dict[OrgId, set[Check]] = {org: {of_connection(kind)} for org, kind in KINDS.items()}
# Where a person decides about an entity's records, its own partition is red too.
RED[EMPTIED] |= {("email", ProblemKind.DELETIONS_HELD.value)}
RED[MISREAD] |= {("household", ProblemKind.DEAD_LETTERS.value)}
GREEN: dict[OrgId, set[Check]] = {org: set() for org in ORGS}
SAID = {
    REVOKED: ("CRITICAL", "pco access refused"),
    AWAY: ("WARNING", "pco source down"),
    FAILING: ("CRITICAL", "pco syncs behind"),
    EMPTIED: ("WARNING", "pco deletions held for approval"),
    MISREAD: ("WARNING", "pco records set aside"),
}
OPENED = {org: f"{severity}: {headline} for {org}" for org, (severity, headline) in SAID.items()}
RECOVERED = {org: f"RECOVERED: {headline}" for org, (_, headline) in SAID.items()}

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="ending the daemon with its children takes POSIX processes"
)


@pytest.mark.long
def test_every_trouble_is_red_told_and_ended_by_what_it_says(pco_manifest: Manifest) -> None:
    with (
        new_deployment() as deployment,
        alert_receiver() as receiver,
        troubled_churches(deployment, receiver, pco_manifest) as churches,
        open_instance(deployment) as instance,
    ):
        for org in ORGS:
            churches.run(f"openfaith-sync sync {org}")
        assert list_problems(churches.database) == []
        daemon = Service("daemon", daemon_command(), deployment.folder, churches.environment)
        daemon.start()
        try:
            wait_until_none(lambda: without_plan(churches), "the plan of all orgs")
            make_trouble(churches)
            wait_until_none(lambda: difference(instance, RED), "red partitions", lambda: retry_soon(churches))
            check_status(churches)
            wait_until_none(lambda: untold(churches, OPENED.values()), "alerts", lambda: settle(churches))
            correct(churches)
            wait_until_none(lambda: difference(instance, GREEN), "green partitions", lambda: probe_soon(churches))
            churches.run("openfaith-sync status --check")
            wait_until_none(lambda: untold(churches, RECOVERED.values()), "recoveries", lambda: be_calm(churches))
            assert sorted(receiver.titles) == sorted((*OPENED.values(), *RECOVERED.values()))
        except BaseException:
            # Whoever reads a failure needs the daemon's last words. Raised again.
            print(daemon.tail(), receiver.messages, sep="\n")
            raise
        finally:
            daemon.stop()


def wait_until_none(find: Callable[[], object], what: str, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait until nothing is found any more, and say what is if that takes too long."""
    began = time.monotonic()
    while found := find():
        assert time.monotonic() - began < PATIENCE_SECONDS, f"{what}: still {found}"
        meanwhile()
        # Other processes do the work and have no way to tell us; asking is all there is.
        time.sleep(2)
    print(f"{what} after {time.monotonic() - began:.0f} s")


def without_plan(churches: TroubledChurches) -> set[OrgId]:
    """Return the orgs that the daemon has not planned yet."""
    return set(ORGS) - {org for (org,) in churches.fetch("SELECT org_id FROM sync.work")}


def difference(instance: dg.DagsterInstance, wanted: dict[OrgId, set[Check]]) -> dict[OrgId, set[Check]]:
    """Return by org which checks have failed and should not have, and the other way round."""
    failed = failed_checks(instance)
    return {org: different for org in ORGS if (different := failed[org] ^ wanted[org])}


def make_trouble(churches: TroubledChurches) -> None:
    """Cause a different trouble at each church, and make what the daemon checks due at once."""
    simulators = churches.simulators
    simulators[REVOKED].revoke_grants()
    simulators[AWAY].fault(Fault(kind="outage"))
    simulators[FAILING].fault(Fault(kind="truncated_json"))
    for identity in list(simulators[EMPTIED].truth("email"))[:LOST_ADDRESSES]:
        simulators[EMPTIED].delete("email", identity)
    household = next(iter(simulators[MISREAD].truth("household")))
    simulators[MISREAD].move("household", household, "primary_contact", None)
    churches.make_due("delta", REVOKED, AWAY, FAILING, MISREAD)
    churches.make_due("reconciliation", EMPTIED)


def retry_soon(churches: TroubledChurches) -> None:
    """Shorten the minutes between two tries of what failed."""
    churches.execute(
        "UPDATE sync.work SET not_before = now() WHERE org_id = ANY (%s) AND attempts > 0 AND run_key IS NULL",
        [AWAY, FAILING],
    )


def settle(churches: TroubledChurches) -> None:
    """Shorten the seconds in which an alert waits for others of its cause."""
    churches.execute("UPDATE sync.alerts SET first_seen_at = least(first_seen_at, now() - interval '11 seconds')")


def be_calm(churches: TroubledChurches) -> None:
    """Shorten the minutes in which a cause may come back."""
    churches.execute("UPDATE sync.alerts SET last_seen_at = now() - interval '3 minutes' WHERE closed_at IS NULL")


def untold(churches: TroubledChurches, wanted: Iterable[str]) -> set[str]:
    """Return the titles of these that no message had yet."""
    return set(wanted) - set(churches.receiver.titles)


def check_status(churches: TroubledChurches) -> None:
    status, output, errors = churches.command("openfaith-sync status --check --json")
    assert status == 1, errors
    assert sorted((row["org"], row["kind"]) for row in json.loads(output)) == sorted(KINDS.items())


def correct(churches: TroubledChurches) -> None:
    """Do what each alert says; what is wrong at the sources first, as it would be."""
    told = churches.commands_told()
    churches.consent(told[OPENED[REVOKED]])
    for org in (AWAY, FAILING):
        churches.simulators[org].clear_faults()
    churches.run(told[OPENED[FAILING]])
    churches.run(told[OPENED[AWAY]])
    approve = re.findall(r"openfaith-sync holds approve \d+", churches.run(told[OPENED[EMPTIED]]))
    follow = re.findall(r"next: (openfaith-sync sync .+)", churches.run(approve[0]))
    assert churches.live_addresses(EMPTIED) > len(churches.simulators[EMPTIED].truth("email"))
    churches.run(follow[0])
    assert churches.live_addresses(EMPTIED) == len(churches.simulators[EMPTIED].truth("email"))
    replay = re.findall(r"openfaith-sync dead-letters replay .+", churches.run(told[OPENED[MISREAD]]))
    churches.correct()
    churches.run(replay[0])


def probe_soon(churches: TroubledChurches) -> None:
    """Shorten the wait for the next probe of a source that did not respond."""
    churches.execute("UPDATE sync.breakers SET probe_at = now() WHERE probe_at > now()")
