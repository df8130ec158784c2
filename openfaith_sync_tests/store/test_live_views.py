"""Live views show the living rows of every table and view, and nothing that people build on them is in the way."""

import re
from pathlib import Path

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.record_tables import SYNC_COLUMNS
from openfaith_sync.domain.summary_views import SUMMARY_VIEWS
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.manifests.source_tables import is_applied
from openfaith_sync.store.manifests.source_views import view_columns
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync_tests.added_entity import NOTE, read_with_note
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.test_source_tables import (
    apply,
    changed_campus,
    columns_of,
    insert,
    planned,
)
from openfaith_sync_tests.ten_entities import MANIFESTS

ROOT = Path(__file__).parents[2]
COLUMNS = """
SELECT room.nspname, held.relname, own.attname, format_type(own.atttypid, own.atttypmod),
       col_description(held.oid, own.attnum), obj_description(held.oid, 'pg_class')
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
JOIN pg_attribute own ON own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
WHERE room.nspname = ANY (%s) AND held.relkind IN ('r', 'v')
"""
PEOPLE = """
INSERT INTO openfaith.people (id, org_id, external_id, adapter, type, content_hash, deleted_at, merged_into_id)
VALUES ('person_1', %s, '1', 'pco', 'person', '', NULL, NULL),
       ('person_2', %s, '2', 'pco', 'person', '', now(), NULL),
       ('person_3', %s, '3', 'pco', 'person', '', now(), 'person_1')
"""


def test_every_table_and_view_has_its_live_view_with_all_columns_for_readers(
    database: Database, tmp_path: Path
) -> None:
    manifest = read_with_note(tmp_path)
    apply(database, manifest)
    base = fetch(database, COLUMNS, ["openfaith", "pco"])
    summaries = {view.name for view in SUMMARY_VIEWS}
    live = [row for row in fetch(database, COLUMNS, ["openfaith_live", "pco_live"]) if row[1] not in summaries]
    assert len({row[:2] for row in base}) > 20
    hidden = {
        ("pco", entity.source_name, column.name)
        for entity in manifest.entities.values()
        if entity.table is not None
        for column in view_columns(entity)
        if column.reads in entity.hidden_columns
    } | {("openfaith", table, "custom_fields") for table in CANONICAL_TABLES}
    assert ("pco", "people", "medical_notes") in hidden
    assert ("pco", "campuses", "custom_fields") not in hidden
    shown = {row for row in base if row[2] not in SYNC_COLUMNS and row[:3] not in hidden}
    assert {row[:5] for row in live} == {(f"{row[0]}_live", *row[1:5]) for row in shown}
    comments = {row[:2]: row[5] for row in base}
    for schema, view, *_, comment in live:
        name = schema.removesuffix("_live"), view
        is_view_of_canonical = name[0] == "pco" and view != "notes"
        about = comments[name].rpartition(" From ")[0] if is_view_of_canonical else comments[name]
        assert comment == f"{about} Living rows of {'.'.join(name)}."


