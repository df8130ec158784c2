"""The custom fields of an org as columns: typed, named once for good, and read by nobody who may not."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner

from openfaith_sync.cli import main
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.admin.field_views import drop_field_view, make_field_view
from openfaith_sync.store.admin.readers import grant_reader
from openfaith_sync.store.admin.reports import read_frame, run_query
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.changes import literal
from openfaith_sync_tests.canonical_entities import read_canonical
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.stored_church import known, raw, store_raws
from openfaith_sync_tests.store.test_readers import drop_roles
from openfaith_sync_tests.store.test_source_tables import apply

FIELDS = {
    "1": ("Baptized", "baptized", "boolean"),
    "2": ("Skills", "skills", "checkboxes"),
    "3": ("Start", "start", "date"),
    "4": ("Shoe size", "shoe_size", "number"),
    "5": ("Name", "name", "string"),
}
VALUES = (("1", "1", "true"), ("2", "2", "Guitar"), ("3", "2", "Drums"), ("4", "3", "2024-05-01"), ("5", "4", "43.5"))
VIEW = "openfaith_live.fields_of_first_baptist"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return read_canonical(tmp_path_factory.mktemp("canonical"))


@pytest.fixture
def church(database: Database, manifest: Manifest) -> Database:
    """Two orgs with the same fields and values; one of them has a value more, which cannot be read."""
    apply(database, manifest)
    for org in (ORG, OTHER_ORG):
        definitions = [
            raw(number, {"name": name, "slug": slug, "data_type": kind})
            for number, (name, slug, kind) in FIELDS.items()
        ]
        store_raws(database, manifest, "field_definition", *definitions, org=org)
        store_raws(database, manifest, "person", raw("1", person("Anna")), raw("2", person("Ben")), org=org)
        store_raws(database, manifest, "field_datum", *(value(*one) for one in VALUES), org=org)
    store_raws(database, manifest, "field_datum", value("6", "4", "large", person="2"))
    return database


def person(name: str) -> dict[str, Any]:
    return {"first_name": name, "updated_at": "2024-05-06T07:08:09Z"}


def value(number: str, field: str, text: str, person: str = "1") -> Any:
    return raw(number, {"value": text}, field_definition=("FieldDefinition", field), customizable=("Person", person))


def columns_of(database: Database) -> list[tuple[str, str]]:
    statement = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
                   WHERE attrelid = to_regclass(%s) AND attnum > 3 AND NOT attisdropped ORDER BY attnum"""
    return fetch(database, statement, VIEW)


def test_each_field_is_a_typed_column(church: Database) -> None:
    name, columns = make_field_view(church, ORG)
    assert name == VIEW
    expected = [
        *(("baptized", "boolean"), ("skills", "text[]"), ("start", "date"), ("shoe_size", "double precision")),
        ("field_name", "text"),
    ]
    assert [(column.name, column.type) for column in columns] == columns_of(church) == expected
    rows = fetch(church, f"SELECT person_id, baptized, skills, start, shoe_size, unread FROM {VIEW} ORDER BY start")
    assert rows == [
        (known("person", "1"), True, ["Guitar", "Drums"], date(2024, 5, 1), Decimal("43.5"), None),
        (known("person", "2"), None, None, None, None, {known("field_definition", "4"): "large"}),
    ]


def test_a_renamed_field_keeps_its_column_and_a_new_one_comes_last(church: Database, manifest: Manifest) -> None:
    make_field_view(church, ORG)
    before = columns_of(church)
    run(church, f"CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT shoe_size FROM {VIEW}")
    renamed = raw("4", {"name": "Size", "slug": "size", "data_type": "number"})
    new = raw("9", {"name": "Allergies", "slug": "allergies", "data_type": "string"})
    store_raws(church, manifest, "field_definition", renamed, new)
    make_field_view(church, ORG)
    assert columns_of(church) == [*before, ("allergies", "text")]


def test_a_deleted_field_leaves_after_a_while_unless_something_is_built_on_the_view(
    church: Database, manifest: Manifest
) -> None:
    make_field_view(church, ORG)
    gone = {"name": "Start", "slug": "start", "data_type": "date"}
    deleted = raw("3", gone | {"deleted_at": "2024-05-06T07:08:09Z"})
    store_raws(church, manifest, "field_definition", deleted)
    run(church, f"CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT start FROM {VIEW}")
    with pytest.raises(UsageError, match=r"something depends on it: view mine"):
        make_field_view(church, ORG)
    assert ("start", "date") in columns_of(church)
    run(church, "DROP VIEW public.mine")
    make_field_view(church, ORG)
    assert [name for name, _ in columns_of(church)] == ["baptized", "skills", "shoe_size", "field_name"]
    store_raws(church, manifest, "field_definition", raw("3", gone))
    make_field_view(church, ORG)
    assert columns_of(church)[2] == ("start", "date")


