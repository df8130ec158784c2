"""What manifests say to fill canonical tables: constants, several columns of one relationship, and further words."""

from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.domain.ids import EntityName, ExternalId, derive_entity_id
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper
from openfaith_sync.domain.mapping.ownership import OwnerReader
from openfaith_sync.domain.mapping.vocabulary import parse_attendance_kind, parse_field_type, parse_response
from openfaith_sync.domain.records.merges import references_to
from openfaith_sync.domain.records.record import RawRecord, Record, Reference
from openfaith_sync_tests.canonical_entities import MODULE, read_canonical
from openfaith_sync_tests.domain.church import ORG, PCO, custom_of

PERSON, HOUSEHOLD = EntityName("person"), EntityName("household")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_canonical(tmp_path_factory.mktemp("canonical"))


def raw(attributes: dict[str, Any], **references: Reference) -> RawRecord:
    return RawRecord(ExternalId("1"), attributes, references, {"id": "1"})


def mapped(manifest: Manifest, name: str, record: RawRecord) -> tuple[Record, dict[str, object]]:
    entity = manifest.entities[EntityName(name)]
    found = build_mapper(entity, ORG, PCO, manifest.entities)(record)
    return found, dict(zip([column.name for column in entity.record_table.columns], found.values, strict=True))


def test_a_constant_fills_its_column_in_every_record(manifest: Manifest) -> None:
    for _ in range(2):
        _, columns = mapped(manifest, "headcount", raw({"total": 12}))
        assert (columns["kind"], columns["attended"], columns["count"]) == ("headcount", True, 12)


@pytest.mark.parametrize(("wire_type", "target"), [("Person", PERSON), ("Household", HOUSEHOLD)])
def test_a_reference_fills_the_column_of_its_type(manifest: Manifest, wire_type: str, target: EntityName) -> None:
    owner = Reference(ExternalId("7"), wire_type)
    record, columns = mapped(manifest, "field_datum", raw({"value": "x"}, customizable=owner))
    expected = derive_entity_id(ORG, PCO, target, "7")
    assert {name: value for name, value in columns.items() if name in {"person_id", "household_id"}} == {
        **dict.fromkeys(("person_id", "household_id")),
        f"{target}_id": expected,
    }
    assert record.unreadable == ()
    entity = manifest.entities[EntityName("field_datum")]
    assert OwnerReader(entity, ORG, PCO)(raw({}, customizable=owner)) == (expected,)
    assert ("field_values", f"{target}_id") in {
        (found.table.name, found.column) for found in references_to(manifest, target)
    }


def test_a_reference_of_a_third_type_is_kept_whole(manifest: Manifest) -> None:
    record, columns = mapped(manifest, "field_datum", raw({}, customizable=Reference(ExternalId("7"), "Group")))
    assert columns["person_id"] is columns["household_id"] is None
    assert custom_of(record)["pco_customizable_id"] == {"type": "Group", "id": "7"}


@pytest.mark.parametrize(("sent", "kept"), [(-2000, {}), (2000, {"pco_amount_cents": 2000}), (0, {})])
def test_a_refund_is_negative_and_what_came_is_kept(manifest: Manifest, sent: int, kept: dict[str, int]) -> None:
    record, columns = mapped(manifest, "refund", raw({"amount_cents": sent}))
    assert columns["amount_cents"] == -abs(sent)
    assert custom_of(record) == kept


@pytest.mark.parametrize(
    ("text", "word"),
    [("string", "text"), ("Paragraph", "text"), ("dropdown", "select"), ("checkboxes", "checkboxes"), ("date", "date")],
)
def test_the_type_of_a_field(text: str, word: str) -> None:
    assert parse_field_type(text) == word


@pytest.mark.parametrize(
    ("text", "word"), [("Regular", "regular"), ("leader", "regular"), ("visitor", "guest"), ("Volunteer", "volunteer")]
)
def test_as_what_somebody_came(text: str, word: str) -> None:
    assert parse_attendance_kind(text) == word


@pytest.mark.parametrize(
    ("text", "word"), [("C", "confirmed"), ("D", "declined"), ("U", "unconfirmed"), ("Accepted", "confirmed")]
)
def test_the_answer_of_somebody_who_was_asked_to_serve(text: str, word: str) -> None:
    assert parse_response(text) == word


@pytest.mark.parametrize(
    ("was", "now", "mistake"),
    [
        ("constants: {kind: gathering}", "constants: {kind: true}", "constants.kind: found True, expected a value of"),
        ("constants: {kind: gathering}", "constants: {name: x}", "constants.name: found 'name', expected another col"),
        ("constants: {kind: gathering}", "constants: {sort: x}", "constants.sort: found 'sort', expected a column of"),
        (
            "columns: {Household: h",
            "columns: {Group: h",
            "columns.Group: found 'Group', expected one of 'others', with",
        ),
        ("parse: negative", "parse: gender", "expected text to text"),
        (
            "    sensitivity: sensitive\n    endpoints: {list: /refunds",
            "    endpoints: {list: /refunds",
            "since refunds",
        ),
        (
            "    table: field_values\n",
            "",
            "customizable.columns: found a mapping, expected no such key",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, was: str, now: str, mistake: str) -> None:
    assert was in MODULE
    with pytest.raises(ManifestMistakes) as error:
        read_canonical(tmp_path, MODULE.replace(was, now, 1))
    assert mistake in str(error.value)
