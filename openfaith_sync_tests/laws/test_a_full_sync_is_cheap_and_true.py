"""A full sync costs few requests, never earns a 429, survives what goes wrong, and ends in the source's truth."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from openfaith_sync.adapters.sources import open_source
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import PassResult, SyncMode
from openfaith_sync.engine.entity_sync import run_entity
from openfaith_sync.engine.org_sync import EntityOutcome, run_org
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync_tests.store.making import fetch

GRACE = OrgId("grace")
PEOPLE = 2_000
WITH_CHILDREN = ("person", "address", "email", "phone_number")


@contextmanager
def church(manifest: Manifest, people: int, rate: str = "1000000/20") -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=people, rate=parse_rate(rate)), manifest) as running:
        yield running


def sync(
    database: Database, manifest: Manifest, simulator: RunningSimulator, mode: SyncMode = SyncMode.AUTO
) -> dict[EntityName, EntityOutcome]:
    connection = Connection(GRACE, manifest.adapter, simulator.base_url, BasicCredentials("demo", "demo"))
    with open_store(database, GRACE) as store, open_source(manifest, connection) as source:
        outcomes = run_org(Session(manifest, source, store, GRACE), manifest.graph.entities, {}, mode=mode)
        return {outcome.entity: outcome for outcome in outcomes}


def result_of(outcomes: Mapping[EntityName, EntityOutcome], entity: str) -> PassResult:
    result = outcomes[EntityName(entity)].result
    assert result is not None
    return result


def stored(database: Database, manifest: Manifest, entity: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    table = manifest.entities[EntityName(entity)].table
    chosen = "".join(f', "{column}"' for column in columns)
    with psycopg.connect(database.libpq_url) as connection:
        rows = connection.execute(
            f"SELECT external_id{chosen} FROM openfaith.{table} WHERE org_id = %s AND type = %s AND deleted_at IS NULL",
            (GRACE, entity),
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def assert_holds_the_truth(database: Database, manifest: Manifest, simulator: RunningSimulator) -> None:
    for entity in manifest.entities:
        assert stored(database, manifest, entity).keys() == simulator.truth(entity).keys(), entity
    people = simulator.truth("person")
    held = stored(database, manifest, "person", "last_name", "custom_fields")
    for external_id, person in people.items():
        assert held[external_id][0] == person.attributes["last_name"]
        assert held[external_id][1]["pco_medical_notes"] == person.attributes["medical_notes"]


@pytest.mark.parametrize("people", [1, 100, 101, PEOPLE])
def test_people_with_three_kinds_of_children_cost_little_more_than_the_people(
    database: Database, pco_manifest: Manifest, people: int
) -> None:
    with church(pco_manifest, people) as simulator:
        outcomes = sync(database, pco_manifest, simulator, SyncMode.FULL)
        assert not [outcome.error for outcome in outcomes.values() if outcome.error]
        paths = Counter(request["path"] for request in simulator.requests())
        assert paths["/people/v2/person_mergers"] == 1
        tables = ("people", "person_mergers", "addresses", "emails")
        assert sum(paths[f"/people/v2/{table}"] for table in tables) <= 1.01 * people / 100 + 4
        # Each further kind of child costs one request: its newest version, which comes with its count.
        assert {paths[f"/people/v2/{table}"] for table in ("addresses", "emails", "phone_numbers")} == {1}
        assert {result_of(outcomes, entity).mode for entity in WITH_CHILDREN[1:]} == {SyncMode.SIDELOAD}
        assert sum(result_of(outcomes, entity).requests for entity in outcomes) == len(simulator.requests())
        assert_holds_the_truth(database, pco_manifest, simulator)


def test_a_second_full_sync_creates_and_changes_nothing(database: Database, pco_manifest: Manifest) -> None:
    with church(pco_manifest, 300) as simulator:
        sync(database, pco_manifest, simulator, SyncMode.FULL)
        again = sync(database, pco_manifest, simulator, SyncMode.FULL)
        for entity in again:
            counts = result_of(again, entity).counts
            assert (counts.created, counts.updated, counts.dead) == (0, 0, 0)
            assert counts.unchanged == len(simulator.truth(entity))


def test_changes_after_a_full_sync_arrive_with_the_next_one(database: Database, pco_manifest: Manifest) -> None:
    with church(pco_manifest, 300) as simulator:
        sync(database, pco_manifest, simulator)
        person = next(iter(simulator.truth("person")))
        simulator.change("person", person, {"last_name": "Ångström-O'Neill 👋"})
        household = simulator.create("household", {"name": "The Newcomers"})
        second = sync(database, pco_manifest, simulator)
        assert result_of(second, "person").mode is SyncMode.DELTA
        assert result_of(second, "person").counts.updated == 1
        assert result_of(second, "household").counts.created == 1
        assert stored(database, pco_manifest, "household", "name")[household] == ("The Newcomers",)
        assert_holds_the_truth(database, pco_manifest, simulator)


def with_changed_emails(
    database: Database, manifest: Manifest, simulator: RunningSimulator, *changes: Mapping[str, Any]
) -> PassResult:
    """Sync people and e-mails, with changes to e-mails after the first of three pages; return the e-mails' result."""
    connection = Connection(GRACE, manifest.adapter, simulator.base_url, BasicCredentials("demo", "demo"))
    # Behind the newest versions of three kinds of children, and the first page.
    simulator.script({5: [{"entity": "email", **change} for change in changes]})
    with open_store(database, GRACE) as store, open_source(manifest, connection) as source:
        session = Session(manifest, source, store, GRACE)
        people, emails = (run_entity(session, EntityName(entity), SyncMode.FULL) for entity in ("person", "email"))
    assert people.pages == 3
    return emails


