"""Laws 6 and 13: what was readable is expected back, soon and green by itself; one incident is one probe for all."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.incidents import list_incidents
from openfaith_sync_tests.defs.ticking import Ticking, ticking
from openfaith_sync_tests.laws.synced_church import running
from openfaith_sync_tests.store.making import run
from openfaith_sync_tests.store.present_alerts import present_alerts

ORGS = ("first", "second", "third", "fourth", "fifth")
EMAIL = EntityName("email")
DENIED = Fault(kind="status", status=403, path="/people/v2/emails")
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def church_process(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running(pco_manifest, 12) as simulator:
        yield simulator


@pytest.fixture
def church(church_process: RunningSimulator) -> Iterator[RunningSimulator]:
    yield church_process
    church_process.clear_faults()
    church_process.clear_requests()


@pytest.fixture
def plan(database: Database, pco_manifest: Manifest, tmp_path: Path) -> Iterator[Ticking]:
    with ticking(database, pco_manifest, tmp_path) as found:
        yield found


MOMENTS = {
    "disabled_entities": ("ask_again_at", "since"),
    "refusal_incidents": ("probe_at", "opened_at"),
    "checkpoints": ("checked_at", "completed_at"),
}


def pass_time(plan: Ticking, span: timedelta) -> None:
    """Move the due times, refusals and read times back."""
    plan.pass_time(span)
    for table, columns in MOMENTS.items():
        for column in columns:
            run(plan.database, f"UPDATE sync.{table} SET {column} = {column} - %s", span)


def asked_for_emails(church: RunningSimulator) -> int:
    return sum(request["path"] == "/people/v2/emails" for request in church.requests())


def only_emails(plan: Ticking) -> None:
    """Make only the entity in question due: each of the others would cost a request."""
    run(
        plan.database,
        "UPDATE sync.work SET not_before = now() + interval '30 days' WHERE mode = 'delta' AND entity <> 'email'",
    )


def test_what_was_readable_fails_once_is_asked_again_soon_and_turns_green_by_itself(
    plan: Ticking, church: RunningSimulator
) -> None:
    org = plan.connect("grace", church)
    plan.full_sync(org)
    only_emails(plan)
    church.fault(DENIED)
    (request,) = plan.tick("delta").run_requests or ()
    ended = plan.execute("pco_delta_sync", request)
    assert not ended.success
    failure = next(event for event in ended.all_events if event.is_step_failure)
    assert "could be read at" in str(failure.event_specific_data)
    plan.start(request, dg.DagsterRunStatus.FAILURE)

    # Until it is time nothing asks, and the plan knows when that is.
    pass_time(plan, MINUTE)
    church.clear_requests()
    for _ in range(2):
        assert not plan.tick("delta").run_requests
        pass_time(plan, MINUTE)
    assert asked_for_emails(church) == 0
    assert plan.work("delta", org, "email")["due_in"] < 3 * MINUTE

    # Asked once more, it is refused again: no second red run says the same.
    pass_time(plan, 3 * MINUTE)
    assert not plan.tick("delta").run_requests
    assert asked_for_emails(church) == 1
    (alert,) = present_alerts(plan.database)
    assert (alert.cause, alert.orgs) == ("connection", (org,))

    # Readable again, though nothing changed: a run takes back the red one.
    church.clear_faults()
    pass_time(plan, 16 * MINUTE)
    (request,) = plan.tick("delta").run_requests or ()
    assert plan.execute("pco_delta_sync", request).success
    assert plan.fetch("SELECT FROM sync.disabled_entities") == []
    assert present_alerts(plan.database) == []


def test_an_incident_is_one_probe_and_one_alert_and_ends_for_all_with_the_first_answer(
    plan: Ticking, church: RunningSimulator
) -> None:
    orgs = [plan.connect(name, church) for name in ORGS]
    plan.full_sync(*orgs)
    only_emails(plan)
    pass_time(plan, MINUTE)
    church.fault(DENIED)
    plan.tick("delta")
    assert [incident.entity for incident in list_incidents(plan.database)] == [EMAIL]
    (alert,) = present_alerts(plan.database)
    assert (alert.cause, set(alert.orgs)) == ("outage", set(orgs))
    assert "give" not in alert.detail

    # Whatever is due, one probe goes out for all of them.
    run(plan.database, "UPDATE sync.work SET not_before = now() WHERE entity = 'email' AND run_key IS NULL")
    pass_time(plan, 6 * MINUTE)
    church.clear_requests()
    answer = plan.tick("delta")
    assert not answer.run_requests
    assert "pco has refused email to many orgs since" in str(answer.skip_message)
    assert asked_for_emails(church) == 1

    # It is over: a change that came meanwhile reaches every org within the next ticks.
    church.clear_faults()
    church.change("email", min(church.truth("email")), {"location": "Elsewhere"})
    pass_time(plan, 6 * MINUTE)
    asked: set[str | None] = set()
    for _ in range(8):
        asked |= {request.partition_key for request in plan.tick("delta").run_requests or ()}
        if asked == set(orgs):
            break
        pass_time(plan, MINUTE)
    assert asked == set(orgs)
    assert list_incidents(plan.database) == []
    assert present_alerts(plan.database) == []
