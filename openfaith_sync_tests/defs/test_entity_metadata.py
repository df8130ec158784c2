"""An asset says of its table what is true of the database."""

import dagster as dg
import pytest

from openfaith_sync.defs.assets.entity_assets import build_entity_assets
from openfaith_sync.defs.assets.entity_metadata import column_schema
from openfaith_sync.defs.assets.preview import shown_columns
from openfaith_sync.defs.resources.asset_keys import asset_key
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.database.database import Database

COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s
"""


def spec_of(manifest: Manifest, entity: str) -> dg.AssetSpec:
    return build_entity_assets(manifest).specs_by_key[asset_key(manifest.adapter, EntityName(entity))]


def test_every_asset_shows_the_columns_that_its_table_has(database: Database, pco_manifest: Manifest) -> None:
    with database.connect_fleet() as connection:
        for entity in pco_manifest.entities.values():
            table = entity.record_table
            real = dict(connection.execute(COLUMNS, [table.schema, table.name]).fetchall())
            told = {column.name: column.type for column in column_schema(entity).columns}
            assert told == real, entity.name


def test_personal_columns_carry_a_tag_and_stay_out_of_previews(pco_manifest: Manifest) -> None:
    person = pco_manifest.entities[EntityName("person")]
    tags = {column.name: set(column.tags) for column in column_schema(person).columns}
    assert tags["first_name"] == tags["birthdate"] == tags["gender"] == tags["tags"] == {"personal"}
    assert tags["custom_fields"] == {"sensitive"}
    assert tags["id"] == tags["status"] == tags["primary_campus_id"] == set()
    assert {name for name, held in tags.items() if held}.isdisjoint(shown_columns(person))


@pytest.mark.parametrize("table", CANONICAL_TABLES)
def test_no_preview_holds_what_a_source_may_put_anything_into(table: str, pco_manifest: Manifest) -> None:
    for entity in pco_manifest.entities.values():
        if entity.table == table:
            assert {"custom_fields", "tags"}.isdisjoint(shown_columns(entity))


def test_a_column_says_where_its_value_comes_from(pco_manifest: Manifest) -> None:
    columns = {c.name: c for c in column_schema(pco_manifest.entities[EntityName("phone_number")]).columns}
    assert str(columns["number"].description).endswith(" From PhoneNumber.e164, else PhoneNumber.number.")
    assert str(columns["number"].description).startswith(CANONICAL_TABLES["phone_numbers"].own[1].comment)
    assert columns["person_id"].description == "Whose number it is. From PhoneNumber.person: the id of a person."


def test_an_asset_names_its_table_its_source_and_its_owner(pco_manifest: Manifest) -> None:
    spec = spec_of(pco_manifest, "person")
    assert spec.metadata["dagster/table_name"] == "openfaith.people"
    assert spec.metadata["source_listing"] == dg.MetadataValue.url(
        "https://api.planningcenteronline.com/people/v2/people"
    )
    assert spec.metadata["brings_along"] == "address, email, phone_number"
    assert spec.owners == ["team:openfaith"]
    assert spec.kinds == {"python", "postgres", "pco"}
    assert spec.code_version == pco_manifest.entity_fingerprint(EntityName("person"))


def test_a_change_to_one_entity_changes_the_code_version_of_that_one_only(pco_manifest: Manifest) -> None:
    campus = EntityName("campus")
    changed_campus = pco_manifest.entities[campus].model_copy(update={"description": "Another place."})
    changed = pco_manifest.model_copy(update={"entities": {**pco_manifest.entities, campus: changed_campus}})
    assert spec_of(changed, "campus").code_version != spec_of(pco_manifest, "campus").code_version
    assert spec_of(changed, "person").code_version == spec_of(pco_manifest, "person").code_version
