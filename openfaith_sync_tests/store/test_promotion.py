"""A source table's entity gets a canonical table later: equal ids, the old table kept, a view in its place."""

from pathlib import Path

import pytest
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.record_tables import Column, ColumnType, RecordTable
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests.promotion import promote_table
from openfaith_sync.store.schema.canonical_tables import build_table
from openfaith_sync.store.schema.columns import metadata
from openfaith_sync.store.schema.row_level_security import create_row_level_security
from openfaith_sync_tests.added_entity import NOTE, read_with_note
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.test_source_tables import apply, columns_of, insert, planned
from openfaith_sync_tests.store.test_who_makes_source_tables import find_gaps

NOTES = RecordTable(
    "jottings",
    (
        Column("person_id", ColumnType.REFERENCE),
        Column("author_id", ColumnType.REFERENCE),
        Column("text"),
        Column("display_date"),
    ),
)
RENAMED = {"created_by_id": "author_id", "note": "text"}


@pytest.fixture
def promoted(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database in which notes had a source table with rows and then got a canonical one, as a migration does it."""
    monkeypatch.setitem(CANONICAL_TABLES, "jottings", NOTES)
    apply(database, read_with_note(tmp_path, likes="{type: integer}"))
    insert(database, ORG, 2)
    insert(database, OTHER_ORG, 1)
    run(database, "UPDATE pco.notes SET likes = 7, person_id = 'person_1', tags = '[1]', status = 'inactive'")
    created = CreateTable(build_table(NOTES, MetaData(naming_convention=metadata.naming_convention)))
    run(database, str(created.compile(dialect=postgresql.dialect())))  # type: ignore[no-untyped-call]
    with database.connect_fleet() as connection:
        create_row_level_security(connection)
        assert promote_table(connection, "pco", "note", NOTES, RENAMED) == 3
    return database


def test_rows_keep_their_ids_and_all_that_they_held(promoted: Database) -> None:
    rows = fetch(
        promoted,
        "SELECT new.id = old.id, new.text = old.note, new.person_id, new.display_date, new.tags, new.status,"
        " new.synced_at = old.synced_at, new.custom_fields - 'pco_display_date', new.custom_fields ? 'pco_display_date'"
        " FROM openfaith.jottings new JOIN pco.notes_before_jottings old USING (org_id, external_id)",
    )
    assert rows == [(True, True, "person_1", None, [1], "inactive", True, {"pco_likes": 7}, True)] * 3
    assert fetch(promoted, "SELECT table_schema, table_name FROM sync.record_tables WHERE entity = 'note'") == [
        ("openfaith", "jottings")
    ]


def test_a_view_in_its_place_shows_what_the_table_showed(promoted: Database) -> None:
    assert columns_of(promoted, "pco.notes") == columns_of(promoted, "pco.notes_before_jottings")
    compared = "id, org_id, note, likes, person_id, created_by_id, display_date, status, tags, synced_at"
    new, old = (
        fetch(promoted, f"SELECT {compared} FROM pco.{table} ORDER BY org_id, id")
        for table in ("notes", "notes_before_jottings")
    )
    assert new == old
    assert find_gaps(promoted) == []
    run(promoted, "UPDATE openfaith.jottings SET deleted_at = now() WHERE external_id = '1'")
    living = "SELECT note, likes, person_id, created_by_id FROM pco_live.notes"
    assert fetch(promoted, living) == [("Note 2", 7, "person_1", None)]
    with promoted.connect(ORG) as connection:
        assert connection.execute("SELECT DISTINCT org_id FROM openfaith.jottings").fetchall() == [(ORG,)]


def test_the_manifest_that_names_the_table_replaces_the_view(promoted: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path, likes="{type: integer}")
    note = manifest.entities[NOTE]
    attributes = {name: part.model_copy(update={"to": None}) for name, part in note.attributes.items()}
    attributes["note"] = attributes["note"].model_copy(update={"to": "text"})
    created_by = note.relationships["created_by"].model_copy(update={"to": "author_id"})
    relationships = {**note.relationships, "created_by": created_by}
    update = {"table": "jottings", "plural": "notes", "attributes": attributes, "relationships": relationships}
    canonical = note.model_copy(update=update)
    changed = manifest.model_copy(update={"entities": {**manifest.entities, NOTE: canonical}})
    assert apply(promoted, changed) == ["view pco.notes", "view pco_live.notes"]
    assert planned(promoted, changed) == []
    assert fetch(promoted, "SELECT note, likes FROM pco.notes WHERE org_id = %s ORDER BY id", ORG) == [
        ("Note 1", 7),
        ("Note 2", 7),
    ]


def test_only_a_source_table_is_promoted(database: Database) -> None:
    with (
        database.connect_fleet() as connection,
        pytest.raises(DefinitionError, match="pco/campus has no source table that could be promoted"),
    ):
        promote_table(connection, "pco", "campus", CANONICAL_TABLES["groups"])