def by_age(simulator: RunningSimulator, entity: str) -> list[str]:
    """Return people, or e-mails as their people are listed, from the one that was changed longest ago."""
    people, records = simulator.truth("person"), simulator.truth(entity)
    owner = {k: k if entity == "person" else record.relationships["person"] for k, record in records.items()}
    return sorted(records, key=lambda k: (people[owner[k]].attributes["updated_at"], int(owner[k])))


def test_a_child_that_came_while_its_parents_were_read_is_counted_again(
    database: Database, pco_manifest: Manifest
) -> None:
    with church(pco_manifest, 250) as simulator:
        late = {"do": "create", "attributes": {"address": "late@example.org"}}
        owner = {"relationships": {"person": by_age(simulator, "person")[0]}}
        emails = with_changed_emails(database, pco_manifest, simulator, late | owner)
        assert (emails.mode, emails.requests) == (SyncMode.SIDELOAD, 1)
        assert stored(database, pco_manifest, "email").keys() == simulator.truth("email").keys()


def test_a_child_that_went_before_its_parent_was_read_is_counted_again(
    database: Database, pco_manifest: Manifest
) -> None:
    with church(pco_manifest, 250) as simulator:
        gone = {"do": "delete", "id": by_age(simulator, "email")[-1]}
        emails = with_changed_emails(database, pco_manifest, simulator, gone)
        assert (emails.mode, emails.requests) == (SyncMode.SIDELOAD, 1)
        assert stored(database, pco_manifest, "email").keys() == simulator.truth("email").keys()


def test_a_child_whose_count_differs_walks_its_own_listing(database: Database, pco_manifest: Manifest) -> None:
    with church(pco_manifest, 250) as simulator:
        first, *_, last = by_age(simulator, "email")
        gone = {"do": "delete", "id": first}
        # This one is newer than the first count, so the e-mails are counted again, with one less than are stored.
        changed = {"do": "change", "id": last, "attributes": {"address": "new@example.org"}}
        emails = with_changed_emails(database, pco_manifest, simulator, gone, changed)
        assert emails.mode is SyncMode.FULL
        assert stored(database, pco_manifest, "email").keys() - simulator.truth("email").keys() == {first}


def test_a_child_that_was_set_aside_counts_as_having_come(database: Database, pco_manifest: Manifest) -> None:
    with church(pco_manifest, 120) as simulator:
        bad = next(iter(simulator.truth("email")))
        simulator.fault(Fault(kind="damaged_record", record=f"Email/{bad}", damage="attributes_list"))
        for mode in (SyncMode.FULL, SyncMode.FULL):
            result = result_of(sync(database, pco_manifest, simulator, mode), "email")
            assert (result.mode, result.counts.dead) == (SyncMode.SIDELOAD, 1)
        assert result.source_count is not None
        assert result.stored_count == result.source_count - 1


@pytest.mark.long
def test_a_lone_process_never_earns_a_429(database: Database, pco_manifest: Manifest) -> None:
    with church(pco_manifest, 900, rate="10/1") as simulator:
        outcomes = sync(database, pco_manifest, simulator)
        assert not [outcome.error for outcome in outcomes.values() if outcome.error]
        log = simulator.requests()
        assert len(log) > 24
        assert {request["status"] for request in log} == {200}