def test_only_living_rows_of_ones_own_org_are_shown(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    for org in (ORG, OTHER_ORG):
        with database.connect(org) as connection:
            connection.execute(PEOPLE, (org, org, org))
        insert(database, org, 2)
    run(database, "UPDATE pco.notes SET deleted_at = now() WHERE external_id = '2'")
    for view in ("openfaith_live.people", "pco_live.people", "pco_live.notes"):
        rows = f"SELECT org_id, external_id FROM {view} ORDER BY 1"
        with database.connect(ORG) as connection:
            assert connection.execute(rows.encode()).fetchall() == [(ORG, "1")]
        assert run_query(database, rows).rows == sorted([(ORG, "1"), (OTHER_ORG, "1")])


def test_the_readmes_query_counts_the_living(database: Database) -> None:
    (query,) = re.findall(r'db query "(.+)"', (ROOT / "README.md").read_text())
    with database.connect(OrgId("grace")) as connection:
        connection.execute(PEOPLE, ("grace",) * 3)
    assert run_query(database, query).rows == [("active", 1)]


def test_a_live_view_of_a_source_table_gains_its_columns_and_keeps_those_that_left(
    database: Database, tmp_path: Path
) -> None:
    apply(database, read_with_note(tmp_path, likes="{type: integer}"))
    run(database, "CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT note, likes FROM pco_live.notes")
    newer = read_with_note(tmp_path, likes="{type: string}", mood="{type: string}")
    assert apply(database, newer) == ["table pco.notes"]
    assert list(columns_of(database, "pco_live.notes").items())[-2:] == [("likes_as_text", "text"), ("mood", "text")]
    assert apply(database, read_with_note(tmp_path)) == []
    assert planned(database, read_with_note(tmp_path)) == []
    assert {"likes", "likes_as_text", "mood"} <= columns_of(database, "pco_live.notes").keys()


def test_a_column_that_becomes_sensitive_keeps_its_place_and_shows_nothing(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    insert(database, ORG, 1)
    run(database, "CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT note, type FROM pco_live.notes")
    hiding = read_with_note(
        tmp_path, note="{type: string, sensitivity: sensitive}", new="{type: json, sensitivity: sensitive}"
    )
    assert apply(database, hiding) == ["table pco.notes"]
    assert planned(database, hiding) == []
    for _ in ("hidden", "gone from the manifest, after which its values are still there"):
        assert fetch(database, "SELECT * FROM public.mine") == [(None, "note")]
        assert "new" not in columns_of(database, "pco_live.notes")
        note = hiding.entities[NOTE]
        attributes = {name: part for name, part in note.attributes.items() if name not in {"note", "new"}}
        without = note.model_copy(update={"attributes": attributes})
        hiding = hiding.model_copy(update={"entities": {**hiding.entities, NOTE: without}})
        apply(database, hiding)
    assert apply(database, read_with_note(tmp_path)) == ["view pco_live.notes"]
    assert fetch(database, "SELECT * FROM public.mine") == [("Note 1", "note")]


def test_a_live_view_of_a_canonical_table_keeps_columns_that_left_or_changed_their_type(
    database: Database, pco_manifest: Manifest
) -> None:
    before = columns_of(database, "pco_live.campuses")
    run(
        database,
        "CREATE VIEW public.mine WITH (security_invoker = true) AS"
        " SELECT phone_number, church_center_enabled FROM pco_live.campuses",
    )
    changed = changed_campus(pco_manifest, phone_number=None, church_center_enabled="string")
    assert apply(database, changed) == ["view pco.campuses", "view pco_live.campuses"]
    assert planned(database, changed) == []
    assert columns_of(database, "pco_live.campuses") == before | {"church_center_enabled_as_text": "text"}
    run(
        database,
        "INSERT INTO openfaith.campuses (id, org_id, external_id, adapter, type, content_hash, custom_fields)"
        " VALUES ('campus_1', %s, '1', 'pco', 'campus', '', %s)",
        ORG,
        '{"pco_phone_number": "1", "pco_church_center_enabled": "true"}',
    )
    assert fetch(database, "SELECT * FROM public.mine") == [("1", True)]
    assert fetch(database, "SELECT church_center_enabled_as_text FROM pco_live.campuses") == [("true",)]


def test_what_one_adapter_hides_of_a_shared_table_the_other_shows_no_more(
    empty_url: DatabaseUrl, pco_manifest: Manifest
) -> None:
    database = open_database(settings_for(empty_url))
    breeze = read_manifest(MANIFESTS, "breeze")
    apply(database, breeze)
    before = columns_of(database, "breeze_live.people")
    run(
        database,
        "INSERT INTO openfaith.people (id, org_id, external_id, adapter, type, content_hash, custom_fields)"
        " VALUES ('person_1', %s, '1', 'breeze', 'person', '', '{\"breeze_path\": \"x\"}')",
        ORG,
    )
    assert fetch(database, "SELECT path FROM breeze_live.people") == [("x",)]
    apply(database, pco_manifest)
    with database.connect_fleet() as connection:
        assert not is_applied(connection, breeze)
    assert apply(database, breeze) == ["view breeze_live.people"]
    assert columns_of(database, "breeze_live.people") == before
    assert fetch(database, "SELECT path FROM breeze_live.people") == [(None,)]
