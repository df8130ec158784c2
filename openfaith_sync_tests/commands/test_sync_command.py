import json
import signal

import pytest

from openfaith_sync.adapters.client import http_client as http
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import Fault, RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run, Start
from openfaith_sync_tests.store.making import run as execute


def connect(run_stored: Run, simulator: RunningSimulator) -> None:
    answer = run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", simulator.base_url)
    assert answer.exit_code == 0, answer.stderr


def test_a_sync_stores_what_the_source_has_and_says_so(run_stored: Run, church: RunningSimulator) -> None:
    connect(run_stored, church)
    answer = run_stored("sync", "grace", "--json")
    assert answer.exit_code == 0, answer.stderr
    rows = {row["entity"]: row for row in json.loads(answer.stdout)}
    counts = church.counts()
    assert {name: row["stored"] for name, row in rows.items()} == {name: counts[name] for name in rows}
    assert all(row["created"] == counts[name] for name, row in rows.items())
    assert "person: 40 created, 0 updated" in answer.stderr

    again = run_stored("sync", "grace", "--json")
    assert again.exit_code == 0
    assert [row["created"] for row in json.loads(again.stdout)] == [0] * len(rows)

    status = {row["entity"]: row for row in json.loads(run_stored("status", "grace", "--json").stdout)}
    assert {name: row["live"] for name, row in status.items()} == {f"pco/{name}": counts[name] for name in rows}
    assert all(row["completed"] and row["asked"] and row["open_pass"] is None for row in status.values())


def test_only_the_named_entities_are_synced_in_the_order_of_the_graph(
    run_stored: Run, church: RunningSimulator
) -> None:
    connect(run_stored, church)
    answer = run_stored("sync", "grace", "--entity", "household", "--entity", "campus", "--mode", "full", "--json")
    assert [row["entity"] for row in json.loads(answer.stdout)] == ["campus", "household"]


def test_a_failed_entity_stops_only_its_dependents_and_is_no_success(
    run_stored: Run, pco_manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_ATTEMPTS", 1)
    with running_simulator(SimulatorSettings(people=20, rate=None), pco_manifest) as simulator:
        connect(run_stored, simulator)
        simulator.fault(Fault(kind="status", status=500, path="/groups/v2/groups"))
        answer = run_stored("sync", "grace", "--json")
    results = {row["entity"]: row["result"] for row in json.loads(answer.stdout)}
    assert answer.exit_code == 1
    assert results.pop("group") == "failed"
    assert {results.pop(name) for name in ("event", "group_membership")} == {"skipped"}
    assert set(results.values()) == {"complete"}
    assert "group: failed: Planning Center Online answered 500" in answer.stderr
    assert "event: skipped, because group was not synced" in answer.stderr


def test_an_interrupted_sync_ends_cleanly_and_goes_on_from_there(
    run_stored: Run, start: Start, pco_manifest: Manifest, database: Database
) -> None:
    # One page at a time, and slow enough that the interrupt comes in the middle.
    settings = SimulatorSettings(people=1500, rate=None, latency_ms=100)
    with running_simulator(settings, pco_manifest) as simulator:
        connect(run_stored, simulator)
        with start("sync", "grace", "--entity", "person", "--mode", "full") as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("person: ")
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
            assert process.wait() == 130
        assert rest.splitlines()[-1] == "openfaith-sync: interrupted"
        assert "Traceback" not in rest

        (row,) = [r for r in json.loads(run_stored("status", "grace", "--json").stdout) if r["entity"] == "pco/person"]
        assert row["open_pass"].startswith("full: ")
        assert row["open_pass"].endswith("; the next sync resumes it")
        (org,) = json.loads(run_stored("status", "--json").stdout)
        assert (org["state"], org["entity"], org["total"]) == ("interrupted", "person", 1500)
        assert 0 < org["records"] < 1500
        assert org["finish_at"] is None
        simulator.set_latency(0)
        answer = run_stored("sync", "grace", "--entity", "person", "--json")
        assert json.loads(answer.stdout)[0]["result"] == "resumed, complete"
        assert json.loads(answer.stdout)[0]["stored"] == 1500


def test_a_sync_that_sets_most_records_aside_is_no_success(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    connect(run_stored, church)
    execute(database, "ALTER TABLE openfaith.people ADD CONSTRAINT refused CHECK (false)")
    answer = run_stored("sync", "grace", "--entity", "person", "--json")
    assert answer.exit_code == 1
    (row,) = json.loads(answer.stdout)
    assert row["result"] == "failed"
    assert "40 of the 40 records of grace/pco/person" in row["reason"]


def test_each_line_of_a_json_log_says_which_sync_it_is_of(
    start: Start, run_stored: Run, church: RunningSimulator, deployment: dict[str, str]
) -> None:
    connect(run_stored, church)
    deployment["OPENFAITH_LOG_FORMAT"] = "json"
    with start("sync", "grace", "--entity", "campus", "--entity", "person", "--json") as running:
        printed, logged = running.communicate(timeout=60)
    assert running.returncode == 0, logged
    assert {row["entity"]: row["result"] for row in json.loads(printed)} == {"campus": "complete", "person": "complete"}
    lines = [json.loads(line) for line in logged.splitlines()]
    found = {line["entity"]: line for line in lines if line["logger"] == "openfaith_sync.passes"}
    assert set(found) == {"campus", "person"}
    person = found["person"]
    assert (person["org"], person["adapter"], person["mode"], person["level"]) == ("grace", "pco", "full", "INFO")
    assert person["counts"]["created"] == church.counts()["person"]
    assert person["pass_id"] > found["campus"]["pass_id"]
    assert person["message"] == f"grace/pco/person: full pass complete: {person['counts']['created']} created"


def test_a_log_format_that_there_is_not_is_named(run: Run) -> None:
    answer = run("status", OPENFAITH_LOG_FORMAT="yaml")
    assert answer.exit_code == 1
    assert "OPENFAITH_LOG_FORMAT is 'yaml'; expected text or json" in answer.stderr
