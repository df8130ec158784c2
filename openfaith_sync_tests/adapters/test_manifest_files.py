import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync_tests.ten_entities import MANIFESTS, SHIPPED

Mistaken = Callable[[], list[str]]
GRADE = "      grade: {type: integer, sensitivity: sensitive}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of manifests, to be spoiled."""
    shutil.copytree(MANIFESTS, tmp_path / "manifests")
    return tmp_path / "manifests"


@pytest.fixture
def mistakes(root: Path) -> Mistaken:
    """Reads the spoiled manifest and gives its mistakes, with paths below the manifest folder."""

    def read() -> list[str]:
        with pytest.raises(ManifestMistakes) as caught:
            read_manifest(root, "pco")
        return [str(mistake).removeprefix(f"{root}/pco/") for mistake in caught.value.mistakes]

    return read


def spoil(root: Path, file: str, old: str, new: str) -> int:
    """Replace a text that stands once in a file and give its line."""
    path = root / "pco" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_shipped_manifest_has_the_first_entities() -> None:
    manifest = read_manifest(SHIPPED, "pco")
    assert set(manifest.entities) >= {
        "campus", "household", "household_membership", "person", "address", "email", "phone_number",
        "group", "group_membership", "event",
    }  # fmt: skip
    assert manifest.entities[EntityName("person")].path == "/people/v2"
    assert manifest.entities[EntityName("event")].version == "2023-07-10"


def test_adapters_are_the_folders_that_hold_yaml(root: Path) -> None:
    (root / "empty").mkdir()
    assert list_adapters(root) == ["breeze", "pco"]


def test_an_unknown_adapter_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="there is no adapter 'nope'; the known ones: breeze, pco"):
        read_manifest(SHIPPED, "nope")


def test_a_folder_without_manifests_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="OPENFAITH_MANIFESTS"):
        read_manifest(tmp_path, "pco")


def test_a_name_cannot_leave_the_manifest_folder(root: Path) -> None:
    with pytest.raises(UsageError, match="there is no adapter"):
        read_manifest(root / "pco", "../pco")


def test_a_missing_key(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "adapter.yaml", "  verify: /current/v2/me\n", "")
    assert mistakes() == [f"adapter.yaml:{line - 3}: auth.verify: found nothing, expected this key to be present"]


def test_an_unknown_key_is_answered_with_the_known_ones(root: Path, mistakes: Mistaken) -> None:
    line = spoil(
        root, "people.yaml", "first_name: {type: string, to: first_name}", "first_name: {type: string, too: a}"
    )
    assert mistakes() == [
        (
            f"people.yaml:{line}: entities.person.attributes.first_name.too: found an unknown key, "
            "expected one of the keys type, to, parse, prefer, extension, sparse, wire, at, format, empty, "
            "sensitivity, describes"
        )
    ]


def test_an_unknown_key_at_the_top(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "groups.yaml", "product: groups\n", "product: groups\ncolour: red\n")
    assert mistakes() == [
        f"groups.yaml:{line + 1}: colour: found an unknown key, expected one of the keys module, product, entities"
    ]


def test_wrong_types(root: Path, mistakes: Mistaken) -> None:
    size = spoil(root, "adapter.yaml", "size: 100\n", "size: many\n")
    version = spoil(root, "adapter.yaml", '"2025-11-10"', "2025-11-10")
    filters = spoil(root, "groups.yaml", "filters: [archive_status, name]", "filters: name")
    endpoints = spoil(root, "groups.yaml", '{list: /groups, get: "/groups/{id}"}', "/groups")
    assert sorted(mistakes()) == sorted([
        (f"adapter.yaml:{size}: paging.size: found 'many', "
        "expected a valid integer, unable to parse string as an integer"),
        (f"adapter.yaml:{version}: products.people.version: found '2025-11-10', "
        "expected a text (in quotes if it looks like a number, a date, true or false)"),
        f"groups.yaml:{filters}: entities.group.filters: found 'name', expected a list",
        f"groups.yaml:{endpoints}: entities.group.endpoints: found '/groups', expected a mapping",
    ])  # fmt: skip


def test_a_value_outside_a_closed_set(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "child: {type: boolean,", "child: {type: bool,")
    (mistake,) = mistakes()
    assert mistake.startswith(
        f"people.yaml:{line}: entities.person.attributes.child.type: found 'bool', "
        "expected one of 'string', 'boolean', 'integer'"
    )


def test_a_key_with_a_wrong_shape(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "      grade: {", "      Grade-Level: {")
    assert mistakes() == [
        (
            f"people.yaml:{line}: entities.person.attributes.Grade-Level: found 'Grade-Level', "
            "expected as key a text that matches ^[a-z][a-z0-9_]*$"
        )
    ]


def test_parameters_that_the_source_would_ignore_or_the_engine_sets(root: Path, mistakes: Mistaken) -> None:
    spoil(
        root,
        "groups.yaml",
        'parameters: {"where[archive_status]": include}',
        'parameters: {"where[archived]": "yes", order: name}',
    )
    found = "\n".join(mistakes())
    assert "parameters: found 'where[archived]', expected one of filters: archive_status, name" in found
    assert "parameters: found 'order', expected where[...] or filter; all others are set by the engine" in found


def test_an_unknown_table(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "table: campuses", "table: sites")
    assert mistakes() == [
        (
            f"people.yaml:{line}: entities.campus.table: found 'sites', expected one of "
            f"{', '.join(sorted(CANONICAL_TABLES))}; without this key it has a source table"
        )
    ]