FAULTS = {
    "server errors": Fault(kind="status", status=500, every=4, times=5),
    "gateway pages": Fault(kind="status", status=502, every=5, times=4),
    "HTML with 200": Fault(kind="html_200", every=4, times=4),
    "truncated JSON": Fault(kind="truncated_json", every=3, times=4),
    "empty pages": Fault(kind="empty_page", every=4, times=4),
    "short pages": Fault(kind="short_page", every=4, times=4),
    "a stuck next": Fault(kind="stuck_next", every=4, times=3),
    "repeated pages": Fault(kind="repeat_page", every=4, times=3),
    "resets": Fault(kind="reset", every=4, times=4),
    "a limit": Fault(kind="status", status=429, retry_after="0", every=5, times=3),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_goes_wrong_on_the_way_costs_no_record(database: Database, pco_manifest: Manifest, name: str) -> None:
    with church(pco_manifest, 450) as simulator:
        simulator.fault(FAULTS[name])
        outcomes = sync(database, pco_manifest, simulator)
        assert not [str(outcome.error) for outcome in outcomes.values() if outcome.error]
        simulator.clear_faults()
        assert_holds_the_truth(database, pco_manifest, simulator)


def test_one_entitys_failure_stops_only_what_hard_depends_on_it(database: Database, pco_manifest: Manifest) -> None:
    graph = pco_manifest.graph
    hard = {
        name: {e.dependency for e in graph.edges if e.dependent == name and e.strength == "hard"}
        for name in graph.entities
    }
    with church(pco_manifest, 60) as simulator:
        simulator.fault(Fault(kind="status", status=403, every=1, path="/people/v2/people"))
        connection = Connection(GRACE, pco_manifest.adapter, simulator.base_url, BasicCredentials("demo", "demo"))
        with open_store(database, GRACE) as store, open_source(pco_manifest, connection) as source:
            outcomes = {o.entity: o for o in run_org(Session(pco_manifest, source, store, GRACE), graph.entities, hard)}
    failed = {name for name, outcome in outcomes.items() if outcome.error}
    skipped = {name: outcome.skipped_because for name, outcome in outcomes.items() if outcome.skipped_because}
    assert failed == {"person"}
    assert skipped == {"address": "person", "email": "person", "phone_number": "person"}
    assert all(outcomes[EntityName(name)].result for name in ("campus", "household", "group", "event"))


def letters(database: Database) -> int:
    return int(fetch(database, "SELECT count(*) FROM sync.dead_letters")[0][0])


@pytest.mark.parametrize(
    ("odd", "reason", "is_known"),
    [
        ("no_id", ("id", "null"), False),
        ("text", ("record", "string"), False),
        ("another_type", ("type", "string"), False),
        ("attributes_list", ("attributes", "array"), True),
    ],
)
def test_one_bad_record_is_one_dead_letter_and_the_page_goes_on(
    database: Database, pco_manifest: Manifest, odd: str, reason: tuple[str, str], is_known: bool
) -> None:
    with church(pco_manifest, 120) as simulator:
        bad = list(simulator.truth("person"))[7]
        simulator.fault(Fault(kind="damaged_record", record=f"Person/{bad}", damage=odd))
        outcomes = sync(database, pco_manifest, simulator)
        counts = result_of(outcomes, "person").counts
        assert (counts.created, counts.dead) == (119, 1)
        letters = fetch(database, "SELECT entity, external_id, field, value_type, raw FROM sync.dead_letters")
        ((entity, external_id, *found, raw),) = letters
        assert (entity, *found) == ("person", *reason)
        if is_known:
            assert (external_id, raw["id"]) == (bad, bad)
        else:
            assert external_id.startswith("unreadable:")
            assert raw["place"]["listing"] == "/people/v2/people"
        simulator.clear_faults()
        sync(database, pco_manifest, simulator, SyncMode.FULL)
        assert fetch(database, "SELECT count(*) FROM sync.dead_letters WHERE resolved_at IS NULL") == [(0,)]
        assert_holds_the_truth(database, pco_manifest, simulator)


@pytest.mark.parametrize("odd", ["half_emoji", "invalid_byte", "nan", "id_number", "no_version"])
def test_one_odd_value_costs_no_record(database: Database, pco_manifest: Manifest, odd: str) -> None:
    with church(pco_manifest, 120) as simulator:
        bad = list(simulator.truth("person"))[7]
        simulator.fault(Fault(kind="damaged_record", record=f"Person/{bad}", damage=odd))
        outcomes = sync(database, pco_manifest, simulator)
        assert (result_of(outcomes, "person").counts.created, letters(database)) == (120, 0)
        simulator.clear_faults()
        sync(database, pco_manifest, simulator, SyncMode.FULL)
        assert_holds_the_truth(database, pco_manifest, simulator)


def test_an_optional_value_that_cannot_be_read_is_a_warning_and_no_dead_letter(
    database: Database, pco_manifest: Manifest
) -> None:
    with church(pco_manifest, 120) as simulator:
        odd, blank = list(simulator.truth("person"))[7:9]
        simulator.change("person", odd, {"birthdate": "the day before yesterday"})
        simulator.change("person", blank, {"birthdate": ""})
        result = result_of(sync(database, pco_manifest, simulator), "person")
        assert (result.counts.created, result.counts.dead, letters(database)) == (120, 0, 0)
        assert result.report == {"unreadable_values": 1, "unreadable_values_of_birthdate": 1}
        held = fetch(
            database,
            "SELECT birthdate, custom_fields ->> 'pco_birthdate' FROM openfaith.people"
            " WHERE custom_fields ? 'pco_birthdate' ORDER BY 2",
        )
        assert held == [(None, ""), (None, "the day before yesterday")]
