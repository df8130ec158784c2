"""What a manifest's entities have as tables: their names, their columns, and what is refused by file and line."""

from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.source_columns import plural_of, shape_of
from openfaith_sync.domain.record_tables import ColumnType
from openfaith_sync.domain.sensitivity import Sensitivity
from openfaith_sync_tests.added_entity import NOTE, add_note, read_with_note


def mistakes_of(root: Path, adapter: str = "pco") -> list[str]:
    with pytest.raises(ManifestMistakes) as caught:
        read_manifest(root, adapter)
    return [str(mistake).removeprefix(f"{root}/{adapter}/") for mistake in caught.value.mistakes]


def change(path: Path, old: str, new: str) -> int:
    """Replace a text that stands once in a file, and return its line."""
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("note", "notes"),
        ("campus", "campuses"),
        ("category", "categories"),
        ("birthday", "birthdays"),
        ("batch", "batches"),
        ("tax", "taxes"),
        ("wish", "wishes"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    assert plural_of(one) == many


def test_names_of_tables_and_views(tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path)
    names = {name: entity.source_name for name, entity in manifest.entities.items()}
    assert names[NOTE] == "notes"
    assert (names[EntityName("person")], names[EntityName("campus")]) == ("people", "campuses")
    assert manifest.entities[NOTE].record_table.quoted == '"pco"."notes"'
    assert not manifest.entities[NOTE].record_table.is_canonical


def test_columns_have_the_names_of_attributes_and_types_of_their_own(tmp_path: Path) -> None:
    manifest = read_with_note(
        tmp_path,
        id="{type: primary_key}",
        status="{type: string}",
        xmin="{type: integer}",
        tags="{type: json}",
        inactivated_at="{type: date_time}",
        renamed="{type: string, to: other_name}",
    )
    note = manifest.entities[NOTE]
    assert {column.name: column.type for column in note.record_table.own} == {
        "person_id": ColumnType.REFERENCE,
        "created_by_id": ColumnType.REFERENCE,
        "pco_created_by_id": ColumnType.TEXT,
        "display_date": ColumnType.TIMESTAMP,
        "note": ColumnType.TEXT,
        "pco_note_category_id": ColumnType.TEXT,
        "pco_person_id": ColumnType.TEXT,
        "pco_id": ColumnType.TEXT,
        "pco_status": ColumnType.TEXT,
        "pco_xmin": ColumnType.BIGINT,
        "pco_tags": ColumnType.JSON,
        "pco_inactivated_at": ColumnType.TIMESTAMP,
        "other_name": ColumnType.TEXT,
    }
    # Nobody has looked yet at what they hold.
    assert all(
        column.sensitivity is Sensitivity.PERSONAL
        for column in note.record_table.own
        if column.type is not ColumnType.REFERENCE
    )
    assert (note.attributes["created_at"].to, note.attributes["updated_at"].to) == ("created_at", "updated_at")


def test_a_status_that_is_parsed_fills_the_common_column(tmp_path: Path) -> None:
    note = read_with_note(tmp_path, state="{type: string, parse: status}").entities[NOTE]
    assert note.attributes["state"].to == "status"
    assert "state" not in {column.name for column in note.record_table.own}


def test_a_reference_to_an_entity_outside_the_manifest_stays_in_the_custom_fields(tmp_path: Path) -> None:
    note = read_with_note(tmp_path).entities[NOTE]
    assert note.relationships["note_category"].to is None
    assert shape_of(note, "pco").relationships["note_category"] == "note_category_id"


def test_a_copy_of_an_entity_has_the_table_of_what_it_says(tmp_path: Path) -> None:
    note = read_with_note(tmp_path).entities[NOTE]
    assert note.record_table.name == "notes"
    assert note.model_copy(update={"plural": "remarks"}).record_table.name == "remarks"


def test_two_entities_of_one_name_are_told_to_set_plural(tmp_path: Path) -> None:
    root = add_note(tmp_path)
    change(root / "pco/people.yaml", "description: A note about a person.", "description: A note.\n    plural: people")
    (mistake,) = mistakes_of(root)
    assert "entities.note.plural: found 'people', expected the key plural with another name: " in mistake
    assert mistake.endswith("person has pco.people")


def test_a_column_of_the_store_is_refused_by_its_line(tmp_path: Path) -> None:
    root = add_note(tmp_path, likes="{type: integer, to: org_id}")
    line = len((root / "pco/people.yaml").read_text().splitlines())
    (mistake,) = mistakes_of(root)
    assert mistake.startswith(f"people.yaml:{line}: entities.note.attributes.likes.to: found 'org_id', expected ")
    assert mistake.endswith("a name that is not one of the common columns")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    root = add_note(tmp_path, likes="{type: integer, to: note}")
    (mistake,) = mistakes_of(root)
    assert mistake.endswith("attributes.note.to already has this one")
    root = add_note(tmp_path, id="{type: integer}", pco_id="{type: integer}")
    (mistake,) = mistakes_of(root)
    assert "found 'pco_id', expected another column's name: attributes.id.to already has this one" in mistake


def test_a_name_that_postgresql_would_cut_is_refused(tmp_path: Path) -> None:
    root = add_note(tmp_path)
    other = root / ("a" * 40)
    (root / "pco").rename(other)
    change(other / "adapter.yaml", "adapter: pco", f"adapter: {other.name}")
    (mistake,) = (one for one in mistakes_of(root, other.name) if "entities.note." in one)
    assert "entities.note.attributes.note_category_id.to" in mistake
    assert "expected a column's name of its own that matches [a-z][a-z0-9_]{0,54}" in mistake


@pytest.mark.parametrize("name", ["openfaith", "sync", "dagster", "public", "pg_catalog", "information_schema"])
def test_no_adapter_has_the_name_of_a_schema_that_is_taken(tmp_path: Path, name: str) -> None:
    root = add_note(tmp_path)
    (root / "pco").rename(root / name)
    line = change(root / name / "adapter.yaml", "adapter: pco", f"adapter: {name}")
    (mistake,) = mistakes_of(root, name)
    assert mistake.startswith(f"adapter.yaml:{line}: adapter: found '{name}', expected another name: its tables lie in")


def test_a_value_of_a_type_that_no_column_holds_is_a_mistake(tmp_path: Path) -> None:
    root = add_note(tmp_path, likes="{type: json, wire: string}")
    (mistake,) = mistakes_of(root)
    assert "entities.note.attributes.likes.type: found 'json' sent as string" in mistake
