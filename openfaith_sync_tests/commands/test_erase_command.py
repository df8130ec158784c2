"""``erase``: names one person, asks first, and says what it did."""

import json

from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.store.making import ORG, PCO, PERSON, batch, fetch, person, walking

OTHER = OrgId("other")
NAMES = "SELECT org_id, name FROM openfaith.people WHERE name IS NOT NULL ORDER BY 1"


def fill(database: Database, *orgs: OrgId) -> None:
    for org in orgs:
        with walking(database, SyncKey(org, PCO, PERSON)) as walk:
            walk.commit(batch([person("1", org=org)], entity=PERSON))


def test_an_id_that_several_orgs_use_needs_the_org(run_stored: Run, database: Database) -> None:
    fill(database, ORG, OTHER)
    done = run_stored("erase", "1", "--yes")
    assert done.exit_code == 1
    assert f"several orgs have a person with this id: {ORG} (pco), other (pco); choose one with --org" in done.output
    done = run_stored("erase", "1", "--org", OTHER, "--yes", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["org"], told["records"], told["rows"]) == (OTHER, 1, {"openfaith.people": 1})
    assert told["person"] == person("1", org=OTHER).entity_id
    assert fetch(database, NAMES) == [(ORG, "Anna")]
    # Our own id names one person wherever they are.
    done = run_stored("erase", person("1").entity_id, "--yes")
    assert "1 row in 1 table; 1 records stay out" in done.output
    assert fetch(database, NAMES) == []
    # Whoever erases twice is not told that there was somebody left.
    assert "was erased before; its rows are empty already" in run_stored("erase", told["person"], "--yes").stderr


def test_it_asks_before_it_erases(run_stored: Run, database: Database) -> None:
    fill(database, ORG)
    done = run_stored("erase", "1", stdin="n\n")
    assert done.exit_code != 0
    assert "has 1 row in 1 table" in done.output
    assert fetch(database, NAMES) == [(ORG, "Anna")]
    assert fetch(database, "SELECT count(*) FROM sync.erasure_keys") == [(0,)]


def test_nobody_of_that_id_is_an_error_of_one_line(run_stored: Run, database: Database) -> None:
    fill(database, ORG)
    for words in (("erase", "2"), ("erase", "2", "--org", ORG), ("erase", "--allow", "1", "--org", ORG)):
        done = run_stored(*words)
        assert done.exit_code == 1, done.output
        assert len(done.output.splitlines()) == 1


def test_an_erased_person_is_allowed_again_by_the_sources_id(run_stored: Run, database: Database) -> None:
    fill(database, ORG)
    run_stored("erase", "1", "--org", ORG, "--yes")
    assert "name the org with --org" in run_stored("erase", "--allow", "1").output
    done = run_stored("erase", "--allow", "1", "--org", ORG, "--json")
    assert (done.exit_code, json.loads(done.stdout)["records"]) == (0, 1)
    fill(database, ORG)
    assert fetch(database, NAMES) == [(ORG, "Anna")]
