"""What starts by itself: new orgs, changes, nights, and what was lost on the way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.defs.sensors import delta_sensor
from openfaith_sync.defs.sensors.webhook_sensor import listen
from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.connections.connections import set_connection_status
from openfaith_sync.store.connections.selections import select_only
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schedule.work import Plan
from openfaith_sync_tests.added_entity import NOTE, read_with_note
from openfaith_sync_tests.defs.ticking import PCO, Ticking, ticking

MINUTE = timedelta(minutes=1)


@pytest.fixture
def plan(database: Database, pco_manifest: Manifest, tmp_path: Path) -> Iterator[Ticking]:
    with ticking(database, pco_manifest, tmp_path) as found:
        yield found


@pytest.fixture
def own_church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=60, rate=None), pco_manifest) as simulator:
        yield simulator


def test_a_new_connection_becomes_a_partition_and_one_full_sync(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    first = plan.tick("connections")
    assert plan.instance.get_dynamic_partitions("org") == [org]
    (request,) = first.run_requests or ()
    assert request.partition_key == org
    assert request.tags["openfaith/bulk"] == org
    assert request.tags["dagster/max_retries"] == "0"
    assert request.run_config["ops"]["pco"] == {"config": {"mode": "full"}}
    second = plan.tick("connections")
    assert not second.run_requests
    assert "1 run in progress" in (second.skip_message or "")


def test_a_new_entity_has_its_table_before_its_first_run_and_its_records_after(
    database: Database, tmp_path: Path
) -> None:
    manifest = read_with_note(tmp_path)
    with (
        ticking(database, manifest, tmp_path) as plan,
        running_simulator(SimulatorSettings(people=60, rate=None), manifest) as simulator,
    ):
        plan.tick("connections")
        assert plan.fetch("SELECT count(*) FROM pco.notes") == [(0,)]
        plan.connect("grace", simulator)
        (request,) = plan.tick("connections").run_requests or ()
        result = plan.execute("pco_full_sync", request)
        assert result.success
        (event,) = (
            event.materialization
            for event in result.get_asset_materialization_events()
            if event.asset_key == asset_key(PCO, NOTE)
        )
        count = event.metadata["stored_count"].value
        assert plan.fetch("SELECT count(*) FROM pco.notes") == [(count,)]
        assert count == len(simulator.truth(NOTE))
        # Nobody has looked at what a note holds: the preview shows none of it.
        preview = str(event.metadata["preview"].value)
        assert "person_id" in preview
        assert not [note for (note,) in plan.fetch("SELECT note FROM pco.notes") if note and note in preview]


def test_nothing_else_is_asked_of_an_org_before_its_full_sync_is_done(plan: Ticking, church: RunningSimulator) -> None:
    plan.connect("grace", church)
    plan.tick("connections")
    for sensor in ("delta", "reconciliation", "webhooks"):
        assert not plan.tick(sensor).run_requests


def test_a_finished_full_sync_is_not_asked_for_again_before_somebody_does(
    plan: Ticking, church: RunningSimulator
) -> None:
    org = plan.connect("grace", church)
    plan.full_sync(org)
    work = plan.work("full", org)
    assert (work["due_in"], work["run_key"], work["attempts"], work["reason"]) == (None, None, 0, "done")
    assert work["run_id"]


def test_a_quiet_org_costs_one_request_an_entity_and_no_run(plan: Ticking, own_church: RunningSimulator) -> None:
    org = plan.connect("grace", own_church)
    plan.full_sync(org)
    runs = plan.instance.get_runs_count()
    own_church.clear_requests()
    answer = plan.tick("delta")
    assert not answer.run_requests
    assert "checked 1 org: no changes" in (answer.skip_message or "")
    assert "next delta at" in (answer.skip_message or "")
    listed = [request["path"] for request in own_church.requests()]
    assert len(listed) == len(set(listed)) == len(LISTED), listed
    assert plan.instance.get_runs_count() == runs
    assert timedelta() < plan.work("delta", org, "person")["due_in"] < timedelta(minutes=15)
    assert not plan.tick("delta").run_requests
    assert len(own_church.requests()) == len(LISTED)


def change(church: RunningSimulator, entity: str, attribute: str) -> None:
    identity = next(iter(church.truth(entity)))
    church.change(entity, identity, {attribute: "Changed"})


LISTED = ("campus", "household", "person", "address", "email", "phone_number", "group", "event")


def test_a_change_is_one_run_of_what_changed(plan: Ticking, own_church: RunningSimulator) -> None:
    org = plan.connect("grace", own_church)
    plan.full_sync(org)
    change(own_church, "person", "last_name")
    (request,) = plan.tick("delta").run_requests or ()
    chosen = {key.path[-1] for key in request.asset_selection or ()}
    assert "person" in chosen
    assert "campus" not in chosen
    assert plan.execute("pco_delta_sync", request).success
    assert plan.fetch("SELECT count(*) FROM openfaith.people WHERE last_name = 'Changed'") == [(1,)]
    plan.tick("delta")
    assert plan.work("delta", org, "person")["reason"] == "done"


def test_a_run_that_was_never_made_is_asked_for_again_by_another_key(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    (lost,) = plan.tick("connections").run_requests or ()
    plan.pass_time(3 * MINUTE)
    assert "1 run to be retried" in (plan.tick("connections").skip_message or "")
    assert plan.work("full", org)["reason"] == "its run was lost"
    plan.pass_time(MINUTE)
    (again,) = plan.tick("connections").run_requests or ()
    assert again.run_key != lost.run_key
    assert str(again.run_key).endswith("/1")


def test_a_failed_run_is_asked_for_again_after_longer_and_longer(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    keys = set()
    for minutes in (1, 5, 15, 60, 60):
        (request,) = plan.tick("connections").run_requests or ()
        keys.add(request.run_key)
        plan.start(request, dg.DagsterRunStatus.FAILURE)
        assert not plan.tick("connections").run_requests
        due_in = plan.work("full", org)["due_in"]
        assert timedelta(minutes=minutes - 1) < due_in <= timedelta(minutes=minutes)
        plan.pass_time(due_in)
    assert len(keys) == 5


def test_a_run_under_way_is_waited_for_however_long(plan: Ticking, church: RunningSimulator) -> None:
    plan.connect("grace", church)
    (request,) = plan.tick("connections").run_requests or ()
    plan.start(request, dg.DagsterRunStatus.STARTED)
    plan.pass_time(60 * MINUTE)
    assert not plan.tick("connections").run_requests


def test_what_a_failed_run_did_complete_is_not_asked_for_again(plan: Ticking, own_church: RunningSimulator) -> None:
    org = plan.connect("grace", own_church)
    plan.full_sync(org)
    for entity in ("person", "campus"):
        change(own_church, entity, "last_name" if entity == "person" else "name")
    (request,) = plan.tick("delta").run_requests or ()
    own_church.fault(Fault(path="/people/v2/campuses", kind="status", status=403))
    assert not plan.execute("pco_delta_sync", request).success
    plan.tick("delta")
    assert plan.work("delta", org, "person")["attempts"] == 0
    assert plan.work("delta", org, "campus")["attempts"] == 1


def test_a_paused_or_refused_org_is_left_alone(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    for status in (ConnectionStatus.PAUSED, ConnectionStatus.RECONNECT_NEEDED):
        set_connection_status(plan.database, org, PCO, status)
        assert not plan.tick("connections").run_requests
        assert plan.instance.get_dynamic_partitions("org") == [org]
    set_connection_status(plan.database, org, PCO, ConnectionStatus.ACTIVE)
    assert plan.tick("connections").run_requests


def test_a_source_that_fails_keeps_no_other_org_waiting(
    plan: Ticking, own_church: RunningSimulator, church: RunningSimulator
) -> None:
    sick, well = plan.connect("sick", own_church), plan.connect("well", church)
    plan.full_sync(sick, well)
    own_church.fault(Fault(path="/people/v2/campuses", kind="status", status=503))
    answer = plan.tick("delta")
    assert "1 without changes, 1 not responding" in (answer.skip_message or "")
    assert plan.work("delta", sick, "campus")["attempts"] == 1
    assert plan.work("delta", well, "campus")["attempts"] == 0


def test_a_source_that_hangs_goes_to_the_back_of_the_queue(
    plan: Ticking, own_church: RunningSimulator, church: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, well = plan.connect("a-slow", own_church), plan.connect("b-well", church)
    plan.full_sync(slow, well)
    monkeypatch.setattr(delta_sensor, "PARALLEL_ORGS", 1)
    monkeypatch.setattr(delta_sensor, "TICK_SECONDS", 1.0)
    own_church.fault(Fault(path="/people/v2/households", kind="slow", delay_ms=3000))
    answer = plan.tick("delta")
    assert "checked 2 orgs: 1 not responding, 1 not reached in time" in (answer.skip_message or "")
    assert plan.work("delta", slow, "campus")["attempts"] == 0
    late = plan.work("delta", slow, "household")
    assert (late["attempts"], late["reason"]) == (1, "did not respond within 1 s")
    monkeypatch.undo()
    assert "checked 1 org: no changes" in (plan.tick("delta").skip_message or "")


def test_what_changed_and_finds_no_place_is_not_asked_about_at_each_tick(
    plan: Ticking, own_church: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    orgs = [plan.connect(name, own_church) for name in ("a", "b")]
    plan.full_sync(*orgs)
    change(own_church, "person", "last_name")
    monkeypatch.setattr(delta_sensor, "MAX_ACTIVE_RUNS", 1)
    (request,) = plan.tick("delta").run_requests or ()
    (left,) = set(orgs) - {request.partition_key}
    waits = plan.work("delta", left, "person")
    assert (waits["run_key"], waits["reason"], waits["attempts"]) == (None, "changed; waiting for a free run", 0)
    assert timedelta() < waits["due_in"] <= MINUTE
    monkeypatch.undo()
    own_church.clear_requests()
    assert not plan.tick("delta").run_requests
    assert own_church.requests() == []
    plan.pass_time(MINUTE)
    (request,) = plan.tick("delta").run_requests or ()
    assert request.partition_key == left


def test_refused_credentials_set_the_connection_aside(plan: Ticking, own_church: RunningSimulator) -> None:
    org = plan.connect("grace", own_church)
    plan.full_sync(org)
    own_church.fault(Fault(path="", kind="status", status=401))
    plan.tick("delta")
    assert plan.fetch("SELECT status FROM sync.connections WHERE org_id = %s", org) == [("reconnect_needed",)]
    own_church.clear_requests()
    plan.pass_time(600 * MINUTE)
    assert not plan.tick("delta").run_requests
    assert own_church.requests() == []


def test_the_night_of_each_org_is_its_own(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    plan.full_sync(org)
    night = plan.work("reconciliation", org)
    assert timedelta() < night["due_in"] < timedelta(days=1)
    assert not plan.tick("reconciliation").run_requests
    plan.pass_time(night["due_in"])
    (request,) = plan.tick("reconciliation").run_requests or ()
    assert request.run_config["ops"]["pco"] == {"config": {"mode": "reconciliation"}}
    plan.start(request, dg.DagsterRunStatus.SUCCESS)
    plan.tick("reconciliation")
    assert night["due_in"] - MINUTE < plan.work("reconciliation", org)["due_in"] < night["due_in"]


def test_what_is_held_waits_for_the_night_not_for_a_minute(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    # There it is about noon, whenever the test is run.
    hours = 12 - datetime.now(UTC).hour
    set_org(plan.database, org, time_zone=f"Etc/GMT{-hours:+d}")
    plan.full_sync(org)
    plan.pass_time(plan.work("reconciliation", org)["due_in"])
    (request,) = plan.tick("reconciliation").run_requests or ()
    plan.start(request, dg.DagsterRunStatus.FAILURE)
    plan.run(
        "INSERT INTO sync.holds (org_id, adapter, entity, pass_id, missing, live, reason) "
        "VALUES (%s, 'pco', 'person', 1, 50, 60, 'test')",
        org,
    )
    plan.tick("reconciliation")
    work = plan.work("reconciliation", org)
    assert work["due_in"] > timedelta(hours=1)
    assert work["reason"] == "its run failed; a safety stop waits"


def test_a_removed_connection_takes_its_partition_along(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    plan.tick("connections")
    plan.run("DELETE FROM sync.connections WHERE org_id = %s", org)
    plan.tick("connections")
    assert plan.instance.get_dynamic_partitions("org") == []


def test_events_of_an_org_are_one_run_at_a_time(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    plan.full_sync(org)
    announce(plan, org, range(900))
    (request,) = plan.tick("webhooks").run_requests or ()
    assert request.partition_key == org
    assert request.tags["openfaith/records"] == org
    announce(plan, org, range(900, 910))
    assert not plan.tick("webhooks").run_requests
    plan.start(request, dg.DagsterRunStatus.SUCCESS)
    plan.run("UPDATE sync.webhook_events SET done_at = now() WHERE event_id < 'e900'")
    (following,) = plan.tick("webhooks").run_requests or ()
    assert following.run_key != request.run_key


def test_events_that_a_run_left_are_another_question(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    plan.full_sync(org)
    announce(plan, org, range(2))
    (request,) = plan.tick("webhooks").run_requests or ()
    plan.start(request, dg.DagsterRunStatus.SUCCESS)
    (following,) = plan.tick("webhooks").run_requests or ()
    assert following.run_key != request.run_key


def test_events_are_asked_for_while_a_bulk_run_goes_on(plan: Ticking, church: RunningSimulator) -> None:
    org = plan.connect("grace", church)
    plan.tick("connections")
    announce(plan, org, range(1))
    assert plan.tick("webhooks").run_requests


def test_an_event_that_comes_during_a_tick_does_not_wait_for_the_next(
    database: Database, pco_manifest: Manifest, plan: Ticking, church: RunningSimulator
) -> None:
    org = plan.connect("grace", church)
    plan.tick("connections")
    rows = Plan.of(pco_manifest, pco_manifest.graph.entities)
    with ThreadPoolExecutor(1) as thread:
        listening = thread.submit(listen, plan.instance, database, rows, 60)
        announce(plan, org, range(1))
        assert isinstance(listening.result(timeout=30), dg.SensorResult)


def announce(plan: Ticking, org: str, numbers: range) -> None:
    plan.run(
        "INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action) "
        "SELECT %s, 'pco', 'e' || lpad(n::text, 3, '0'), 'x', 'person', n::text, 'updated' FROM unnest(%s::int[]) n",
        org, list(numbers),
    )  # fmt: skip


def test_what_an_org_did_not_choose_is_neither_requested_nor_checked(
    plan: Ticking, own_church: RunningSimulator
) -> None:
    org = plan.connect("grace", own_church)
    select_only(plan.database, org, PCO, ("groups",))
    groups = {name for name, entity in plan.manifest.entities.items() if entity.module == "groups"}
    (request,) = plan.tick("connections").run_requests or ()
    assert {key.path[1] for key in request.asset_selection or ()} == groups
    plan.start(request, dg.DagsterRunStatus.SUCCESS)
    plan.tick("connections")
    (request,) = plan.tick("delta").run_requests or ()
    assert {key.path[1] for key in request.asset_selection or ()} == groups
    # It is not looked at again each time, until somebody chooses it.
    work = plan.work("delta", org, "person")
    assert (work["due_in"], work["reason"]) == (None, "not selected")
    select_only(plan.database, org, PCO, None)
    assert plan.work("delta", org, "person")["due_in"] < timedelta()
