from datetime import UTC, datetime

import pytest

from openfaith_sync.adapters.client.lenient_json import NotANumber
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType, Parse, Relationship
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import Delta, DeltaCapability
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.records.record import Damage, Rejection
from openfaith_sync_tests.domain.church import (
    ENTITIES,
    ORG,
    PCO,
    UPDATED_AT,
    columns_of,
    custom_of,
    entity,
    manifest,
    map_one,
    mapper,
    raw_record,
)

SECRET = "hush-4711"


def with_attributes(name: str, **attributes: Attribute) -> Entity:
    return entity(name).model_copy(update={"attributes": {**entity(name).attributes, **attributes}})


@pytest.mark.parametrize("name", ENTITIES)
def test_ids_are_derived_from_org_adapter_entity_and_external_id(name: str) -> None:
    record = map_one(name, external_id="42")
    assert record.external_id == "42"
    assert record.entity_id == derive_entity_id(ORG, PCO, EntityName(name), "42")


def test_a_reference_is_the_entity_id_of_its_target() -> None:
    record = map_one("person", references={"primary_campus": "9"})
    assert columns_of("person", record)["primary_campus_id"] == derive_entity_id(ORG, PCO, EntityName("campus"), "9")


@pytest.mark.parametrize("references", [{}, {"primary_campus": None}])
def test_a_reference_that_is_not_set_stays_empty(references: dict[str, str | None]) -> None:
    record = map_one("person", references=references)
    assert columns_of("person", record)["primary_campus_id"] is None
    assert custom_of(record) == {}


@pytest.mark.parametrize("name", ["address", "email", "phone_number"])
@pytest.mark.parametrize(("references", "kind"), [({"person": None}, "null"), ({}, "nothing")])
def test_a_required_reference_that_is_missing_sets_the_record_aside(
    name: str, references: dict[str, None], kind: str
) -> None:
    raw = raw_record(name)
    batch = map_batch(mapper(name), EntityName(name), [type(raw)(raw.external_id, raw.attributes, references, {})])
    assert [(found.field, found.value_type, found.reason) for found in batch.rejected] == [
        ("person", kind, "expected a reference to a Person")
    ]


def test_a_relationship_without_a_column_is_kept_as_external_id() -> None:
    record = map_one("event", references={"location": "5", "repeating_event": None})
    assert custom_of(record) == {"pco_location_id": "5", "pco_repeating_event_id": None}


def test_a_relationship_and_an_attribute_of_one_name_are_both_kept() -> None:
    record = map_one("person", {"gender": "Female"}, references={"gender": "10418663"})
    kept = {"type": "Somebody", "id": "10418663"}
    assert custom_of(record) == {"pco_gender": "Female", "pco_gender_id": kept}


def test_an_attribute_that_says_what_a_relationship_says_is_kept_once() -> None:
    record = map_one("campus", {"organization_id": 7}, references={"organization": "7"})
    assert custom_of(record) == {"pco_organization_id": 7}


def test_an_attribute_that_contradicts_a_relationship_is_kept_beside_it() -> None:
    record = map_one("campus", {"organization_id": 7}, references={"organization": "8"})
    assert custom_of(record) == {"pco_organization_id": 7, "pco_organization_id_referenced": "8"}


def test_a_reference_to_an_entity_that_nobody_stores_keeps_its_external_id() -> None:
    record = map_one("group", references={"group_type": "unique"})
    columns = columns_of("group", record)
    assert columns["group_type_id"] == derive_entity_id(ORG, PCO, EntityName("group_type"), "unique")
    assert custom_of(record) == {"pco_group_type_id": "unique"}


def test_a_mapper_that_is_told_of_no_entities_keeps_every_external_id() -> None:
    record = build_mapper(entity("email"), ORG, PCO)(raw_record("email"))
    assert custom_of(record) == {"pco_person_id": "77"}


def phone(number: object, country: str | None = "US", **attributes: object) -> tuple[object, object]:
    record = map_one("phone_number", {"number": number, "country_code": country, **attributes})
    columns = columns_of("phone_number", record)
    return columns["number"], columns["extension"]


