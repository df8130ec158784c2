"""An org belongs to one account of its system; moving it to another is said, counted and confirmed."""

import json
from collections.abc import Iterator

import pytest
from click.testing import Result

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.admin.erase import erase_org
from openfaith_sync.store.connections.accounts import load_account
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.making import PCO, fetch

GRACE = OrgId("grace")


@pytest.fixture(scope="module")
def other_church(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=20, seed=2, rate=None), pco_manifest) as simulator:
        yield simulator


def add(run_stored: Run, church: RunningSimulator) -> Result:
    return run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)


def test_credentials_of_another_church_are_refused_and_nothing_changes(
    run_stored: Run, church: RunningSimulator, other_church: RunningSimulator, database: Database
) -> None:
    assert "(Church of the Demonstration, account 400001, user 1)" in add(run_stored, church).stdout
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    before = fetch(database, "SELECT * FROM sync.connections"), fetch(database, "SELECT * FROM openfaith.campuses")
    answer = add(run_stored, other_church)
    assert answer.exit_code == 1
    assert "answers for its account 400002, but grace is connected to account 400001" in answer.stderr
    assert "openfaith-sync org move grace --adapter pco" in answer.stderr
    after = fetch(database, "SELECT * FROM sync.connections"), fetch(database, "SELECT * FROM openfaith.campuses")
    assert after == before


def test_an_org_that_was_removed_is_not_added_to_another_church_beside_its_records(
    run_stored: Run, church: RunningSimulator, other_church: RunningSimulator
) -> None:
    add(run_stored, church)
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    assert run_stored("org", "remove", "grace").exit_code == 0
    assert "org move grace" in add(run_stored, other_church).stderr
    assert run_stored("org", "move", "grace", "--yes").exit_code == 0
    assert add(run_stored, other_church).exit_code == 0


def test_a_move_says_what_it_erases_asks_and_keeps_the_settings(
    run_stored: Run, church: RunningSimulator, other_church: RunningSimulator, database: Database
) -> None:
    add(run_stored, church)
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    assert run_stored("org", "set", "grace", "--time-zone", "America/Chicago").exit_code == 0
    campuses = len(church.truth("campus"))
    refused = run_stored("org", "move", "grace", stdin="n\n")
    assert refused.exit_code == 1
    assert f"grace has {campuses} records from account 400001 of pco" in refused.stderr
    assert fetch(database, "SELECT count(*) FROM openfaith.campuses") == [(campuses,)]

    moved = run_stored("org", "move", "grace", "--yes", "--json")
    assert moved.exit_code == 0, moved.stderr
    told = json.loads(moved.stdout)
    assert (told["left"], told["records"], told["erased"]["openfaith.campuses"]) == ("400001", campuses, campuses)
    assert fetch(database, "SELECT count(*) FROM openfaith.campuses") == [(0,)]
    assert load_account(database, GRACE, PCO) is None

    assert "(Church of the Demonstration, account 400002, user 1)" in add(run_stored, other_church).stdout
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    assert fetch(database, "SELECT count(*) FROM openfaith.campuses") == [(len(other_church.truth("campus")),)]
    assert json.loads(run_stored("org", "set", "grace", "--json").stdout)["time_zone"] == "America/Chicago"


def test_an_org_of_no_account_cannot_move(run_stored: Run) -> None:
    answer = run_stored("org", "move", "nobody")
    assert answer.exit_code == 1
    assert "there is no org 'nobody'" in answer.stderr


def test_the_account_is_forgotten_last(run_stored: Run, church: RunningSimulator, database: Database) -> None:
    add(run_stored, church)
    assert run_stored("sync", "grace", "--entity", "campus").exit_code == 0
    # Killed on the way, nothing of another account may come beside what is left.
    assert list(erase_org(database, GRACE))[-1] == "sync.accounts"
