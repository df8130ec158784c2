"""A manifest makes its tables: from an entry alone, whatever is there already and whoever is writing."""

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.errors import DefinitionError, TransientError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.store.admin.erase import count_rows, erase_org
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.manifests import source_tables
from openfaith_sync.store.manifests.manifest_plan import plan_changes
from openfaith_sync.store.manifests.source_tables import apply_manifest, is_applied
from openfaith_sync.store.schema.physical_columns import physical_manifest
from openfaith_sync_tests.added_entity import NOTE, read_with_note
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.ten_entities import MANIFESTS

INSERT = """
INSERT INTO pco.notes (id, org_id, external_id, adapter, type, content_hash, note, display_date)
SELECT 'note_' || number, %s, number, 'pco', 'note', '', 'Note ' || number, now() FROM generate_series(1, %s) number
"""


def apply(database: Database, manifest: Manifest) -> list[str]:
    with database.connect_fleet() as connection:
        return [changes.of for changes in apply_manifest(connection, manifest)]


def planned(database: Database, manifest: Manifest) -> list[str]:
    with database.connect_fleet() as connection:
        return [change.statement for changes in plan_changes(connection, manifest) for change in changes.made]


def columns_of(database: Database, table: str) -> dict[str, str]:
    return dict(
        fetch(
            database,
            f"""SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
                WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""",
        )
    )


def note_table(manifest: Manifest) -> RecordTable:
    return manifest.entities[NOTE].record_table


def insert(database: Database, org: OrgId, count: int) -> None:
    with database.connect(org) as connection:
        connection.execute(INSERT, (org, count))


def test_an_entity_without_a_canonical_table_has_one_of_its_own(database: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path)
    assert apply(database, manifest) == ["table pco.notes"]
    assert columns_of(database, "pco.notes") == {
        "id": "text", "org_id": "text", "external_id": "text", "adapter": "text", "type": "text",
        "person_id": "text", "created_by_id": "text",
        "pco_created_by_id": "text", "display_date": "timestamp with time zone", "note": "text",
        "pco_note_category_id": "text", "pco_person_id": "text",
        "status": "text", "tags": "jsonb", "custom_fields": "jsonb",
        "created_at": "timestamp with time zone", "updated_at": "timestamp with time zone",
        "inactivated_at": "timestamp with time zone", "deleted_at": "timestamp with time zone",
        "synced_at": "timestamp with time zone", "source_version": "timestamp with time zone",
        "content_hash": "bytea", "is_loss": "boolean",
    }  # fmt: skip
    assert fetch(database, "SELECT table_schema, table_name FROM sync.record_tables WHERE entity = 'note'") == [
        ("pco", "notes")
    ]
    indexes = fetch(
        database, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'pco' AND tablename = 'notes' ORDER BY indexname"
    )
    looked_up = [f"(org_id, {column}) WHERE ({column} IS NOT NULL)" for column in ("id", "created_by_id", "person_id")]
    found = [row[0].partition(" USING btree ")[2] for row in indexes]
    assert found == [*looked_up, "(org_id, external_id, type, adapter)"]


def test_every_table_view_and_column_says_what_it_holds(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    silent = fetch(
        database,
        """SELECT held.oid::regclass::text, own.attname
           FROM pg_class held LEFT JOIN pg_attribute own ON own.attrelid = held.oid AND own.attnum > 0
           WHERE held.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^(pco|openfaith)(_live)?$')
             AND held.relkind IN ('r', 'v')
             AND (obj_description(held.oid, 'pg_class') IS NULL OR col_description(held.oid, own.attnum) IS NULL)""",
    )
    assert silent == []
    assert fetch(database, "SELECT col_description('pco.notes'::regclass, 10)") == [("Note.note (string).",)]
    assert fetch(database, "SELECT obj_description('pco'::regnamespace, 'pg_namespace')") == [
        ("What Planning Center Online has, as it has it: a table or a view per entity, made from the manifest.",)
    ]


def test_to_apply_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path)
    with database.connect_fleet() as connection:
        assert not is_applied(connection, manifest)
        apply_manifest(connection, manifest)
        assert is_applied(connection, manifest)
    assert planned(database, manifest) == []
    assert apply(database, manifest) == []