@pytest.mark.parametrize(
    ("country", "text", "number"),
    [
        ("US", "(555) 555-0123", "+15555550123"),
        ("US", "1 555 555 0123", "+15555550123"),
        ("US", "555-1234", "555-1234"),
        ("US", "411", "411"),
        ("DE", "0731 123456", "+49731123456"),
        ("DE", "0151 23456789", "+4915123456789"),
        ("DE", "151 23456789", "+4915123456789"),
        ("DE", "123456", "123456"),
        ("DE", "30 123456", "30 123456"),
        ("GB", "7946 0000", "7946 0000"),
        ("UK", "020 7946 0000", "+442079460000"),
        ("IT", "06 1234 5678", "+390612345678"),
        ("IT", "123456", "123456"),
        ("AU", "9876 5432", "9876 5432"),
        ("BR", "(11) 3876-5432", "+551138765432"),
        ("BR", "3876-5432", "3876-5432"),
        ("FR", "+44 20 7946 0000", "+442079460000"),
        ("US", "011 44 20 7946 0000", "+442079460000"),
        ("Nowhere", "555 555 0123", "555 555 0123"),
        (None, "555 555 0123", "555 555 0123"),
        (None, "+1 555 555 0123", "+15555550123"),
        (None, "+1 555 0123", "+1 555 0123"),
    ],
)
def test_a_number_is_e164_only_when_its_text_names_country_and_area(
    country: str | None, text: str, number: str
) -> None:
    assert phone(text, country) == (number, None)


@pytest.mark.parametrize(
    ("text", "number", "extension"),
    [
        ("(555) 555-0123 x12", "+15555550123", "12"),
        ("+1 555 555 0123 ext. 0407", "+15555550123", "0407"),
        ("555-1234 ext 9", "555-1234 ext 9", "9"),
        ("ask Ann, x12", "ask Ann, x12", None),
    ],
)
def test_an_extension_has_a_column_of_its_own(text: str, number: str, extension: str | None) -> None:
    assert phone(text) == (number, extension)
    assert phone(text, e164="+15555550123") == ("+15555550123", extension)


@pytest.mark.parametrize("e164", ["+15551234", "5551234", "unknown", "+"])
def test_a_preferred_number_that_is_no_whole_one_is_not_believed(e164: str) -> None:
    assert phone("(555) 555-0123", e164=e164) == ("+15555550123", None)
    assert phone("555-1234", e164=e164) == ("555-1234", None)


def test_the_version_is_what_the_source_says() -> None:
    assert map_one("person").version == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_an_entity_without_versions_has_none() -> None:
    assert map_one("group").version is None


@pytest.mark.parametrize("name", ["campus", "address"])
@pytest.mark.parametrize("version", [None, "", "yesterday", 2024])
def test_a_record_without_its_version_is_mapped_without_one(name: str, version: object) -> None:
    record = map_one(name, {"updated_at": version})
    assert record.version is None
    assert custom_of(record) == ({} if version is None else {"pco_updated_at": version})


def test_the_preferred_number_wins_when_it_is_not_empty() -> None:
    record = map_one("phone_number", {"number": "(555) 555-9765", "e164": "+15555559765", "country_code": "DE"})
    assert columns_of("phone_number", record)["number"] == "+15555559765"
    assert custom_of(record) == {"pco_number": "(555) 555-9765", "pco_e164": "+15555559765"}


@pytest.mark.parametrize("e164", [None, ""])
def test_a_number_is_read_in_the_country_of_the_record(e164: str | None) -> None:
    record = map_one("phone_number", {"number": "0731 123456", "e164": e164, "country_code": "DE"})
    assert columns_of("phone_number", record)["number"] == "+49731123456"
    assert custom_of(record) == {"pco_number": "0731 123456", "pco_e164": e164}


def test_a_number_without_a_country_stays_as_it_is() -> None:
    record = map_one("phone_number", {"number": "(555) 555-9765"})
    assert columns_of("phone_number", record)["number"] == "(555) 555-9765"
    assert custom_of(record) == {}


def test_a_number_that_is_null_is_kept_as_null_when_another_fills_its_column() -> None:
    record = map_one("phone_number", {"number": None, "e164": "+15555559765"})
    assert custom_of(record) == {"pco_number": None, "pco_e164": "+15555559765"}


def test_addresses_of_older_versions_map_too() -> None:
    record = map_one("address", {"street": "123 Ride Way\nApt 2", "city": "Boston"})
    assert columns_of("address", record)["street_line_1"] is None
    assert custom_of(record) == {"pco_street": "123 Ride Way\nApt 2"}


def test_equal_content_gives_equal_hashes_whatever_its_order() -> None:
    attributes = {"first_name": "Zoë", "child": True, "grade": 3, "birthdate": "2014-01-01"}
    first = map_one("person", attributes)
    second = map_one("person", dict(reversed(attributes.items())))
    assert (first.content_hash, first.custom_fields) == (second.content_hash, second.custom_fields)
    assert len(first.content_hash) == 16


@pytest.mark.parametrize(
    ("attribute", "before", "after"),
    [
        ("first_name", None, ""),
        ("first_name", "Ann", "Anne"),
        ("child", False, True),
        ("child", None, False),
        ("grade", 1, 1.5),
        ("gender", "Male", "M"),
        ("updated_at", UPDATED_AT, "2024-05-06T07:08:10Z"),
    ],
)
def test_other_content_gives_another_hash(attribute: str, before: object, after: object) -> None:
    hashes = {map_one("person", {attribute: value}).content_hash for value in (before, after)}
    assert len(hashes) == 2


