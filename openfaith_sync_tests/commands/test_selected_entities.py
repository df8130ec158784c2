"""``org set --only``: nothing of what an org did not choose is read, by any sync; its rows stay."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from openfaith_sync.domain.connections.connection import Connection
from openfaith_sync.domain.errors import NotSelected
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.webhooks.record_sync import run_records
from openfaith_sync.sessions.opening import open_session
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.commands.test_bad_input import FAILED, expect_line
from openfaith_sync_tests.store.making import PCO, PERSON, fetch, run

GRACE = OrgId("grace")
EMAIL_UPDATED = "people.v2.events.email.updated"


@pytest.fixture
def simulator(pco_manifest: Manifest) -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=20, rate=None), pco_manifest) as running:
        yield running


@pytest.fixture
def connected(run_stored: Run, simulator: RunningSimulator) -> Run:
    assert run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", simulator.base_url).exit_code == 0
    return run_stored


def sync(connected: Run, *words: str) -> dict[str, str]:
    answer = connected("sync", "grace", *words, "--json")
    assert answer.exit_code == 0, answer.stderr
    return {row["entity"]: row["result"] for row in json.loads(answer.stdout)}


def connection_of(database: Database) -> Connection:
    return load_connection(database, GRACE, PCO)


def count(database: Database, table: str) -> int:
    return int(fetch(database, f"SELECT count(*) FROM openfaith.{table} WHERE deleted_at IS NULL")[0][0])


def test_only_what_is_chosen_is_read_and_all_undoes_it(
    connected: Run, simulator: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    chosen = connected("org", "set", "grace", "--only", "person,household", "--json")
    assert json.loads(chosen.stdout)["only"] == ["person", "household"]
    assert set(json.loads(chosen.stdout)["entities"]) == {"person", "household"}
    simulator.clear_requests()
    assert set(sync(connected)) == {"person", "household"}
    asked = simulator.requests()
    assert {request["path"].removeprefix("/people/v2/") for request in asked} == {
        "people",
        "households",
        "person_mergers",
    }
    assert not [request for request in asked if "email" in str(request)]
    assert (count(database, "people"), count(database, "emails")) == (20, 0)
    # Somebody who names it all the same is told why it is not read.
    assert sync(connected, "--entity", "email") == {"email": "not selected"}
    (listed,) = json.loads(connected("org", "list", "--json").stdout)
    assert listed["only"] == "person, household"
    status = connected("status", "grace", "--json")
    access = {row["entity"]: row["access"] for row in json.loads(status.stdout)}
    assert (access["pco/email"], access["pco/person"]) == ("not selected", None)
    assert "8 entities are not selected" in status.stderr

    assert "all 10 entities are synced" in connected("org", "set", "grace", "--only", "all").stdout
    results = sync(connected)
    assert set(results) == set(pco_manifest.entities)
    emails = count(database, "emails")
    assert emails == simulator.counts()["email"] > 0

    # What is not chosen any more stays as it is.
    assert "only groups: 3 of 10 entities are synced" in connected("org", "set", "grace", "--only", "groups").stdout
    assert not set(sync(connected)) & {"person", "email"}
    assert count(database, "emails") == emails


def test_a_church_chooses_when_it_is_connected(run_stored: Run, simulator: RunningSimulator) -> None:
    words = ("org", "add", "grace", "--basic", "demo:demo", "--base-url", simulator.base_url)
    refused = run_stored(*words, "--only", "nothing")
    assert (refused.exit_code, run_stored("org", "list").stdout) == (1, "")
    added = run_stored(*words, "--only", "email")
    assert "only email: 2 of 10 entities are synced; person, which email requires" in added.stdout
    # What was chosen stays when the credentials are replaced.
    assert json.loads(run_stored(*words, "--json").stdout)["only"] == ["email"]
    assert set(sync(run_stored)) == {"email", "person"}
    assert json.loads(run_stored(*words, "--only", "all", "--json").stdout)["only"] is None


def test_an_event_of_what_is_not_chosen_is_done_without_a_request(
    connected: Run, simulator: RunningSimulator, database: Database, pco_manifest: Manifest
) -> None:
    connected("org", "set", "grace", "--only", "person")
    run(
        database,
        "INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action)"
        " VALUES ('grace', 'pco', 'e-1', %s, 'email', '7', 'updated')",
        EMAIL_UPDATED,
    )
    simulator.clear_requests()
    with open_session(database, pco_manifest, connection_of(database)) as session:
        assert run_records(session).waiting == 0
        with pytest.raises(NotSelected):
            run_entity(session, EntityName("email"))
    assert simulator.requests() == []
    assert fetch(database, "SELECT outcome FROM sync.webhook_events") == [("its entity is not selected",)]


def test_a_name_that_the_manifest_lacks_changes_nothing(connected: Run, database: Database) -> None:
    expect_line(connected("org", "set", "grace", "--only", "peple"), FAILED, "'peple'", "groups, people")
    assert fetch(database, "SELECT FROM sync.selections") == []


def test_children_of_pages_that_were_read_without_them_are_read_by_themselves(
    run_stored: Run, database: Database, pco_manifest: Manifest
) -> None:
    class Stopped(Exception):
        pass

    def stop(_: object) -> None:
        raise Stopped

    with running_simulator(SimulatorSettings(people=230, rate=None), pco_manifest) as church:
        run_stored("org", "add", "grace", "--basic", "demo:demo", "--base-url", church.base_url)
        whole = connection_of(database)
        with open_session(database, pco_manifest, whole) as session, pytest.raises(Stopped):
            run_entity(session, PERSON, on_progress=stop)
        assert 0 < count(database, "emails") < church.counts()["email"]
        # Chosen without its children, it begins again; then they are chosen again.
        with open_session(database, pco_manifest, replace(whole, only=("person",))) as session:
            assert not run_entity(session, PERSON).resumed
        assert count(database, "people") == 230
        assert count(database, "emails") < church.counts()["email"]
        with open_session(database, pco_manifest, whole) as session:
            run_entity(session, EntityName("email"))
        assert count(database, "emails") == church.counts()["email"]
