"""The explanation of a record says what the mapping does with each field, and what may not be shown."""

from typing import Any

import pytest
from hypothesis import given

from openfaith_sync.domain.dead_letters.explanation import ExplainedField, explain_mapping
from openfaith_sync.domain.ids import ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.records.record import Damage, RawRecord, Reference
from openfaith_sync_tests.domain.church import ORG, PCO, columns_of, custom_of, entity, manifest, mapper, raw_record
from openfaith_sync_tests.domain.test_mapping_drops_nothing import right_records


def explained(name: str, raw: RawRecord, of: Manifest | None = None) -> dict[str, ExplainedField]:
    of = of or manifest()
    fields = explain_mapping(entity(name), ORG, PCO, of.entities, raw)
    return {field.name: field for field in fields}


@given(right_records())
def test_it_is_the_mapping(drawn: tuple[str, dict[str, Any]]) -> None:
    name, attributes = drawn
    raw = raw_record(name, attributes)
    record = mapper(name)(raw)
    table, columns, custom = entity(name).record_table.name, columns_of(name, record), custom_of(record)
    fields = explain_mapping(entity(name), ORG, PCO, manifest().entities, raw)
    assert not any(field.rejects for field in fields)
    filled = set()
    for field in fields:
        place, _, key = (field.column or "").partition(".")
        filled.add((place, key))
        if field.kind == "id":
            assert field.stored == record.entity_id
        elif place == table:
            assert field.stored == columns[key]
        elif key:
            assert field.stored == custom.get(key)
    # Nothing that is stored goes unexplained.
    missing = {(table, key) for key, value in columns.items() if value is not None} - filled
    assert missing <= {(table, "extension"), (table, "status")}


def test_each_reason_is_named_and_those_that_reject_come_first() -> None:
    raw = raw_record("email", {"primary": "perhaps", "address": "anna@example.org"}, {"person": None})
    first, second, *others = explain_mapping(entity("email"), ORG, PCO, manifest().entities, raw)
    assert (first.name, first.rejects) == ("person", True)
    assert first.problem == "expected a reference to a Person (found null)"
    assert (second.name, second.rejects) == ("primary", False)
    assert second.problem == "expected true or false (found string)"
    assert (second.column, second.stored) == ("custom_fields.pco_primary", "perhaps")
    assert not any(other.problem for other in others)


def test_an_id_that_cannot_be_stored_hides_no_other_field() -> None:
    fields = explained("email", raw_record("email", {"address": "anna@example.org"}, external_id="1\0"))
    assert fields["id"].rejects
    assert fields["address"].stored == "anna@example.org"


def test_a_row_that_is_no_record_has_one_reason() -> None:
    raw = RawRecord(ExternalId("x"), {}, {}, {}, damage=Damage("type", "string", "expected the type Email"))
    (field,) = explained("email", raw).values()
    assert (field.name, field.problem) == ("type", "expected the type Email (found string)")


@pytest.mark.parametrize(
    ("name", "is_private"),
    [("first_name", True), ("updated_at", False), ("unheard_of", True), ("primary_campus", False), ("odd", True)],
)
def test_what_may_be_personal_is_marked(name: str, is_private: bool) -> None:
    references: dict[str, str | Reference | None] = {"primary_campus": "3"}
    raw = raw_record("person", {"first_name": "Anna", "unheard_of": "x"}, references)
    assert explained("person", raw._replace(oddities={"odd": {"name": "Anna"}}))[name].is_private is is_private