def test_orgs_never_meet_in_a_source_table(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    insert(database, ORG, 2)
    insert(database, OTHER_ORG, 3)
    with database.connect(ORG) as connection:
        assert connection.execute("SELECT DISTINCT org_id FROM pco.notes").fetchall() == [(ORG,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security policy"):
            connection.execute(INSERT, (OTHER_ORG, 9))
    assert run_query(database, "SELECT count(*) FROM pco.notes").rows == [(5,)]
    assert run_query(database, "SELECT count(*) FROM pco.people").rows == [(0,)]
    assert count_rows(database, ORG)["pco.notes"] == 2
    assert erase_org(database, ORG)["pco.notes"] == 2
    assert fetch(database, "SELECT DISTINCT org_id FROM pco.notes") == [(OTHER_ORG,)]


def test_a_new_attribute_adds_a_column(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    insert(database, ORG, 1)
    manifest = read_with_note(tmp_path, likes="{type: integer}")
    with database.connect_fleet() as connection:
        (changes,) = plan_changes(connection, manifest)
    assert changes.made[0].statement == 'ALTER TABLE "pco"."notes" ADD COLUMN likes BIGINT'
    assert changes.made[0].cost == "adds an empty column without rewriting the table: milliseconds"
    apply(database, manifest)
    assert fetch(database, "SELECT note, likes FROM pco.notes") == [("Note 1", None)]


def test_a_changed_type_adds_a_column_beside_the_old_one(database: Database, tmp_path: Path) -> None:
    older = read_with_note(tmp_path, likes="{type: integer}")
    apply(database, older)
    newer = read_with_note(tmp_path, likes="{type: string}")
    apply(database, newer)
    columns = columns_of(database, "pco.notes")
    assert (columns["likes"], columns["likes_as_text"]) == ("bigint", "text")
    ((comment, today),) = fetch(
        database,
        """SELECT col_description(attrelid, attnum), current_date::text FROM pg_attribute
           WHERE attrelid = 'pco.notes'::regclass AND attname = 'likes'""",
    )
    assert comment == f"Note.likes (integer). Until {today}; likes_as_text (text) since."
    with database.connect_fleet() as connection:
        placed = physical_manifest(connection, newer)
        names = [column.name for column in note_table(placed).own]
        assert names == ["likes_as_text" if column.name == "likes" else column.name for column in note_table(newer).own]
        assert placed.entities[NOTE].attributes["likes"].to == "likes_as_text"
        assert placed.fingerprint == newer.fingerprint
        assert placed.entity_fingerprint(NOTE) == newer.entity_fingerprint(NOTE)
        # A worker with the older manifest, or one that has it again, goes on where it wrote.
        assert physical_manifest(connection, older) is older
    assert apply(database, newer) == []
    assert apply(database, older) == ["table pco.notes"]
    assert planned(database, newer) == []


def test_a_worker_with_an_older_manifest_undoes_nothing(database: Database, tmp_path: Path) -> None:
    older = read_with_note(tmp_path)
    newer = read_with_note(tmp_path, likes="{type: integer}", note="{type: json}")
    apply(database, older)
    apply(database, newer)
    before = columns_of(database, "pco.notes")
    with database.connect_fleet() as connection:
        assert is_applied(connection, older)
    apply(database, older)
    assert columns_of(database, "pco.notes") == before


def test_a_column_that_is_missing_is_a_mistake_that_says_what_to_run(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    newer = read_with_note(tmp_path, likes="{type: integer}")
    with database.connect_fleet() as connection:
        with pytest.raises(DefinitionError, match=r"no column likes .* openfaith-sync manifest apply"):
            physical_manifest(connection, newer)
        apply_manifest(connection, newer)
        assert physical_manifest(connection, newer) is newer


def test_two_columns_that_would_share_one_are_refused(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path, likes="{type: integer}"))
    clash = read_with_note(tmp_path, likes="{type: string}", likes_as_text="{type: string}")
    with pytest.raises(DefinitionError, match="likes and likes_as_text would both lie in the column likes_as_text"):
        apply(database, clash)


def test_a_table_of_somebody_else_is_left_alone(database: Database, tmp_path: Path) -> None:
    run(database, "CREATE TABLE pco.notes (id integer)")
    with pytest.raises(DefinitionError, match=r"pco.notes exists and is not a table of ours: it has no column adapter"):
        apply(database, read_with_note(tmp_path))
    assert columns_of(database, "pco.notes") == {"id": "integer"}


def test_a_schema_of_somebody_else_is_left_alone(database: Database, tmp_path: Path) -> None:
    run(database, "CREATE SCHEMA breeze")
    run(database, "CREATE TABLE breeze.wind (id integer)")
    manifest = read_manifest(MANIFESTS, "breeze")
    with pytest.raises(DefinitionError, match="'breeze' already holds tables that are not ours"):
        apply(database, manifest)
    run(database, "DROP TABLE breeze.wind")
    schemas, views = ["schema breeze", "schema breeze_live"], ["view breeze.people", "view breeze_live.people"]
    assert apply(database, manifest) == [*schemas, *views]


def test_an_entity_cannot_silently_change_its_layer(database: Database, tmp_path: Path, pco_manifest: Manifest) -> None:
    apply(database, read_with_note(tmp_path))
    shutil.rmtree(tmp_path / "manifests")
    campus = pco_manifest.entities[next(name for name in pco_manifest.entities if name == "campus")]
    plain = campus.model_copy(update={"table": None, "plural": "campuses"})
    changed = pco_manifest.model_copy(update={"entities": {**pco_manifest.entities, campus.name: plain}})
    with pytest.raises(DefinitionError, match=r"pco.campuses is a view of a canonical table"):
        apply(database, changed)
    canonical = campus.model_copy(update={"plural": "notes"})
    changed = pco_manifest.model_copy(update={"entities": {**pco_manifest.entities, campus.name: canonical}})
    with pytest.raises(DefinitionError, match=r"pco.notes is the source table of campus, .* \(promote_table\)"):
        apply(database, changed)


def test_a_large_table_is_indexed_while_workers_write(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    insert(database, ORG, 10_000)
    run(database, "ANALYZE pco.notes")
    newer = read_with_note(tmp_path, category="{type: string}", note="{type: string}")
    entity = newer.entities[NOTE]
    table = note_table(newer)
    assert table.indexed == ("person_id", "created_by_id")
    run(database, "DROP INDEX pco.notes_org_id_person_id_idx")
    with database.connect_fleet() as connection:
        *_, index = plan_changes(connection, newer)
        assert index.is_concurrent
        assert index.made[0].statement.startswith("CREATE INDEX CONCURRENTLY notes_org_id_person_id_idx")
        assert index.made[0].cost == "about 1 s for 10,000 rows, without blocking writes"
    assert apply(database, newer)[-1] == "index on pco.notes"
    assert planned(database, newer) == []
    assert entity.source_name == "notes"


def test_an_index_that_was_interrupted_is_made_again(database: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path)
    apply(database, manifest)
    insert(database, ORG, 10_000)
    run(database, "ANALYZE pco.notes")
    run(
        database, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pco.notes_org_id_person_id_idx'::regclass"
    )
    statements = planned(database, manifest)
    assert statements[0] == 'DROP INDEX CONCURRENTLY "pco"."notes_org_id_person_id_idx"'
    apply(database, manifest)
    assert planned(database, manifest) == []


def test_a_table_in_use_is_left_as_it_is_and_named_with_who_uses_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_tables, "ATTEMPTS", 2)
    monkeypatch.setattr(source_tables, "SECONDS_BETWEEN_ATTEMPTS", 0)
    monkeypatch.setattr(source_tables, "LOCK_TIMEOUT", source_tables.LOCK_TIMEOUT / 30)
    apply(database, read_with_note(tmp_path))
    newer = read_with_note(tmp_path, likes="{type: integer}")
    with database.connect_fleet() as reader, reader.transaction():
        reader.execute("SELECT FROM pco.notes")
        with pytest.raises(
            TransientError, match=r"pco.notes is in use: 2 times .* process\w* \d+ \(openfaith-sync, for"
        ):
            apply(database, newer)
    assert "likes" not in columns_of(database, "pco.notes")
    assert apply(database, newer) == ["table pco.notes"]


def test_row_level_security_that_was_taken_away_comes_back(database: Database, tmp_path: Path) -> None:
    manifest = read_with_note(tmp_path)
    apply(database, manifest)
    run(database, "ALTER TABLE pco.notes DISABLE ROW LEVEL SECURITY")
    assert apply(database, manifest) == ["table pco.notes"]
    assert fetch(database, "SELECT relrowsecurity FROM pg_class WHERE oid = 'pco.notes'::regclass") == [(True,)]


def changed_campus(manifest: Manifest, **attributes: str | None) -> Manifest:
    """Return a manifest whose campuses have some attributes in another type, or not at all."""
    campus = manifest.entities[EntityName("campus")]
    changed = dict(campus.attributes)
    for name, kind in attributes.items():
        part = changed.pop(name)
        if kind is not None:
            changed[name] = part.model_copy(update={"type": AttributeType(kind)})
    entity = campus.model_copy(update={"attributes": changed})
    return manifest.model_copy(update={"entities": {**manifest.entities, campus.name: entity}})


def test_a_view_gets_other_columns_and_those_that_stay_keep_their_place(
    database: Database, pco_manifest: Manifest
) -> None:
    before = list(columns_of(database, "pco.campuses"))
    lean = changed_campus(pco_manifest, phone_number=None)
    assert apply(database, lean) == ["view pco.campuses"]
    assert list(columns_of(database, "pco.campuses")) == [name for name in before if name != "phone_number"]
    # New columns come last, so that the view is replaced in place and what depends on it stays.
    run(database, "CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT name FROM pco.campuses")
    assert apply(database, pco_manifest) == ["view pco.campuses"]
    assert list(columns_of(database, "pco.campuses"))[-1] == "phone_number"


def test_a_view_that_another_one_depends_on_stays_and_the_rest_is_made(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(database, "CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT name FROM pco.campuses")
    changed = changed_campus(read_with_note(tmp_path), church_center_enabled="string")
    assert apply(database, changed) == ["table pco.notes", "view pco_live.campuses"]
    assert "view pco.campuses stays as it was; drop first what depends on it: view mine" in caplog.text
    assert columns_of(database, "pco.campuses")["church_center_enabled"] == "boolean"
    run(database, "DROP VIEW public.mine")
    assert apply(database, changed) == ["view pco.campuses"]
    assert columns_of(database, "pco.campuses")["church_center_enabled"] == "text"


PEOPLE = """
INSERT INTO openfaith.people (id, org_id, external_id, adapter, type, content_hash, first_name, custom_fields)
VALUES ('person_1', %s, '1', 'pco', 'person', '', 'Anna', %s)
"""


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("child", "true", True),
        ("child", '"no"', False),
        ("child", '"perhaps"', None),
        ("child", "[1]", None),
        ("grade", "7", 7),
        ("grade", "7.0", 7),
        ("grade", "7.5", None),
        ("grade", '"8"', 8),
        ("grade", "1e400", None),
        ("grade", '{"a": 1}', None),
        ("given_name", '"Annette"', "Annette"),
        ("given_name", "12", "12"),
        ("given_name", "[]", None),
        ("resource_permission_flags", '{"a": [1]}', {"a": [1]}),
    ],
)
def test_a_view_shows_custom_fields_in_their_types_and_survives_any_value(
    database: Database, column: str, value: str, shown: Any
) -> None:
    with database.connect(ORG) as connection:
        connection.execute(PEOPLE, (ORG, f'{{"pco_{column}": {value}}}'))
        found = connection.execute(f"SELECT first_name, {column} FROM pco.people".encode()).fetchall()
    assert found == [("Anna", shown)]
