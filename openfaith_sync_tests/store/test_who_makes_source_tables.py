"""Source tables belong to a role of their own, and no view or function gets around row-level security."""

from pathlib import Path

import psycopg
import pytest

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.manifests.source_tables import apply_manifest
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.schema.row_level_security import has_row_level_security
from openfaith_sync_tests.added_entity import read_with_note
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.store.conftest import Login
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, fetch, run
from openfaith_sync_tests.store.test_source_tables import apply, columns_of, insert

OWNERS = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'pco'::regnamespace"
OURS = (
    "relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN"
    " ('openfaith', 'openfaith_live', 'sync', 'pco', 'pco_live'))"
)


def see_and_write(database: Database) -> None:
    """Write for two orgs, and look as each of them, as all, and as a person who only reads."""
    insert(database, ORG, 1)
    insert(database, OTHER_ORG, 2)
    for org, count in ((ORG, 1), (OTHER_ORG, 2)):
        with database.connect(org) as connection:
            assert connection.execute("SELECT count(*) FROM pco.notes").fetchone() == (count,)
    assert fetch(database, "SELECT count(*) FROM pco.notes") == [(3,)]
    run(database, "ANALYZE pco.notes")


@pytest.mark.parametrize("attributes", ["SUPERUSER", "NOSUPERUSER CREATEROLE"])
def test_a_role_of_its_own_owns_source_tables_and_can_touch_no_other(
    login: Login, tmp_path: Path, attributes: str
) -> None:
    with open_database(settings_for(login(attributes))) as database:
        manifest = read_with_note(tmp_path)
        apply(database, manifest)
        ((owner,),) = fetch(database, OWNERS)
        assert owner.startswith("openfaith_tables_")
        see_and_write(database)
        assert run_query(database, "SELECT count(*) FROM pco.notes").rows == [(3,)]
        with database.connect_fleet() as connection:
            connection.execute("SELECT set_config('role', %s, false)", (owner,))
            for statement in (b"DROP TABLE openfaith.people", b"SELECT FROM openfaith.people", b"CREATE SCHEMA more"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
        apply(database, read_with_note(tmp_path, likes="{type: integer}"))
        assert "likes" in columns_of(database, "pco.notes")
        open_database(settings_for(database.url))


def test_a_role_that_another_database_of_the_login_makes_meanwhile_is_used(login: Login, tmp_path: Path) -> None:
    database = open_database(settings_for(login("NOSUPERUSER CREATEROLE")))

    def make_it_first(statement: str) -> None:
        if statement.startswith("CREATE ROLE"):
            run(database, statement)
            name = statement.split()[2]
            ((login_name,),) = fetch(database, "SELECT session_user::text")
            run(database, f"GRANT {name} TO {login_name}")

    with database.connect_fleet() as connection:
        made = apply_manifest(connection, read_with_note(tmp_path), make_it_first)
    assert not [change for change in made if change.is_of_role]
    ((owner,),) = fetch(database, OWNERS)
    assert owner.startswith("openfaith_tables_")


def test_a_login_that_may_make_no_roles_owns_them_itself(login: Login, tmp_path: Path, empty_url: DatabaseUrl) -> None:
    url = login("NOSUPERUSER NOCREATEROLE")
    database = open_database(settings_for(url))
    apply(database, read_with_note(tmp_path))
    ((owner,),) = fetch(database, OWNERS)
    assert owner.startswith("owner_")
    see_and_write(database)
    # It may make roles later: whoever owns the schema goes on.
    with psycopg.connect(empty_url.libpq, autocommit=True) as server:
        server.execute(f"ALTER ROLE {owner} CREATEROLE".encode())
    database = open_database(settings_for(url))
    apply(database, read_with_note(tmp_path, likes="{type: integer}"))
    assert fetch(database, OWNERS) == [(owner,)]


def test_a_login_that_is_no_member_of_the_owner_is_told_what_to_run(
    login: Login, tmp_path: Path, empty_url: DatabaseUrl
) -> None:
    database = open_database(settings_for(login("NOSUPERUSER CREATEROLE")))
    with psycopg.connect(empty_url.libpq, autocommit=True) as server:
        server.execute("CREATE SCHEMA pco")
    with pytest.raises(DefinitionError, match=r"the schema 'pco' belongs to '\w+', .* run: GRANT"):
        apply(database, read_with_note(tmp_path))


def test_another_login_finds_and_extends_the_tables(login: Login, tmp_path: Path, empty_url: DatabaseUrl) -> None:
    first = open_database(settings_for(login("NOSUPERUSER CREATEROLE")))
    apply(first, read_with_note(tmp_path))
    second = open_database(settings_for(empty_url))
    apply(second, read_with_note(tmp_path, likes="{type: integer}"))
    see_and_write(second)
    assert fetch(first, "SELECT count(*) FROM pco.notes") == [(3,)]
    with psycopg.connect(first.url.libpq) as session:
        assert has_row_level_security(session)


def test_the_walls_of_source_tables_are_checked_when_the_database_is_opened(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    run(database, "DROP POLICY one_org ON pco.notes")
    with database.connect_fleet() as connection:
        assert not has_row_level_security(connection)
    open_database(settings_for(database.url))
    with database.connect_fleet() as connection:
        assert has_row_level_security(connection)
    see_and_write(database)


def find_gaps(database: Database) -> list[tuple[str, str]]:
    """Return the views, functions and tables of ours through which one org could see another's rows."""
    views = fetch(
        database,
        f"""SELECT oid::regclass::text, 'a view that reads as its owner' FROM pg_class
            WHERE {OURS} AND relkind IN ('v', 'm')
              AND NOT COALESCE('security_invoker=true' = ANY (reloptions), false)""",
    )
    # One function reads the schema's revision, which the engine's role may not, and no row of any org.
    functions = fetch(
        database,
        r"""SELECT oid::regprocedure::text, 'a function that runs as its owner' FROM pg_proc
           WHERE prosecdef AND pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_')
             AND NOT (COALESCE('search_path=pg_catalog' = ANY (proconfig), false) AND prosrc !~* 'execute'
                      AND ARRAY(SELECT DISTINCT found[1]
                                FROM regexp_matches(replace(prosrc, '"', ''), '([a-z_]+[.][a-z_]+)', 'gi') found)
                          <@ ARRAY['openfaith.revision', 'sync.alembic_version'])""",
    )
    tables = fetch(
        database,
        f"""SELECT oid::regclass::text, 'a table whose orgs are not kept apart' FROM pg_class
            WHERE {OURS} AND relkind IN ('r', 'p') AND EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'org_id' AND NOT attisdropped)
              AND NOT (relrowsecurity AND relforcerowsecurity AND 2 <= (
                SELECT count(*) FROM pg_policy WHERE polrelid = pg_class.oid AND polname IN ('one_org', 'fleet')))""",
    )
    return [*views, *functions, *tables]


def test_nothing_in_the_catalogue_gets_around_row_level_security(database: Database, tmp_path: Path) -> None:
    apply(database, read_with_note(tmp_path))
    views = fetch(database, f"SELECT count(*) FROM pg_class WHERE {OURS} AND relkind = 'v'")
    assert views == [(63,)]
    assert find_gaps(database) == []
    run(database, "CREATE VIEW pco.all_people AS SELECT * FROM openfaith.people")
    run(
        database, "CREATE FUNCTION sync.all_of(text) RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT 1::bigint'"
    )
    sneaky = "SECURITY DEFINER SET search_path = pg_catalog LANGUAGE sql AS 'SELECT count(*) FROM openfaith.people'"
    run(database, f"CREATE FUNCTION sync.count_all() RETURNS bigint {sneaky}")
    run(database, "CREATE TABLE pco.open (org_id text)")
    assert sorted(find_gaps(database)) == [
        ("pco.all_people", "a view that reads as its owner"),
        ("pco.open", "a table whose orgs are not kept apart"),
        ("sync.all_of(text)", "a function that runs as its owner"),
        ("sync.count_all()", "a function that runs as its owner"),
    ]


def test_a_view_shows_each_org_its_own_rows_only(database: Database) -> None:
    with database.connect_fleet() as connection:
        for org in (ORG, OTHER_ORG):
            connection.execute(
                "INSERT INTO openfaith.people (id, org_id, external_id, adapter, type, content_hash)"
                " VALUES ('person_1', %s, '1', 'pco', 'person', ''), ('person_2', %s, '2', 'breeze', 'person', '')",
                (org, org),
            )
    with database.connect(ORG) as connection:
        assert connection.execute("SELECT org_id, external_id FROM pco.people").fetchall() == [(ORG, "1")]
    assert run_query(database, "SELECT count(*) FROM pco.people").rows == [(2,)]
