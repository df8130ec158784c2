"""An erasure is safe with what runs beside it, and forgets no table."""

from pathlib import Path

import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError, LeaseLost
from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.admin.erase_person import Person, allow_person, erase_person
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.erasures.erasing import JSON_WITH_RECORDS, JSON_WITHOUT_RECORDS
from openfaith_sync.store.manifests.entity_tables import ensure_tables
from openfaith_sync.store.postgres_store import PostgresStore
from openfaith_sync_tests.added_entity import read_with_note
from openfaith_sync_tests.store.making import (
    EMAIL,
    ORG,
    PCO,
    PEOPLE,
    PERSON,
    batch,
    email,
    fetch,
    person,
    riders,
    run,
    walking,
)

ANNA = Person(ORG, PCO, PERSON, person("1").entity_id, "1")
NAMES = "SELECT name FROM openfaith.people WHERE name IS NOT NULL ORDER BY name"
OTHER = OrgId("other")


def test_a_sync_that_runs_cannot_bring_an_erased_person_back(database: Database, pco_manifest: Manifest) -> None:
    people = batch([person("1"), person("2", "Ben")], entity=PERSON)
    with walking(database, PEOPLE, riders(EMAIL)) as walk:
        walk.commit(people)
        erase_person(database, pco_manifest, ANNA, "a test")
        with pytest.raises(LeaseLost):
            walk.commit(people)
    with walking(database, PEOPLE, riders(EMAIL)) as walk:
        walk.commit(people, batch([email("7")]))
    assert fetch(database, NAMES) == [("Ben",)]
    assert fetch(database, "SELECT count(*) FROM openfaith.emails") == [(0,)]
    assert fetch(database, "SELECT entity, is_listed FROM sync.erased_records ORDER BY 1") == [
        (EMAIL, True),
        (PERSON, True),
    ]


def test_a_first_holder_of_a_key_is_kept_out_too(database: Database, pco_manifest: Manifest) -> None:
    """Each key has its row before the erasure begins, so that none is taken unseen while it is under way."""
    erase_person(database, pco_manifest, ANNA, "a test")
    keys = {row[0] for row in fetch(database, "SELECT entity FROM sync.leases WHERE token > 1")}
    assert {*pco_manifest.entities, "$records", "$person_merges"} == keys


def test_a_store_without_keys_stores_nothing_once_something_was_erased(
    database: Database, pco_manifest: Manifest
) -> None:
    erase_person(database, pco_manifest, ANNA, "a test")
    with database.connect_for_pages(ORG) as connection:
        store = PostgresStore(connection, ORG)
        with (
            pytest.raises(DefinitionError, match="must be opened with the deployment's keys"),
            store.hold_lease(PEOPLE, "a test"),
        ):
            raise AssertionError("it was opened")


def test_other_orgs_keep_their_person_of_the_same_id(database: Database, pco_manifest: Manifest) -> None:
    for org in (ORG, OTHER):
        with walking(database, SyncKey(org, PCO, PERSON)) as walk:
            walk.commit(batch([person("1", f"Anna of {org}", org=org)], entity=PERSON))
    erase_person(database, pco_manifest, ANNA, "a test")
    assert fetch(database, NAMES) == [(f"Anna of {OTHER}",)]


def test_an_erasure_can_be_repeated_and_undone_for_the_future(database: Database, pco_manifest: Manifest) -> None:
    people = batch([person("1")], entity=PERSON)
    with walking(database, PEOPLE) as walk:
        walk.commit(people)
    first = erase_person(database, pco_manifest, ANNA, "a test")
    again = erase_person(database, pco_manifest, Person(ORG, PCO, PERSON, ANNA.entity_id, None), "a test")
    assert (first.subject, again.records) == (again.subject, 1)
    assert allow_person(database, pco_manifest, ANNA, "a test") == 1
    with walking(database, PEOPLE) as walk:
        walk.commit(people)
    assert fetch(database, NAMES) == [("Anna",)]
    assert fetch(database, "SELECT external_id, action FROM sync.webhook_events") == [("1", "check")]
    audit = fetch(database, "SELECT action, subject_hash = %s FROM sync.erasures ORDER BY erasure_id", first.subject)
    assert audit == [("erase", True), ("erase", True), ("allow", True)]


