"""A source of the second dialect, end to end: connected, synced, changed, and its deletions confirmed."""

import json
from collections.abc import Iterator
from datetime import date

import pytest

from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.adapters.dialects.fake_sources import KEY, BreezeSource, Reply, serving
from openfaith_sync_tests.commands.conftest import Run

_PEOPLE = "SELECT first_name, last_name, nickname, birthdate, status FROM openfaith.people WHERE deleted_at IS NULL"


@pytest.fixture
def breeze() -> Iterator[BreezeSource]:
    """A church of fourteen people."""
    source = BreezeSource([str(number) for number in range(14, 0, -1)])
    with serving(source):
        yield source


def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.connect_fleet() as session:
        return session.execute(statement).fetchall()


def test_people_are_synced_into_their_table(run_stored: Run, breeze: BreezeSource, database: Database) -> None:
    add = ("org", "add", "grace", "--adapter", "breeze", "--token-stdin")
    refused = run_stored(*add, stdin=f"{KEY}\n")
    assert "give it with --base-url, like https://{church}.breezechms.com" in refused.stderr
    wrong = run_stored(*add, "--base-url", breeze.base_url, stdin="wrong\n")
    assert wrong.exit_code == 1
    assert "the API key or the subdomain was refused" in wrong.stderr
    added = run_stored(*add, "--base-url", breeze.base_url, stdin=f"{KEY}\n")
    assert "account 8100, user grace" in added.stdout, added.output

    synced = run_stored("sync", "grace", "--json")
    assert synced.exit_code == 0, synced.output
    (entity,) = json.loads(synced.stdout)
    assert (entity["entity"], entity["created"], entity["dead_letters"]) == ("person", 14, 0)
    found = rows(database, _PEOPLE)
    assert len(found) == 14
    assert ("Name 1", "Ames", None, date(1988, 7, 21), "active") in found
    # The year of this birthday is not known.
    assert ("Name 3", "Ames", None, None, "active") in found
    kept = rows(
        database, "SELECT DISTINCT custom_fields->'breeze_details'->'410000002'->>'value' FROM openfaith.people"
    )
    assert kept == [("73",)]

    again = json.loads(run_stored("sync", "grace", "--json").stdout)[0]
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 14)


def test_a_person_is_deleted_only_on_the_sources_own_word(
    run_stored: Run, breeze: BreezeSource, database: Database
) -> None:
    add = ("org", "add", "grace", "--adapter", "breeze", "--token-stdin", "--base-url", breeze.base_url)
    assert run_stored(*add, stdin=f"{KEY}\n").exit_code == 0
    assert run_stored("sync", "grace").exit_code == 0
    breeze.people.remove("7")
    breeze.not_found = Reply(b"false")
    assert run_stored("sync", "grace", "--mode", "reconciliation").exit_code == 0
    assert len(rows(database, _PEOPLE)) == 14
    breeze.not_found = BreezeSource.not_found
    assert run_stored("sync", "grace", "--mode", "reconciliation").exit_code == 0
    assert len(rows(database, _PEOPLE)) == 13


def test_credentials_of_another_kind_are_refused(run_stored: Run, breeze: BreezeSource) -> None:
    add = ("org", "add", "grace", "--adapter", "breeze", "--basic", "a:b", "--base-url", breeze.base_url)
    refused = run_stored(*add)
    assert refused.exit_code == 1
    assert "Breeze does not take such credentials; use --token-stdin" in refused.stderr
    assert breeze.requests == []
