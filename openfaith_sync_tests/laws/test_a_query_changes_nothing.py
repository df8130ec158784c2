"""A person's own query reads and does nothing else, whatever it says, and reads no secret."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.schema.query_role import SECRET_COLUMNS
from openfaith_sync_tests.conftest import SECRET_KEY, settings_for
from openfaith_sync_tests.store.making import fetch, run

BOUND = timedelta(seconds=0.3)
NO_SECRETS = {"content_hash", "held_hash", "parent_hash"}
"""Binary columns that may be read."""

ATTACKS = [
    # files and programs of the server
    "copy (select 1) to program 'touch {mark}'",
    "copy (select 1) to '{mark}'",
    "copy (select 1) to stdout",
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('global/pg_authid')",
    "select pg_ls_dir('/')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '{mark}')",
    "select current_setting('data_directory')",
    "load '{mark}'",
    "create extension dblink",
    # another role
    "set role postgres",
    "set session authorization postgres",
    "reset role",
    "do $$ begin perform set_config('role', 'postgres', false); end $$",
    "select set_config('role', 'postgres', false)",
    "alter role current_user superuser",
    "alter role current_user set default_transaction_read_only = off",
    # the end of the transaction
    "commit; delete from sync.leases",
    "; commit; delete from sync.leases",
    "commit",
    "commit and chain",
    "rollback",
    "begin",
    "set transaction read write",
    "set session characteristics as transaction read write",
    "set default_transaction_read_only = off",
    "do $$ begin set transaction_read_only = off; delete from sync.leases; end $$",
    "do $$ begin commit; delete from sync.leases; end $$",
    # writing
    "delete from sync.leases",
    "with gone as (delete from sync.leases returning 1) select * from gone",
    "explain analyze delete from sync.leases",
    "select query_to_xml('delete from sync.leases', true, true, '')",
    "prepare later as delete from sync.leases",
    "select * from sync.leases for update",
    "lock table sync.leases",
    "select nextval('sync.passes_pass_id_seq')",
    "select setval('sync.passes_pass_id_seq', 1)",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
    "create table public.mine ()",
    "create temp table mine ()",
    "create function public.mine() returns int language sql as 'select 1'",
    "copy sync.leases from stdin",
    "vacuum",
    # others' sessions and settings
    "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()",
    "select pg_reload_conf()",
    "alter system set log_statement = 'all'",
    "listen x",
    # secrets
    "select secret from sync.connections",
    "select * from sync.connections",
    "table sync.webhook_subscriptions",
    "select row_to_json(a) from sync.authorizations a",
    "select previous_secret from sync.webhook_subscriptions",
    "copy sync.connections (secret) to stdout",
    "select rolpassword from pg_authid",
    # for ever
    "select pg_sleep(20)",
    "select set_config('statement_timeout', '0', false), pg_sleep(20)",
    "do $$ begin perform set_config('statement_timeout', '0', false); perform pg_sleep(20); end $$",
]

# What a session of the login could do once a statement had freed itself of its read-only transaction.
UNBOUND = [
    "delete from sync.leases",
    "update openfaith.people set first_name = 'x'",
    "insert into sync.orgs (org_id) values ('mine')",
    "truncate sync.leases",
    "copy (select 1) to program 'touch {mark}'",
    "select pg_read_file('/etc/passwd')",
    "set role postgres",
    "alter role current_user superuser",
    "grant select on sync.connections to public",
    "drop policy one_org on sync.leases",
    "select secret from sync.connections",
    "select nextval('sync.passes_pass_id_seq')",
    "alter system set log_statement = 'all'",
]


@pytest.fixture
def watched(module_database: Database, tmp_path: Path) -> Iterator[Database]:
    """A database with a row to lose, which must be as it was after the test."""
    run(module_database, "DELETE FROM sync.leases")
    run(module_database, "INSERT INTO sync.leases VALUES ('grace', 'pco', 'person', 1, 'somebody')")
    before = state(module_database)
    tmp_path.chmod(0o777)
    yield module_database
    assert state(module_database) == before
    assert not (tmp_path / "mark").exists()


def state(database: Database) -> list[tuple[Any, ...]]:
    return fetch(
        database,
        """SELECT (SELECT count(*) FROM sync.leases), (SELECT count(*) FROM pg_largeobject_metadata),
                  (SELECT count(*) FROM pg_class WHERE relname = 'mine'), (SELECT count(*) FROM pg_extension),
                  (SELECT count(*) FROM pg_proc WHERE proname = 'mine'),
                  (SELECT last_value FROM sync.passes_pass_id_seq),
                  (SELECT array_agg(rolname ORDER BY rolname) FROM pg_roles WHERE rolsuper)""",
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_a_query_says_it_is_refused_and_changes_nothing(
    watched: Database, attack: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="the query cannot be run"):
        run_query(watched, attack.replace("{mark}", str(tmp_path / "mark")), timeout=BOUND)


@pytest.mark.parametrize("attack", UNBOUND)
def test_its_login_has_no_right_to_write_even_outside_a_read_only_transaction(
    watched: Database, attack: str, tmp_path: Path
) -> None:
    with watched.connect_query() as session:
        session.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(attack.replace("{mark}", str(tmp_path / "mark")).encode())


def test_its_login_is_read_only_at_the_server_and_bounded_in_time_by_itself(watched: Database) -> None:
    with watched.connect_query() as session:
        assert session.execute(
            "SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'),"
            " session_user = current_user, current_setting('is_superuser')"
        ).fetchone() == ("on", "30s", True, "off")
        session.execute("RESET ROLE")
        session.execute("RESET SESSION AUTHORIZATION")
        role = session.info.user
        assert session.execute("SELECT current_user").fetchone() == (role,)
    attributes = fetch(
        watched,
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolinherit FROM pg_roles"
        f" WHERE rolname = '{role}'",
    )
    assert attributes == [(False,) * 6]


def test_it_reads_every_org_and_all_that_is_no_secret(watched: Database) -> None:
    run(watched, "DELETE FROM sync.orgs")
    run(watched, "INSERT INTO sync.orgs (org_id) VALUES ('grace'), ('hope')")
    assert run_query(watched, "select org_id from sync.orgs order by 1").rows == [("grace",), ("hope",)]
    tables = fetch(
        watched,
        """SELECT table_schema, table_name, array_agg(column_name::text) FROM information_schema.columns
           WHERE table_schema IN ('openfaith', 'sync') GROUP BY table_schema, table_name""",
    )
    assert len(tables) > 30
    for schema, table, columns in tables:
        hidden = SECRET_COLUMNS.get(table, frozenset()) if schema == "sync" else frozenset()
        shown = ", ".join(f'"{column}"' for column in columns if column not in hidden)
        run_query(watched, f'select {shown} from {schema}."{table}"')


def test_every_binary_column_is_known_to_be_a_secret_or_none(module_database: Database) -> None:
    found = fetch(
        module_database,
        """SELECT table_name, column_name FROM information_schema.columns
           WHERE table_schema IN ('openfaith', 'sync') AND data_type = 'bytea' AND column_name <> ALL (%s)""",
        sorted(NO_SECRETS),
    )
    assert set(found) == {(table, column) for table, columns in SECRET_COLUMNS.items() for column in columns}


def test_a_later_table_is_readable_at_the_next_query(watched: Database) -> None:
    run_query(watched, "select 1 as one")
    run(watched, "CREATE TABLE sync.later (org_id text)")
    open_database(settings_for(watched.url))
    try:
        assert run_query(watched, "select * from sync.later").rows == []
    finally:
        run(watched, "DROP TABLE sync.later")


def test_a_secret_that_was_granted_to_all_is_refused_and_named(watched: Database) -> None:
    run(watched, "GRANT SELECT ON sync.connections TO PUBLIC")
    try:
        with pytest.raises(DefinitionError, match=r"read secrets of, sync\.connections; revoke"):
            run_query(watched, "select 1 as one")
    finally:
        run(watched, "REVOKE SELECT ON sync.connections FROM PUBLIC")


def test_a_role_that_was_made_mighty_is_refused(watched: Database) -> None:
    with watched.connect_query() as session:
        role = session.info.user
    run(watched, f"ALTER ROLE {role} SUPERUSER")
    try:
        with pytest.raises(DefinitionError, match="can do more than run queries"):
            run_query(watched, "select 1 as one")
    finally:
        run(watched, f"ALTER ROLE {role} NOSUPERUSER")


def test_with_a_database_of_the_operators_own_the_login_has_a_password_made_of_the_newest_key(
    watched: Database,
) -> None:
    with watched.connect_query() as session:
        role = session.info.user
    (hba,) = fetch(watched, "SELECT current_setting('hba_file')")[0]
    kept = Path(hba).read_text()
    other = "b3RoZXIta2V5LW9mLWFsbC10ZXN0cy0zMi1ieXRlcy0="
    try:
        Path(hba).write_text(f"local all {role} scram-sha-256\n{kept}")
        run(watched, "SELECT pg_reload_conf()")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(watched.url.with_login(role, "a guess").libpq)
        for key in (SECRET_KEY, other, SECRET_KEY):
            keys = SecretKeys(Path("/nonexistent"), (key,), is_production=True)
            assert run_query(Database(watched.url, keys), "select 1 as one").rows == [(1,)]
    finally:
        Path(hba).write_text(kept)
        run(watched, "SELECT pg_reload_conf()")


def test_a_login_that_may_create_no_role_uses_the_one_that_the_operator_made(empty_url: DatabaseUrl) -> None:
    name = empty_url.libpq.rpartition("/")[2].partition("?")[0]
    owner, reader = f"owner_{name}", f"reader_{name}"
    with psycopg.connect(empty_url.libpq, autocommit=True) as server:
        for role in (owner, reader):
            server.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        server.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (name, owner))))
        try:
            database = open_database(settings_for(empty_url.with_login(owner, None)))
            with pytest.raises(DefinitionError, match="set OPENFAITH_QUERY_URL"):
                run_query(database, "select 1 as one")
            given = Database(database.url, database.keys, query_url=empty_url.with_login(reader, None))
            assert run_query(given, "select current_user::text, count(*) from sync.orgs").rows == [(reader, 0)]
            with pytest.raises(UsageError, match="some of its columns contain secrets"):
                run_query(given, "select * from sync.connections")
        finally:
            server.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
            for role in (reader, owner):
                for statement in ("REASSIGN OWNED BY {} TO CURRENT_USER", "DROP OWNED BY {}", "DROP ROLE {}"):
                    server.execute(sql.SQL(statement).format(sql.Identifier(role)))
