"""A person sees what waits, and what they say is done by the next reconciliation."""

import json
from collections.abc import Iterator

import pytest

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.commands.conftest import Run

RECONCILE = ("sync", "grace", "--entity", "household", "--mode", "reconciliation", "--json")


@pytest.fixture
def held(run_stored: Run, pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    """A church of which too many households vanished, and a run that stopped."""
    with running_simulator(SimulatorSettings(people=100, rate=None), pco_manifest) as simulator:
        add = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", simulator.base_url)
        assert run_stored(*add).exit_code == 0
        limits = ("--deletion-count", "10", "--deletion-share", "0.1")
        assert run_stored("org", "set", "grace", *limits).exit_code == 0
        assert run_stored("sync", "grace", "--entity", "household").exit_code == 0
        for identity in sorted(simulator.truth("household"), key=int)[:15]:
            simulator.delete("household", identity)
        answer = run_stored(*RECONCILE)
        assert answer.exit_code == 1
        (row,) = json.loads(answer.stdout)
        assert row["result"] == "failed"
        assert "15 of " in row["reason"]
        assert "openfaith-sync holds show 1" in answer.stderr
        yield simulator


def test_a_hold_is_listed_and_shows_its_records_without_names(run_stored: Run, held: RunningSimulator) -> None:
    (row,) = json.loads(run_stored("holds", "list", "--json").stdout)
    assert (row["hold"], row["org"], row["entity"], row["missing"]) == (1, "grace", "pco/household", 15)
    assert row["status"] == "open"
    shown = json.loads(run_stored("holds", "show", "1", "--json").stdout)
    assert len(shown["records"]) == 15
    assert set(shown["records"][0]) == {"external_id", "entity_id", "times_missed", "first_missed_at"}
    assert shown["records"][0]["entity_id"].startswith("household_")
    named = json.loads(run_stored("holds", "show", "1", "--names", "--limit", "3", "--json").stdout)
    assert len(named["records"]) == 3
    assert all("Household" in record["name"] for record in named["records"])
    for_people = run_stored("holds", "show", "1", "--limit", "2")
    assert "15 of " in for_people.stdout
    assert "2 of 15 records shown" in for_people.stderr
    assert "next: openfaith-sync holds approve 1, or to keep them: openfaith-sync holds reject 1" in for_people.stderr


def test_the_status_names_a_hold(run_stored: Run, held: RunningSimulator) -> None:
    answer = run_stored("status", "grace", "--json")
    assert [row["problems"] for row in json.loads(answer.stdout)] == ["deletions_held"]
    assert "15 deletions of household wait for a decision: " in answer.stderr
    assert "needs a person; openfaith-sync holds show 1" in answer.stderr
    assert run_stored("holds", "reject", "1").exit_code == 0
    answer = run_stored("status", "grace", "--json")
    assert ([row["problems"] for row in json.loads(answer.stdout)], answer.stderr) == ([None], "")


def test_an_approved_hold_lets_the_next_reconciliation_delete(run_stored: Run, held: RunningSimulator) -> None:
    answer = run_stored("holds", "approve", "1")
    assert answer.exit_code == 0
    assert "next: openfaith-sync sync grace --entity household --mode reconciliation" in answer.stdout
    answer = run_stored(*RECONCILE)
    assert answer.exit_code == 0, answer.stderr
    (row,) = json.loads(answer.stdout)
    assert (row["tombstoned"], row["report"]["confirmed_by_read"], row["source"]) == (15, 15, row["stored"])
    assert "15 tombstoned" in answer.stderr
    assert json.loads(run_stored("holds", "list", "--json").stdout) == []
    (over,) = json.loads(run_stored("holds", "list", "--all", "--json").stdout)
    assert over["status"] == "settled"


def test_all_holds_of_an_org_are_approved_at_once(run_stored: Run, held: RunningSimulator) -> None:
    run_stored("sync", "grace", "--entity", "email")
    for identity in sorted(held.truth("email"), key=int)[:40]:
        held.delete("email", identity)
    assert run_stored("sync", "grace", "--entity", "email", "--mode", "reconciliation").exit_code == 1
    rows = json.loads(run_stored("holds", "approve", "--org", "grace", "--all", "--json").stdout)
    assert {(row["entity"], row["status"]) for row in rows} >= {("pco/household", "approved")}
    assert {row["status"] for row in json.loads(run_stored("holds", "list", "--json").stdout)} == {"approved"}
    again = run_stored("holds", "approve", "--org", "grace", "--all")
    assert (again.exit_code, again.stderr) == (0, "there are no open holds\n")


@pytest.mark.parametrize("words", ["", "--all", "--org grace", "1 --org grace --all", "1 --all"])
def test_approving_names_one_hold_or_all_of_an_org(run_stored: Run, words: str) -> None:
    answer = run_stored("holds", "approve", *words.split())
    assert answer.exit_code == 2
    assert "specify one hold by its number, or all holds of an org with --org ORG --all" in answer.stderr


def test_a_rejected_hold_keeps_the_rows(run_stored: Run, held: RunningSimulator) -> None:
    answer = run_stored("holds", "reject", "1")
    assert answer.exit_code == 0
    assert "15 records of household of grace are unchanged" in answer.stdout
    (status,) = json.loads(run_stored("status", "grace", "--json").stdout)
    assert status["live"] == 15 + len(held.truth("household"))
    again = run_stored("holds", "approve", "1")
    assert again.exit_code == 1
    assert again.stderr == "openfaith-sync: hold 1 is rejected; only one that is open can be approved\n"


def test_a_hold_that_is_not_there_is_said_in_a_line(run_stored: Run) -> None:
    for word in ("show", "approve", "reject"):
        answer = run_stored("holds", word, "7")
        assert answer.exit_code == 1
        assert answer.stderr == "openfaith-sync: there is no hold 7; list them with: openfaith-sync holds list\n"
    assert run_stored("holds", "show", "x").exit_code == 2
    answer = run_stored("holds", "list")
    assert (answer.exit_code, answer.stderr) == (0, "there are no open holds\n")
