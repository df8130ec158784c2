"""The data dictionary says of every table, view and column what the database's catalogue says, and where each leads."""

import json
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES, REFERRED_SOURCES, REFERRED_TABLES
from openfaith_sync.domain.data_dictionary.dbt_sources import dbt_sources
from openfaith_sync.domain.data_dictionary.described import DataDictionary, RelationKind
from openfaith_sync.domain.data_dictionary.markdown import markdown_document
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import ColumnType
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.described_tables import describe_tables
from openfaith_sync_tests.added_entity import read_with_note
from openfaith_sync_tests.domain.church import ENTITIES, entity, mapper, raw_record
from openfaith_sync_tests.store.making import fetch
from openfaith_sync_tests.store.test_source_tables import apply
from openfaith_sync_tests.ten_entities import MANIFESTS

CATALOGUE = """
SELECT room.nspname, held.relname, held.relkind::text, obj_description(held.oid, 'pg_class'), own.attname,
       format_type(own.atttypid, own.atttypmod), col_description(held.oid, own.attnum)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
JOIN pg_attribute own ON own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
WHERE room.nspname ~ '^(openfaith|pco|breeze)(_live)?$' AND held.relkind IN ('r', 'v')
ORDER BY 1, 2, own.attnum
"""


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """The shipped manifests, with an entity that has a source table."""
    folder: Path = tmp_path_factory.mktemp("dictionary")
    likes = "{type: integer, sensitivity: sensitive}"
    return [read_with_note(folder, likes=likes), read_manifest(MANIFESTS, "breeze")]


@pytest.fixture(scope="module")
def dictionary(manifests: list[Manifest]) -> DataDictionary:
    return describe_tables(manifests)


def test_it_is_complete_and_says_what_the_catalogue_says(
    database: Database, manifests: list[Manifest], dictionary: DataDictionary
) -> None:
    for manifest in manifests:
        apply(database, manifest)
    described = [
        (
            *(relation.schema, relation.name, "r" if relation.kind is RelationKind.TABLE else "v"),
            *(relation.description, column.name, column.type, column.description),
        )
        for relation in dictionary.relations
        for column in relation.columns
    ]
    found = fetch(database, CATALOGUE)
    assert len(found) > 700
    # Migrations added some columns at the end of tables.
    assert sorted(described) == sorted(found)


def test_each_reference_leads_to_the_table_that_the_manifests_refer_to(manifests: list[Manifest]) -> None:
    known = set()
    for manifest in manifests:
        for one in manifest.entities.values():
            for relationship in one.relationships.values() if one.table else ():
                for column, found in relationship.by_column.items():
                    named = map(EntityName, found.values())
                    for target in {manifest.entities[name].table for name in named if name in manifest.entities}:
                        assert (column in REFERRED_SOURCES) if target is None else REFERRED_TABLES[column] == target
                        known.add(column)
    assert known >= {"person_id", "primary_campus_id", "household_id", "group_id"}
    references = {
        column.name
        for table in CANONICAL_TABLES.values()
        for column in table.own
        if column.type is ColumnType.REFERENCE
    }
    assert references == REFERRED_TABLES.keys() | REFERRED_SOURCES
    assert set(REFERRED_TABLES.values()) <= CANONICAL_TABLES.keys()


def test_columns_say_where_they_come_from_and_how_sensitive_they_are(dictionary: DataDictionary) -> None:
    columns = {
        f"{relation.qualified}.{column.name}": column
        for relation in dictionary.relations
        for column in relation.columns
    }
    people, notes = columns["openfaith.people.first_name"], columns["pco.notes.likes"]
    assert people.sources == (
        *("pco Person.first_name", "breeze person.first_name"),
        "breeze person.force_first_name",  # which is preferred
    )
    assert columns["openfaith.people.custom_fields"].sensitivity == "sensitive"
    assert columns["pco.people.medical_notes"].sensitivity == "sensitive"
    assert columns["pco.people.medical_notes"].sources == ("pco Person.medical_notes",)
    assert (notes.sensitivity, notes.sources) == ("sensitive", ("pco Note.likes",))
    assert columns["openfaith_live.emails.person_id"].joins == ("openfaith_live.people",)
    assert columns["pco.notes.person_id"].joins == ("pco.people",)
    assert columns["openfaith.people.merged_into_id"].joins == ("openfaith.people",)


@pytest.mark.parametrize("name", ENTITIES)
def test_it_names_every_custom_field_that_a_record_of_all_named_attributes_gets(
    dictionary: DataDictionary, name: str
) -> None:
    documented = {
        found.key
        for relation in dictionary.relations
        for found in relation.custom_fields
        if found.entity == f"pco/{name}"
    }
    one = entity(name)
    without_column = {key: "x" for key, part in one.attributes.items() if part.to is None}
    references = {key: "5" for key, part in one.relationships.items() if part.cardinality == "one"}
    record = mapper(name)(raw_record(name, without_column, references))
    many = {f"pco_{key}_ids" for key, part in one.relationships.items() if part.cardinality == "many"}
    assert json.loads(record.custom_fields).keys() == documented - many


def test_dbt_gets_each_table_once_and_tests_that_lead_somewhere(dictionary: DataDictionary) -> None:
    sources = dbt_sources(dictionary)["sources"]
    tables = {(source["name"], table["name"]): table for source in sources for table in source["tables"]}
    assert len(tables) == len(dictionary.relations)
    targets = {
        test["relationships"]["arguments"]["to"]
        for table in tables.values()
        for column in table["columns"]
        for test in column.get("data_tests", [])
        if test != "not_null"
    }
    assert {f"source('{schema}', '{table}')" for schema, table in tables} >= targets
    assert {"source('openfaith_live', 'people')", "source('pco_live', 'people')"} <= targets
    (email,) = [column for column in tables["openfaith_live", "emails"]["columns"] if column["name"] == "person_id"]
    assert email["config"]["meta"]["joins"] == [
        "(org_id, person_id) = (openfaith_live.people.org_id, openfaith_live.people.id)"
    ]


def test_the_document_has_a_section_for_each_table_and_names_each_live_view(dictionary: DataDictionary) -> None:
    text = markdown_document(dictionary)
    for relation in dictionary.relations:
        if relation.kind is RelationKind.LIVE_VIEW:
            assert f"Live view: `{relation.qualified}`, without `" in text
        else:
            assert text.count(f"### `{relation.qualified}` (") == 1
    row = "| `person_id` | text | Whose address it is. | pco Email.person | public | `openfaith.people` |"
    assert row in text
    assert "as &lt;adapter>_&lt;attribute>." in text
