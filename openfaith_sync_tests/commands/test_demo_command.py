from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.demo_check import DemoChurch
from openfaith_sync.commands.demo_months import bar
from openfaith_sync.commands.demo_run import StepLog
from openfaith_sync.commands.demo_truth import Truth
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.records.record import JsonObject
from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run, Start
from openfaith_sync_tests.ten_entities import SHIPPED

PCO = AdapterName("pco")
PERSON = EntityName("person")


def table(output: str) -> dict[str, list[int]]:
    """Read source, stored, not read, created and dead letters of each entity from what a demonstration prints."""
    rows = [line.split() for line in output.splitlines() if line.startswith("pco/")]
    return {row[0]: [int(cell.replace(",", "")) for cell in row[1:6]] for row in rows}


def test_the_demonstration_agrees_with_the_truth_and_creates_nothing_twice(start: Start, tmp_path: Path) -> None:
    # Everything real: a folder of its own, the embedded PostgreSQL, Dagster in its own process.
    with start("demo", "--people", "30", "--entities") as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "matches the simulator's data" in output
    assert "dagster dev" in output
    first = table(output)
    assert len(first) == 10
    assert first["pco/person"] == [30, 30, 0, 30, 0]
    assert all(source == stored == created for source, stored, _, created, _ in first.values())

    with start("demo", "--people", "30", "--entities") as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert table(output) == {entity: [*row[:3], 0, row[4]] for entity, row in first.items()}
    assert (tmp_path / "home" / "demo.log").is_file()


@pytest.fixture
def copy(run_stored: Run, church: RunningSimulator, database: Database) -> DemoChurch:
    """A right copy of the small church."""
    run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
    assert run_stored("sync", "grace").exit_code == 0

    def query(statement: str) -> list[JsonObject]:
        found = run_query(database, statement)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

    return DemoChurch(OrgId("grace"), PCO, query)


def test_a_copy_that_differs_is_found_out(
    copy: DemoChurch, church: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    person, truth = pco_manifest.entities[PERSON], church.truth("person")
    dead = copy.dead_letters(PERSON)

    def disagreements() -> list[str]:
        return copy.disagreements(person, truth, copy.stored(person), dead)

    assert disagreements() == []
    first, second, *_ = truth
    truth[first] = replace(truth[first], attributes=truth[first].attributes | {"last_name": "Somebody else"})
    assert disagreements() == [f"person {first}: last_name differs from the source"]
    gone = truth.pop(second)
    assert any("1 rows are not at the source" in line for line in disagreements())
    truth["999999"] = replace(gone, id="999999")
    assert any("1 records are not stored (999999)" in line for line in disagreements())


def test_a_reference_to_another_record_is_found_out(
    copy: DemoChurch, church: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    email, truth = pco_manifest.entities[EntityName("email")], church.truth("email")
    first = next(iter(truth))
    truth[first] = replace(truth[first], relationships={"person": "999999"})
    said = copy.disagreements(email, truth, copy.stored(email), 0)
    assert said == [f"email {first}: person_id differs from the source"]


def test_a_runs_log_becomes_its_progress() -> None:
    said: list[str] = []
    clock = iter([10.0, 12.5, 13.5, 18.0, 18.5])
    log = StepLog(PCO, 4, said.append, lambda: next(clock))
    begin = "2026-11-23 22:00:00 +0000 - dagster - {} - __ASSET_JOB - 1f - {}"
    log.read(begin.format("DEBUG", '42 - pco - STEP_START - Started execution of step "pco".'))
    log.read(begin.format("DEBUG", "42 - pco - ASSET_MATERIALIZATION - Materialized value pco person."))
    log.read("a line that says nothing")
    log.read(begin.format("ERROR", "pco - pco/group: the source did not respond (retried)"))
    log.read(begin.format("DEBUG", "42 - breeze - ASSET_MATERIALIZATION - Materialized value breeze person."))
    log.read(begin.format("DEBUG", "42 - pco - ASSET_MATERIALIZATION - Materialized value pco email."))
    log.read(begin.format("DEBUG", "42 - pco - ASSET_MATERIALIZATION - Materialized value pco campus."))
    assert said == [
        "  pco/group: failed in 1.0 s",
        "  3 of 4 entities; pco/email is done",
        "  4 of 4 entities; pco/campus is done",
    ]
    assert log.seconds == {"person": 2.5, "group": 1.0, "email": 4.5, "campus": 0.5}


def test_a_bar_is_as_long_as_its_share() -> None:
    assert bar(100, 100) == "█" * 24
    assert bar(50, 100) == "█" * 12 + " " * 12
    assert bar(1, 48) == "▌" + " " * 23
    assert bar(0, 100) == bar(0, 0) == bar(-5, 100) == " " * 24


def record(id_: str, relationships: dict[str, Any], **attributes: object) -> TrueRecord:
    return TrueRecord(id_, attributes, relationships)


def test_only_what_the_manifest_leaves_out_may_be_missing() -> None:
    manifest = read_manifest(SHIPPED, PCO)
    records: dict[str, dict[str, TrueRecord]] = {
        "plan": {
            "1": record("1", {}, sort_date="2026-11-01T10:00:00Z"),
            "2": record("2", {}, sort_date="2026-12-20T10:00:00Z"),
        },
        "needed_position": {"10": record("10", {"plan": "1"}), "20": record("20", {"plan": "2"})},
        "signup": {"3": record("3", {})},
        "attendee": {"5": record("5", {"signup": "3", "selection_type": "31", "registration": None})},
        "selection_type": {"31": record("31", {"signup": "3"}), "32": record("32", {"signup": "3"})},
    }
    truth = Truth(manifest, lambda name: records.get(name, {}), datetime(2026, 12, 1, tzinfo=UTC))

    def left_out(name: str) -> set[str]:
        return truth.left_out(manifest.entities[EntityName(name)])

    assert left_out("needed_position") == {"10"}
    assert left_out("selection_type") == {"32"}
    assert left_out("plan") == left_out("attendee") == set()