def test_an_unknown_column(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "to: birthdate", "to: birth_date")
    (mistake,) = mistakes()
    assert mistake.startswith(
        f"people.yaml:{line}: entities.person.attributes.birthdate.to: found 'birth_date', "
        "expected a column of people: anniversary, avatar, birthdate"
    )


def test_a_column_filled_twice(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "given_name: {type: string}", "given_name: {type: string, to: first_name}")
    (mistake,) = mistakes()
    assert mistake.startswith(f"people.yaml:{line}: entities.person.attributes.given_name.to: found 'first_name', ")
    assert "attributes.first_name.to already fills this one" in mistake


def test_unknown_entities_in_references(root: Path, mistakes: Mistaken) -> None:
    rides = spoil(root, "people.yaml", "addresses: address,", "addresses: adress,")
    needs = spoil(root, "people.yaml", "depends_on: {soft: [household]}", "depends_on: {soft: [household, family]}")
    names = ", ".join(sorted(read_manifest(MANIFESTS, "pco").entities))
    assert mistakes() == [
        (
            f"people.yaml:{rides}: entities.person.sideload.addresses: found 'adress', "
            f"expected an entity of this adapter: {names}"
        ),
        (
            f"people.yaml:{needs}: entities.person.depends_on.soft.1: found 'family', "
            f"expected an entity of this adapter: {names}"
        ),
    ]


def test_an_unknown_product(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "groups.yaml", "product: groups", "product: group")
    assert mistakes() == [
        f"groups.yaml:{line}: product: found 'group', expected a product of adapter.yaml: people, groups"
    ]


def test_an_entity_that_another_module_has(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "\n  campus:\n", "\n  event:\n") + 1
    (mistake,) = mistakes()
    assert mistake == (
        f"people.yaml:{line}: entities.event: found 'event', expected a name that module groups has not taken"
    )


def test_an_adapter_name_unlike_its_folder(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "adapter.yaml", "adapter: pco", "adapter: pcu")
    assert mistakes() == [f"adapter.yaml:{line}: adapter: found 'pcu', expected 'pco', the folder's name"]


def test_a_delta_that_the_source_cannot_do(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", "delta: {by: ordered,", "delta: {by: filter,")
    (mistake,) = mistakes()
    assert mistake.startswith(f"people.yaml:{line}: entities.address.delta.by: found 'filter', expected ")
    assert "updated_at" in mistake
    assert "filters" in mistake


def test_a_type_that_cannot_fill_its_column(root: Path, mistakes: Mistaken) -> None:
    line = spoil(
        root, "people.yaml", "birthdate: {type: date, to: birthdate}", "birthdate: {type: boolean, to: birthdate}"
    )
    assert mistakes() == [
        (
            f"people.yaml:{line}: entities.person.attributes.birthdate.type: found 'boolean', "
            "expected a type that can fill a column of type 'date'"
        )
    ]


def test_a_time_zone_that_nobody_knows(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "adapter.yaml", "adapter: pco\n", "adapter: pco\ntime_zone: Mars/Olympus\n") + 1
    assert mistakes() == [
        (f"adapter.yaml:{line}: time_zone: found 'Mars/Olympus', expected an IANA name such as America/Chicago, or org")
    ]


def test_a_key_that_stands_twice_would_win_in_silence(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", GRADE, GRADE + GRADE)
    assert mistakes() == [
        (
            f"people.yaml:{line + 1}: entities.person.attributes.grade: "
            f"found this key again (first on line {line}), expected each key once"
        )
    ]


def test_text_that_is_not_yaml(root: Path, mistakes: Mistaken) -> None:
    line = spoil(root, "people.yaml", GRADE, GRADE.replace("}", ""))
    (mistake,) = mistakes()
    file, where, rest = mistake.split(":", 2)
    assert file == "people.yaml"
    assert int(where) in (line, line + 1)
    assert rest.endswith("expected valid YAML")


def test_an_empty_file(root: Path, mistakes: Mistaken) -> None:
    (root / "pco" / "groups.yaml").write_text("", encoding="utf-8")
    assert mistakes() == [
        "groups.yaml:1: (file): found nothing, expected a mapping with the keys module, product, entities"
    ]


def test_a_file_that_is_not_text(root: Path, mistakes: Mistaken) -> None:
    (root / "pco" / "groups.yaml").write_bytes(b"module: \xff\xfe")
    assert mistakes() == ["groups.yaml:1: (file): found byte 8 is not UTF-8, expected UTF-8 text"]


def test_a_missing_adapter_file(root: Path, mistakes: Mistaken) -> None:
    (root / "pco" / "adapter.yaml").unlink()
    assert mistakes() == ["adapter.yaml:1: (file): found no such file, expected a file that can be read"]


def test_an_adapter_without_modules(root: Path, mistakes: Mistaken) -> None:
    for name in ("people.yaml", "groups.yaml"):
        (root / "pco" / name).unlink()
    (mistake,) = mistakes()
    assert mistake.endswith("found no module file, expected at least one, such as people.yaml")


def test_mistakes_in_several_files_come_together_and_do_not_breed(root: Path, mistakes: Mistaken) -> None:
    spoil(root, "adapter.yaml", "size: 100\n", "size: 0\n")
    spoil(root, "people.yaml", "table: campuses", "table: sites")
    spoil(root, "people.yaml", "to: birthdate", "to: birth_date")
    spoil(root, "groups.yaml", "resource: Group\n    table: groups\n", "table: groups\n")
    found = mistakes()
    assert [mistake.split(": ")[1] for mistake in found] == [
        "paging.size",
        "entities.group.resource",
        "entities.campus.table",
        "entities.person.attributes.birthdate.to",
    ]