def test_an_orgs_view_shows_that_org_only_to_whom_may_see_it(church: Database) -> None:
    make_field_view(church, ORG)
    query = f"SELECT DISTINCT org_id FROM {VIEW}"
    with church.connect(ORG) as session:
        assert session.execute(query.encode()).fetchall() == [(ORG,)]
    with church.connect(OTHER_ORG) as session:
        assert session.execute(query.encode()).fetchall() == []
    assert run_query(church, query).rows == [(ORG,)]
    role = f"analyst_{uuid4().hex[:8]}"
    run(church, f"CREATE ROLE {role} LOGIN")
    try:
        run(church, "INSERT INTO sync.checkpoints (org_id, adapter, entity) VALUES (%s, 'pco', 'person')", OTHER_ORG)
        grant_reader(church, role, [OTHER_ORG])
        make_field_view(church, OTHER_ORG)
        with psycopg.connect(church.libpq_url, user=role) as analyst:
            assert analyst.execute(query.encode()).fetchall() == []
            other = f"SELECT org_id, shoe_size FROM {VIEW.replace('first', 'second')}"
            assert analyst.execute(other.encode()).fetchall() == [(OTHER_ORG, Decimal("43.5"))]
    finally:
        drop_roles(church, role)


def test_it_is_dropped_and_made_again_with_the_same_names(church: Database, manifest: Manifest) -> None:
    make_field_view(church, ORG)
    before = columns_of(church)
    assert drop_field_view(church, ORG)
    assert not drop_field_view(church, ORG)
    store_raws(church, manifest, "field_definition", raw("4", {"name": "X", "slug": "x", "data_type": "number"}))
    make_field_view(church, ORG)
    assert columns_of(church) == before


def test_an_org_without_fields_is_told_so(database: Database, manifest: Manifest) -> None:
    apply(database, manifest)
    with pytest.raises(UsageError, match="first-baptist has no custom fields; sync them first"):
        make_field_view(database, ORG)


def test_the_command_says_what_it_made(church: Database, tmp_path: Any) -> None:
    environment = {"OPENFAITH_DATABASE_URL": church.libpq_url, "OPENFAITH_HOME": str(tmp_path)}
    answer = CliRunner().invoke(main, ["fields", "view", ORG, "--json"], env=environment)
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert found["view"] == VIEW
    assert found["columns"][3] == {
        "column": "shoe_size",
        "type": "double precision",
        "field": "Shoe size",
        "field_id": known("field_definition", "4"),
    }
    dropped = CliRunner().invoke(main, ["fields", "view", ORG, "--drop"], env=environment)
    assert dropped.output == f"dropped the view of {ORG}'s fields\n"


def test_a_frame_of_people_has_the_same_columns(church: Database) -> None:
    frame = read_frame(church, ORG, AdapterName("pco"), EntityName("person"), fields=True)
    assert list(frame.columns)[-5:] == ["baptized", "skills", "start", "shoe_size", "field_name"]
    anna = frame[frame["first_name"] == "Anna"].iloc[0]
    assert (anna["baptized"], anna["skills"], anna["shoe_size"]) == (True, ["Guitar", "Drums"], 43.5)
    assert anna["start"] == datetime(2024, 5, 1)  # noqa: DTZ001  a day
    assert len(frame) == 2
    assert {name: str(frame[name].dtype) for name in ("baptized", "start", "shoe_size", "field_name")} == {
        "baptized": "boolean",
        "start": "datetime64[us]",
        "shoe_size": "Float64",
        "field_name": "string",
    }
    with pytest.raises(UsageError, match="only people have"):
        read_frame(church, ORG, AdapterName("pco"), EntityName("field_definition"), fields=True)


@pytest.mark.parametrize("setting", ["on", "off"])
def test_a_text_is_the_same_whatever_the_server_does_with_backslashes(administering: Connection, setting: str) -> None:
    for text in ("plain", "it's", "a\\b", "\\'; SELECT 1; --", "\\"):
        with administering.transaction(force_rollback=True):
            administering.execute(f"SET LOCAL standard_conforming_strings = {setting}".encode())
            administering.execute(b"SET LOCAL escape_string_warning = off")
            assert administering.execute(f"SELECT {literal(text)}".encode()).fetchone() == (text,)