def test_a_hash_stays_what_it_was_in_the_last_release() -> None:
    record = map_one("person", {"first_name": "Zoë", "birthdate": "2014-01-01", "child": True})
    assert record.content_hash.hex() == "8bf823f152637e823152a18022ae4228"


def test_one_bad_record_leaves_the_others_of_its_page() -> None:
    raws = [raw_record("email", external_id=number) for number in "123"]
    raws[1] = raws[1]._replace(references={"person": None})
    batch = map_batch(mapper("email"), EntityName("email"), raws)
    assert (batch.entity, batch.table) == ("email", CANONICAL_TABLES["emails"])
    assert [record.external_id for record in batch.records] == ["1", "3"]
    (rejected,) = batch.rejected
    assert (rejected.external_id, rejected.field, rejected.value_type) == ("2", "person", "null")
    assert rejected.body is raws[1].body


def test_a_row_that_could_not_be_read_is_set_aside_with_its_damage() -> None:
    damaged = raw_record("person", external_id="2")._replace(damage=Damage("attributes", "array", "expected an object"))
    batch = map_batch(mapper("person"), EntityName("person"), [raw_record("person"), damaged])
    assert [record.external_id for record in batch.records] == ["1"]
    assert batch.rejected == (Rejection(ExternalId("2"), "attributes", "array", "expected an object", damaged.body),)


BAD = {
    AttributeType.STRING: [4711, 47.11, True, [SECRET], {SECRET: SECRET}],
    AttributeType.BOOLEAN: [4711, 1, 0, "true", SECRET, [SECRET], {SECRET: SECRET}],
    AttributeType.INTEGER: [True, 47.11, "4711", SECRET, 2**31, -(2**31) - 1, 1e300, [SECRET], {SECRET: SECRET}],
    AttributeType.FLOAT: [True, SECRET, "4_711", "nan", "1e999", "٤٧١١", 10**400, [SECRET], {SECRET: SECRET}],
    AttributeType.DATE: [4711, True, "", "0000-00-00", "2021-02-30", "12021-01-01", SECRET, [SECRET], {}],
    AttributeType.DATE_TIME: [
        *[4711, True, "", "2021-01-01", "2021-01-01T00:00:00", "2021-02-30T00:00:00Z", "0001-01-01T00:00:00+02:00"],
        *["9999-12-31T23:59:59-01:00", SECRET, [SECRET], {}],
    ],
}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [(name, attribute) for name in ENTITIES for attribute, part in entity(name).attributes.items() if part.to],
)
def test_a_value_that_cannot_be_read_leaves_its_column_empty_and_is_kept(name: str, attribute: str) -> None:
    part = entity(name).attributes[attribute]
    for value in BAD[part.type]:
        record = map_one(name, {attribute: value})
        assert columns_of(name, record)[str(part.to)] == ("active" if part.to == "status" else None)
        assert custom_of(record)[f"pco_{attribute}"] == value
        assert record.unreadable == (() if value == "" else (attribute,))


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
@pytest.mark.parametrize("attribute", ["birthdate", "inactivated_at"])
def test_blank_text_is_no_value_of_a_type_other_than_text(attribute: str, blank: str) -> None:
    record = map_one("person", {attribute: blank})
    assert (columns_of("person", record)[attribute], record.unreadable) == (None, ())
    assert custom_of(record) == {f"pco_{attribute}": blank}


def test_a_number_that_json_does_not_know_is_kept_as_its_text_and_fills_no_column() -> None:
    record = map_one("person", {"first_name": NotANumber("NaN"), "birthdate": NotANumber("Infinity")})
    assert {columns_of("person", record)[name] for name in ("first_name", "birthdate")} == {None}
    assert custom_of(record) == {"pco_first_name": "NaN", "pco_birthdate": "Infinity"}
    assert record.unreadable == ("first_name", "birthdate")


def test_an_attribute_without_a_column_is_never_refused() -> None:
    record = map_one("person", {"child": "perhaps", "grade": [1], "remote_id": {"a": None}})
    assert custom_of(record) == {"pco_child": "perhaps", "pco_grade": [1], "pco_remote_id": {"a": None}}


def test_a_character_that_postgresql_refuses_is_replaced() -> None:
    record = map_one("person", {"first_name": "A\0nn", "medical_notes": "\ud83d", "odd\0": ["\0", {"\0": 1}]})
    assert columns_of("person", record)["first_name"] == "A\ufffdnn"
    assert custom_of(record) == {"pco_medical_notes": "\ufffd", "pco_odd\ufffd": ["\ufffd", {"\ufffd": 1}]}
    assert b"\\u0000" not in record.custom_fields