def test_rows_of_an_entity_that_the_manifest_no_longer_names_are_erased(
    database: Database, pco_manifest: Manifest, tmp_path: Path
) -> None:
    ensure_tables(database, read_with_note(tmp_path))
    run(
        database,
        "INSERT INTO pco.notes (org_id, adapter, type, external_id, id, content_hash, person_id, note)"
        " VALUES (%s, 'pco', 'note', '1', 'note_1', '', %s, 'about Anna')",
        ORG,
        ANNA.entity_id,
    )
    erased = erase_person(database, pco_manifest, ANNA, "a test")
    assert erased.rows["pco.notes"] == 1
    assert fetch(database, "SELECT note, person_id, deleted_at IS NOT NULL FROM pco.notes") == [
        (None, ANNA.entity_id, True)
    ]


def test_a_row_that_only_mentions_a_person_stays(database: Database, pco_manifest: Manifest) -> None:
    run(
        database,
        "INSERT INTO openfaith.households (org_id, adapter, type, external_id, id, content_hash, primary_contact_id,"
        " name, custom_fields) VALUES (%s, 'pco', 'household', '1', 'household_1', 'x', %s, 'The Smiths', %s)",
        ORG,
        ANNA.entity_id,
        '{"pco_primary_contact_name": "Anna", "pco_other": 1}',
    )
    erase_person(database, pco_manifest, ANNA, "a test")
    row = "SELECT name, custom_fields, deleted_at, primary_contact_id FROM openfaith.households"
    assert fetch(database, row) == [("The Smiths", {"pco_other": 1}, None, ANNA.entity_id)]


def test_every_column_of_json_is_known_to_the_eraser(database: Database) -> None:
    """A new JSON column must be classified in ``store/erasures/erasing.py``: can it hold what a source sent?"""
    found = fetch(
        database,
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'sync' AND udt_name IN ('json', 'jsonb')",
    )
    assert set(found) == JSON_WITH_RECORDS.keys() | JSON_WITHOUT_RECORDS


def test_raw_json_leaves_no_samples_in_the_statistics(database: Database) -> None:
    run(
        database,
        "INSERT INTO sync.dead_letters (org_id, adapter, entity, external_id, raw, field, value_type, reason,"
        " manifest_version) SELECT 'grace', 'pco', 'person', n::text, '{\"name\": \"Anna\"}', 'x', 'x', 'x', '1'"
        " FROM generate_series(1, 50) n",
    )
    run(database, "ANALYZE sync.dead_letters")
    assert (
        fetch(database, "SELECT DISTINCT attname FROM pg_stats WHERE tablename = 'dead_letters' AND attname = 'raw'")
        == []
    )
    kept = {table for table, _ in JSON_WITH_RECORDS}
    unsampled = fetch(
        database,
        "SELECT held.relname FROM pg_attribute own JOIN pg_class held ON held.oid = own.attrelid"
        " WHERE own.attstattarget = 0 AND held.relnamespace = 'sync'::regnamespace",
    )
    assert kept <= {row[0] for row in unsampled}


@pytest.mark.parametrize("table", CANONICAL_TABLES)
def test_every_canonical_table_with_a_person_says_what_becomes_of_its_rows_when_they_are_erased(table: str) -> None:
    columns = {column.name: column for column in CANONICAL_TABLES[table].own}
    if "person_id" in columns:
        # A gift stays, without its giver, so that the church's sums stay right.
        assert columns["person_id"].is_severed is (table == "donations")
        assert columns["person_id"].is_owner is (table != "donations")
