"""The view of edges has every reference of every table, kept apart by org, and is asked by index."""

from pathlib import Path

from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.added_entity import read_with_note
from openfaith_sync_tests.canonical_entities import read_canonical
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.stored_church import known, raw, store_raws
from openfaith_sync_tests.store.test_source_tables import apply, insert

EDGES = "SELECT from_type, from_id, relation, to_type, to_id FROM openfaith_live.edges"


def test_each_reference_of_a_living_row_is_an_edge_of_its_org_only(database: Database, tmp_path: Path) -> None:
    manifest = read_canonical(tmp_path)
    apply(database, manifest)
    came = raw("1", {"attended": True}, event=("Event", "5"), person=("Person", "7"))
    gone = raw("2", {"attended": True}, event=("Event", "5"), person=("Person", "8"))
    store_raws(database, manifest, "attendance", came, gone)
    run(database, "UPDATE openfaith.attendances SET deleted_at = now() WHERE external_id = '2'")
    # Who gave is sensitive, so that no edge tells it.
    store_raws(database, manifest, "donation", raw("3", {"amount_cents": 1}, person=("Person", "7")))
    store_raws(database, manifest, "refund", raw("4", {"amount_cents": 1}, donation=("Donation", "3")), org=OTHER_ORG)
    own = known("attendance", "1")
    expected = [
        ("attendance", own, "event", "event", known("event", "5")),
        ("attendance", own, "person", "person", known("person", "7")),
    ]
    with database.connect(ORG) as session:
        assert sorted(session.execute(EDGES.encode())) == expected
    with database.connect(OTHER_ORG) as session:
        assert session.execute(EDGES.encode()).fetchall() == []


def test_a_source_table_that_a_manifest_makes_has_its_edges(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    insert(database, ORG, 1)
    person = known("person", "1")
    run(database, "UPDATE pco.notes SET person_id = %s, created_by_id = NULL", person)
    assert fetch(database, f"{EDGES} WHERE from_type = 'note'") == [
        ("note", fetch(database, "SELECT id FROM pco.notes")[0][0], "person", "person", person)
    ]
    assert fetch(database, "SELECT count(*) FROM pg_views WHERE viewname = 'edges'") == [(1,)]


def test_what_refers_to_one_record_is_found_by_index(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    run(
        database,
        "INSERT INTO openfaith.emails (org_id, id, external_id, adapter, type, content_hash, person_id)"
        " SELECT %s, 'email_' || n, n::text, 'pco', 'email', '', 'person_' || n %% 1000"
        " FROM generate_series(1, 5000) n",
        ORG,
    )
    run(database, "ANALYZE openfaith.emails")
    question = f"EXPLAIN {EDGES} WHERE org_id = %s AND to_id = 'person_7'"
    plan = "\n".join(line for (line,) in fetch(database, question, ORG))
    assert "emails_org_id_person_id_idx" in plan
    assert "Seq Scan on emails" not in plan
