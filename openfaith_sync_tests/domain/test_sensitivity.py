"""How sensitive each column is, by what the manifest and the canonical tables say."""

from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.privacy import belongs
from openfaith_sync.domain.sensitivity import Sensitivity, strictest
from openfaith_sync_tests.added_entity import NOTE, add_note, read_with_note

PUBLIC, PERSONAL, SENSITIVE = Sensitivity
PERSON, HOUSEHOLD = EntityName("person"), EntityName("household")


def test_only_public_values_are_shown_and_only_sensitive_ones_are_kept_from_readers() -> None:
    assert [level.is_shown for level in Sensitivity] == [True, False, False]
    assert [level.is_granted for level in Sensitivity] == [True, True, False]
    assert strictest([PERSONAL, SENSITIVE, PUBLIC]) is SENSITIVE
    assert strictest([]) is PUBLIC


def test_an_attribute_is_as_sensitive_as_it_says_or_as_its_column_or_as_its_entity(pco_manifest: Manifest) -> None:
    person, campus = pco_manifest.entities[PERSON], pco_manifest.entities[EntityName("campus")]
    assert person.sensitivity_of("medical_notes") is SENSITIVE
    assert person.sensitivity_of("status") is PUBLIC
    assert person.sensitivity_of("first_name") is PERSONAL
    assert person.sensitivity_of("login_identifier") is PERSONAL
    assert campus.sensitivity_of("phone_number") is PUBLIC
    # What the source added meanwhile may be anything.
    assert campus.sensitivity_of("pastor") is person.sensitivity_of("pastor") is PERSONAL


def test_custom_fields_are_as_sensitive_as_what_they_hold(pco_manifest: Manifest) -> None:
    hidden = {entity.name: entity.hidden_columns for entity in pco_manifest.entities.values()}
    assert hidden.pop(PERSON) == {"custom_fields"}
    assert set(hidden.values()) == {frozenset()}


def test_everything_of_a_sensitive_entity_is_sensitive(tmp_path: Path) -> None:
    root = add_note(tmp_path, note="{type: string, sensitivity: public}")
    file = root / "pco/people.yaml"
    text = "description: A note about a person."
    file.write_text(file.read_text().replace(text, f"{text}\n    sensitivity: sensitive"))
    note = read_manifest(root, "pco").entities[NOTE]
    assert set(note.column_sensitivities.values()) == {SENSITIVE}
    assert {column.sensitivity for column in note.record_table.own} == {SENSITIVE}
    assert note.record_table.sensitivity is SENSITIVE
    assert note.sensitivity_of("anything") is SENSITIVE


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "last_name: {type: string, to: last_name}",
            "last_name: {type: string, to: last_name, sensitivity: sensitive}",
            "found 'sensitive', expected personal, as the column last_name; without 'to', it has none",
        ),
        (
            "description: A person in the church's database.",
            "description: A person.\n    sensitivity: sensitive",
            "found 'sensitive', expected no key 'table', since people is granted to readers",
        ),
        (
            "describes: primary_contact",
            "describes: people",
            "expected a to-one relationship of this entity that fills a column",
        ),
        ("sensitivity: public", "sensitivity: secret", "expected one of 'public', 'personal', 'sensitive'"),
    ],
)
def test_a_contradiction_is_reported(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    root = add_note(tmp_path)
    file = root / "pco/people.yaml"
    assert file.read_text().count(old) == 1
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ManifestMistakes) as caught:
        read_manifest(root, "pco")
    assert mistake in str(caught.value)


def test_privacy_keys_cause_no_new_sync(tmp_path: Path, pco_manifest: Manifest) -> None:
    file = add_note(tmp_path) / "pco/people.yaml"
    file.write_text(
        file.read_text().replace(
            "medical_notes: {type: string, sensitivity: sensitive}", "medical_notes: {type: string}"
        )
    )
    changed = read_manifest(file.parents[1], "pco")
    assert changed.entities[PERSON].sensitivity_of("medical_notes") is PERSONAL
    assert changed.entity_fingerprint(PERSON) == pco_manifest.entity_fingerprint(PERSON)


def test_a_record_belongs_to_what_it_must_refer_to_or_names_as_itself(tmp_path: Path) -> None:
    relationships = read_with_note(tmp_path).entities[NOTE].relationships
    assert {name for name, part in relationships.items() if belongs(name, part)} == {"person", "note_category"}
    assert {column.name for column in read_with_note(tmp_path).entities[NOTE].record_table.own if column.is_owner} == {
        "person_id"
    }
    owners = {
        f"{table.name}.{column.name}" for table in CANONICAL_TABLES.values() for column in table.own if column.is_owner
    }
    assert "addresses.person_id" in owners
    assert {"households.primary_contact_id", "people.primary_campus_id", "groups.group_type_id"}.isdisjoint(owners)


def test_an_entity_of_a_sensitive_table_is_sensitive_also_after_it_was_dumped(tmp_path: Path) -> None:
    file = add_note(tmp_path, updated_at="{type: date_time, to: updated_at}") / "pco/people.yaml"
    text = "    description: A note about a person."
    file.write_text(file.read_text().replace(text, f"    table: notes\n{text}"))
    with pytest.raises(ManifestMistakes, match="sensitivity: found 'personal', expected sensitive, since notes is"):
        read_manifest(file.parents[1], "pco")
    file.write_text(file.read_text().replace(text, f"{text}\n    sensitivity: sensitive"))
    manifest = read_manifest(file.parents[1], "pco")
    assert Manifest.model_validate(manifest.model_dump(mode="json")).entities[NOTE].table == "notes"