def test_text_that_only_looks_like_an_escape_is_left_alone() -> None:
    record = map_one("person", {"first_name": "\\u0000", "medical_notes": "\\u0000"})
    assert columns_of("person", record)["first_name"] == "\\u0000"
    assert custom_of(record) == {"pco_medical_notes": "\\u0000"}


@pytest.mark.parametrize("external_id", ["1\0", "\ud800", ""])
def test_a_record_whose_id_cannot_be_stored_is_set_aside_under_one_that_can(external_id: str) -> None:
    raws = [raw_record("person", external_id=external_id)]
    (rejected,) = map_batch(mapper("person"), EntityName("person"), raws).rejected
    assert rejected.field == "id"
    assert "\0" not in rejected.external_id.encode().decode()


def test_orgs_and_adapters_never_share_an_id() -> None:
    raw = raw_record("email")
    others = [(OrgId("other"), PCO), (ORG, AdapterName("other"))]
    records = [mapper("email")(raw), *(build_mapper(entity("email"), org, of)(raw) for org, of in others)]
    assert len({record.entity_id for record in records}) == 3
    assert len({columns_of("email", record)["person_id"] for record in records}) == 3


@pytest.mark.parametrize(
    "attribute",
    [
        Attribute(type=AttributeType.JSON, to="name"),
        Attribute(type=AttributeType.STRING, to="member_count"),
        Attribute(type=AttributeType.INTEGER, to="name"),
        Attribute(type=AttributeType.BOOLEAN, to="name", parse=Parse.GENDER),
        Attribute(type=AttributeType.STRING, to="member_count", parse=Parse.PHONE),
        Attribute(type=AttributeType.INTEGER, to="name", prefer="avatar"),
        Attribute(type=AttributeType.STRING, to="name", prefer="member_count"),
        Attribute(type=AttributeType.PRIMARY_KEY, to="primary_contact_id"),
        Attribute(type=AttributeType.STRING, to="status"),
    ],
    ids=repr,
)
def test_a_manifest_that_asks_for_the_impossible_is_refused_at_once(attribute: Attribute) -> None:
    with pytest.raises(DefinitionError, match=r"household\.(attributes\.)?odd"):
        build_mapper(with_attributes("household", odd=attribute), ORG, PCO)


def test_a_version_that_fills_no_timestamp_is_refused_at_once() -> None:
    delta = Delta(by=DeltaCapability.ORDERED, attribute="name")
    with pytest.raises(DefinitionError, match=r"delta\.attribute"):
        build_mapper(entity("household").model_copy(update={"delta": delta}), ORG, PCO)


def test_a_relationship_that_fills_no_reference_is_refused_at_once() -> None:
    odd = {"odd": Relationship(target="person", resource="Person", to="name")}
    with pytest.raises(DefinitionError, match=r"relationships\.odd"):
        build_mapper(entity("household").model_copy(update={"relationships": odd}), ORG, PCO)


@pytest.mark.parametrize(
    ("attribute", "raw", "value", "is_kept"),
    [
        (Attribute(type=AttributeType.PRIMARY_KEY, to="name"), "12", "12", False),
        (Attribute(type=AttributeType.PRIMARY_KEY, to="name"), 12, "12", True),
        # The manifest says that it comes as a number, so that its text tells what came.
        (Attribute(type=AttributeType.STRING, wire="number", to="name"), 12, "12", False),
        (Attribute(type=AttributeType.PRIMARY_KEY, wire="number", to="name"), 12, "12", False),
        (Attribute(type=AttributeType.PRIMARY_KEY, wire="number", to="name"), "12", "12", False),
        (Attribute(type=AttributeType.INTEGER, wire="string", to="member_count"), "12", 12, True),
        (Attribute(type=AttributeType.INTEGER, wire="string", to="member_count"), 12, 12, False),
        (Attribute(type=AttributeType.INTEGER, to="member_count"), 12.0, 12, False),
        (Attribute(type=AttributeType.STRING, parse=Parse.GENDER, prefer="avatar", to="name"), "F", "female", True),
        (Attribute(type=AttributeType.STRING, prefer="avatar", to="name"), "F", "F", False),
    ],
)
def test_ids_and_numbers_map_whichever_way_they_are_sent(
    attribute: Attribute, raw: object, value: object, is_kept: bool
) -> None:
    attributes = {**entity("household").attributes, "odd": attribute}
    attributes.pop("name")
    attributes.pop("member_count")
    part = entity("household").model_copy(update={"attributes": attributes})
    record = build_mapper(part, ORG, PCO, manifest().entities)(raw_record("household", {"odd": raw}))
    assert columns_of("household", record)[str(attribute.to)] == value
    assert custom_of(record) == ({"pco_odd": raw} if is_kept else {})
