"""A reference is the type it says: what the manifest does not name is kept, and never becomes an id."""

from collections.abc import Mapping

import pytest

from openfaith_sync.domain.ids import EntityId, EntityName, ExternalId, derive_entity_id
from openfaith_sync.domain.manifest.dependency_graph import Strength
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.records.merges import references_to
from openfaith_sync.domain.records.record import JsonObject, RawRecord, Record, Reference
from openfaith_sync_tests.domain.church import (
    ORG,
    PCO,
    columns_of,
    custom_of,
    entity,
    manifest,
    map_one,
    mapper,
    raw_record,
)

NINE = ExternalId("9")


def campus_id(external_id: str) -> EntityId:
    return derive_entity_id(ORG, PCO, EntityName("campus"), external_id)


def person(members: Mapping[str, tuple[Reference, ...]] | None = None, oddities: JsonObject | None = None) -> Record:
    return mapper("person")(raw_record("person")._replace(members=members, oddities=oddities))


def campus_of(record: Record) -> object:
    return columns_of("person", record)["primary_campus_id"]


def test_a_reference_of_another_type_fills_no_column_and_is_kept_whole() -> None:
    record = map_one("person", references={"primary_campus": Reference(NINE, "Organization")})
    assert campus_of(record) is None
    assert custom_of(record) == {"pco_primary_campus_id": {"type": "Organization", "id": "9"}}
    assert record.unreadable == ("primary_campus",)


def test_a_required_reference_of_another_type_sets_the_record_aside() -> None:
    raw = raw_record("email", references={"person": Reference(NINE, "Household")})
    (rejected,) = map_batch(mapper("email"), EntityName("email"), [raw]).rejected
    assert (rejected.field, rejected.value_type) == ("person", "a reference of another type")
    assert rejected.reason == "expected a reference to a Person"


def test_a_relationship_that_the_manifest_does_not_name_is_kept_with_its_type() -> None:
    record = map_one("person", references={"customizable": Reference(NINE, "Household"), "nobody": None})
    assert custom_of(record) == {
        "pco_customizable_id": {"type": "Household", "id": "9"},
        "pco_nobody_id": None,
    }
    assert record.unreadable == ()


def test_a_relationship_without_a_column_keeps_the_type_that_was_not_expected() -> None:
    record = map_one("event", references={"location": Reference(NINE, "Room")})
    assert custom_of(record) == {"pco_location_id": {"type": "Room", "id": "9"}}


def test_a_list_of_one_is_read_as_its_member() -> None:
    record = person(members={"primary_campus": (Reference(NINE, "PrimaryCampus"),)})
    assert campus_of(record) == campus_id("9")
    assert custom_of(record) == {}


def test_an_empty_list_where_one_belongs_is_no_reference() -> None:
    record = person(members={"primary_campus": ()})
    assert (campus_of(record), custom_of(record), record.unreadable) == (None, {}, ())


def test_a_longer_list_where_one_belongs_is_kept() -> None:
    record = person(members={"primary_campus": (Reference(NINE, "Room"), Reference(ExternalId("8"), "PrimaryCampus"))})
    assert campus_of(record) is None
    assert custom_of(record) == {"pco_primary_campus_ids": ["8", {"type": "Room", "id": "9"}]}
    assert record.unreadable == ("primary_campus",)


def test_a_list_that_the_manifest_does_not_name_is_kept() -> None:
    record = person(members={"pets": (Reference(NINE, "Pet"),)})
    assert custom_of(record) == {"pco_pets_ids": [{"type": "Pet", "id": "9"}]}


def test_what_is_included_on_demand_does_not_change_the_content() -> None:
    plain, included = person(), person(members={"emails": (Reference(NINE, "Email"),)})
    assert plain.content_hash == included.content_hash
    one = map_one("person", references={"emails": Reference(NINE, "Email")})
    assert one.content_hash == plain.content_hash
    declared = entity("person").model_copy(update={"includes": ("best_friend",)})
    friend = raw_record("person", references={"best_friend": Reference(NINE, "Person")})
    assert build_mapper(declared, ORG, PCO)(friend).content_hash == plain.content_hash
    always_asked = declared.model_copy(update={"include": ("best_friend",)})
    assert build_mapper(always_asked, ORG, PCO)(friend).content_hash != plain.content_hash


def test_one_where_a_list_belongs_is_a_list_of_one() -> None:
    record = map_one("household", references={"people": Reference(NINE, "Person")})
    assert custom_of(record) == {"pco_people_ids": ["9"]}


@pytest.mark.parametrize("value", ["9", 9, {"id": None}, [{"id": True}], False])
def test_a_relationship_of_another_shape_is_kept_as_it_came(value: object) -> None:
    record = person(oddities={"primary_campus": value})
    assert campus_of(record) is None
    assert custom_of(record) == {"pco_primary_campus_id": value}
    assert record.unreadable == ("primary_campus",)


@pytest.mark.parametrize(("value", "kind"), [("9", "string"), ({"id": None}, "object"), ([1], "array")])
def test_a_required_relationship_of_another_shape_sets_the_record_aside(value: object, kind: str) -> None:
    raw = raw_record("email")._replace(references={}, oddities={"person": value})
    (rejected,) = map_batch(mapper("email"), EntityName("email"), [raw]).rejected
    assert (rejected.field, rejected.value_type) == ("person", kind)


def polymorphic() -> Entity:
    part = entity("household")
    contact = part.relationships["primary_contact"].model_copy(update={"others": {"Campus": "campus"}})
    return part.model_copy(update={"relationships": {**part.relationships, "primary_contact": contact}})


@pytest.mark.parametrize(("wire_type", "target"), [("Person", "person"), ("Campus", "campus")])
def test_a_polymorphic_relationship_leads_to_the_entity_of_its_type(wire_type: str, target: str) -> None:
    map_household = build_mapper(polymorphic(), ORG, PCO, manifest().entities)
    raw: RawRecord = raw_record("household", references={"primary_contact": Reference(NINE, wire_type)})
    column = columns_of("household", map_household(raw))["primary_contact_id"]
    assert column == derive_entity_id(ORG, PCO, EntityName(target), "9")


def test_a_polymorphic_relationship_depends_softly_on_each_of_its_entities() -> None:
    whole = manifest()
    changed: Manifest = whole.model_copy(
        update={"entities": {**whole.entities, EntityName("household"): polymorphic()}}
    )
    edges = {edge.dependency: edge.strength for edge in changed.graph.edges_of(EntityName("household"))}
    assert edges == {"campus": Strength.SOFT}
    assert "household" not in {column.table.name for column in references_to(changed, EntityName("campus"))}
    assert "households" in {column.table.name for column in references_to(changed, EntityName("campus"))}
