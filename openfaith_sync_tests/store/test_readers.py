"""A reader sees the rows of the orgs that it was granted, in every table and view, and nothing else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.sensitivity import Sensitivity
from openfaith_sync.domain.summary_views import SUMMARY_VIEWS
from openfaith_sync.store.admin.erase import erase_org
from openfaith_sync.store.admin.readers import Reader, grant_reader, list_readers, revoke_reader
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.reader_roles import load_reader_roles
from openfaith_sync_tests.added_entity import read_with_note
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.store.conftest import Login
from openfaith_sync_tests.store.making import fetch, run
from openfaith_sync_tests.store.test_source_tables import apply

GRACE, HOPE, ZION = ORGS = (OrgId("grace"), OrgId("hope"), OrgId("zion"))
RELATIONS = """
SELECT room.nspname, held.relname, held.relkind::text,
       EXISTS (SELECT FROM pg_attribute own WHERE own.attrelid = held.oid AND own.attname = 'org_id'
               AND NOT own.attisdropped)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE held.relkind IN ('r', 'p', 'v', 'm') AND room.nspname !~ '^(pg_|information_schema)' ORDER BY 1, 2
"""
RECORD_TABLES = """
SELECT table_schema, table_name, min(entity) FROM (
  SELECT table_schema, table_name, entity FROM sync.record_tables
  UNION ALL SELECT schemaname, tablename, 'x' FROM pg_tables WHERE schemaname = 'openfaith') found
GROUP BY 1, 2
"""
SUMMARIES = {view.name for view in SUMMARY_VIEWS}
FILL = """
INSERT INTO {table} (id, org_id, external_id, adapter, type, content_hash)
SELECT 'x_' || org, org, '1', 'pco', {entity}, '' FROM unnest(%s::text[]) AS org
"""


@dataclass(frozen=True)
class Analyst:
    """A role of an operator's, in a database with rows of three orgs in every table of records."""

    database: Database
    role: str

    @contextmanager
    def connect(self, role: str | None = None) -> Iterator[Connection]:
        """Log in as the role itself: a session that only takes a role could leave it again."""
        url = self.database.url.with_login(role or self.role, None).libpq
        with psycopg.connect(url, autocommit=True) as session:
            yield session

    def orgs_seen(self, relation: str, role: str | None = None) -> set[str]:
        with self.connect(role) as session:
            return {org for (org,) in session.execute(f"SELECT DISTINCT org_id FROM {relation}".encode())}


@pytest.fixture
def analyst(database: Database, tmp_path: Path) -> Iterator[Analyst]:
    apply(database, read_with_note(tmp_path))
    fill(database)
    role = f"analyst_{uuid4().hex[:8]}"
    run(database, f"CREATE ROLE {role} LOGIN")
    yield Analyst(database, role)
    drop_roles(database, role)


def drop_roles(database: Database, *names: str) -> None:
    with database.connect_fleet() as connection:
        groups = load_reader_roles(connection)
    for name in (*names, *(groups.names if groups.exists else ())):
        run(database, f"DROP OWNED BY {name}; DROP ROLE {name}")


def fill(database: Database) -> None:
    """Store a row of each org in each table of records."""
    tables = fetch(database, RECORD_TABLES)
    for schema, name, entity in tables:
        count = fetch(database, f"SELECT count(*) FROM {schema}.{name}")
        if count == [(0,)]:
            run(database, FILL.format(table=f"{schema}.{name}", entity=f"'{entity}'"), list(ORGS))
    # So that the sums of giving have something to show.
    run(database, "UPDATE openfaith.designations SET donation_id = 'x_' || org_id")
    run(database, "UPDATE openfaith.field_values SET field_id = id, person_id = id")
    run(database, "UPDATE openfaith.attendances SET event_id = id")
    run(
        database,
        "INSERT INTO sync.checkpoints (org_id, adapter, entity) SELECT unnest(%s::text[]), 'pco', 'person'"
        " ON CONFLICT DO NOTHING",
        list(ORGS),
    )


def assert_sees_exactly(analyst: Analyst, orgs: set[str], *, closed: frozenset[str] = frozenset()) -> int:
    """Try every relation of the catalogue, and return how many can be read."""
    readable = 0
    with analyst.connect() as session:
        session.execute("SET openfaith.org = 'zion'")
        for schema, name, _, is_of_org in fetch(analyst.database, RELATIONS):
            relation = f'"{schema}"."{name}"'
            is_records = schema.removesuffix("_live") in {"openfaith", "pco"} and f"{schema}.{name}" not in closed
            column = "org_id" if is_of_org else "1"
            if not is_records:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(f"SELECT {column} FROM {relation}".encode())
                continue
            found = {org for (org,) in session.execute(f"SELECT DISTINCT org_id FROM {relation}".encode())}
            assert found == orgs, relation
            if name in SUMMARIES:
                # Nobody can write to these.
                continue
            for statement in ("DELETE FROM {}", "UPDATE {} SET status = 'inactive'", "INSERT INTO {} DEFAULT VALUES"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(statement.format(relation).encode())
            readable += 1
    return readable


SENSITIVE = {
    *(name for name, table in CANONICAL_TABLES.items() if not table.sensitivity.is_granted),
    *(view.name for view in SUMMARY_VIEWS if not view.sensitivity.is_granted),
}
PLAIN = frozenset(
    {"pco.people"} | {f"{schema}.{name}" for schema in ("openfaith", "openfaith_live") for name in SENSITIVE}
)
"""The tables and views that show something sensitive."""


def test_a_reader_of_two_orgs_sees_exactly_these_in_every_table_and_view_also_in_later_ones(
    analyst: Analyst, tmp_path: Path
) -> None:
    granted = grant_reader(analyst.database, analyst.role, [GRACE, HOPE])
    assert granted == Reader(analyst.role, (GRACE, HOPE), reads_all=False, reads_sensitive=False, can_log_in=True)
    before = assert_sees_exactly(analyst, {GRACE, HOPE}, closed=PLAIN)
    assert before > 35
    # A manifest makes another table, and a migration one more; both are opened where they are made.
    later = read_with_note(tmp_path / "later", likes="{type: integer}")
    note = later.entities[next(name for name in later.entities if name == "note")]
    more = note.model_copy(update={"name": "memo", "plural": "memos"})
    apply(analyst.database, later.model_copy(update={"entities": {**later.entities, more.name: more}}))
    fill(analyst.database)
    assert assert_sees_exactly(analyst, {GRACE, HOPE}, closed=PLAIN) == before + 2
    run(analyst.database, "CREATE TABLE openfaith.visits (LIKE openfaith.events INCLUDING ALL)")
    run(analyst.database, "SELECT sync.make_live_view('visits')")
    open_database(settings_for(analyst.database.url))
    run(analyst.database, FILL.format(table="openfaith.visits", entity="'visit'"), list(ORGS))
    assert assert_sees_exactly(analyst, {GRACE, HOPE}, closed=PLAIN) == before + 4


def test_what_is_sensitive_is_for_those_who_were_granted_it_by_name(analyst: Analyst, tmp_path: Path) -> None:
    grant_reader(analyst.database, analyst.role, [HOPE])
    hiding = read_with_note(tmp_path, note="{type: string, sensitivity: sensitive}")
    # The manifest of a background check would say it of the entity.
    note = hiding.entities[next(name for name in hiding.entities if name == "note")]
    whole = note.model_copy(update={"name": "check", "plural": "checks", "sensitivity": Sensitivity.SENSITIVE})
    apply(analyst.database, hiding.model_copy(update={"entities": {**hiding.entities, whole.name: whole}}))
    fill(analyst.database)
    hidden = (
        "SELECT custom_fields FROM openfaith.people",
        "SELECT medical_notes FROM pco.people",
        "SELECT note FROM pco.notes",
        "SELECT id FROM pco.checks",
        "SELECT id FROM pco_live.checks",
        "SELECT amount_cents FROM openfaith.donations",
        "SELECT amount_cents FROM openfaith_live.donations",
    )
    with analyst.connect() as session:
        for statement in hidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())
        assert session.execute("SELECT org_id, first_name FROM openfaith.people").fetchall() == [(HOPE, None)]
        assert session.execute("SELECT org_id, note FROM pco_live.notes").fetchall() == [(HOPE, None)]
    grant_reader(analyst.database, analyst.role, [HOPE], sensitive=True)
    assert assert_sees_exactly(analyst, {HOPE}) > 40
    with analyst.connect() as session:
        for statement in hidden:
            assert len(session.execute(statement.encode()).fetchall()) == 1
    revoke_reader(analyst.database, analyst.role, sensitive=True)
    with analyst.connect() as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("SELECT medical_notes FROM pco.people")


def test_orgs_come_and_go_and_nobody_is_shown_an_empty_table_for_want_of_one(analyst: Analyst) -> None:
    database, role = analyst.database, analyst.role
    assert list_readers(database) == []
    grant_reader(database, role, [GRACE])
    assert grant_reader(database, role, [ZION]).orgs == (GRACE, ZION)
    # A mistyped name must not look as if the org was taken back.
    with pytest.raises(UsageError, match="does not read graze; it reads grace, zion"):
        revoke_reader(database, role, [OrgId("graze")])
    left = revoke_reader(database, role, [GRACE])
    assert left is not None
    assert left.orgs == (ZION,)
    assert analyst.orgs_seen("openfaith_live.people") == {ZION}
    erase_org(database, ZION)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"the role {role} was granted no org") as refusal:
        analyst.orgs_seen("openfaith_live.people")
    assert refusal.value.diag.message_hint == f"An operator grants one with: openfaith-sync db grant {role} --org ORG"
    assert grant_reader(database, role, None).reads_all
    assert analyst.orgs_seen("pco_live.notes") == {GRACE, HOPE}
    assert grant_reader(database, role, [HOPE]).orgs == (HOPE,)
    assert analyst.orgs_seen("pco_live.notes") == {HOPE}
    assert revoke_reader(database, role) is None
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema"):
        analyst.orgs_seen("pco_live.notes")
    with pytest.raises(UsageError, match="was granted nothing"):
        revoke_reader(database, role)
    run(database, f"GRANT USAGE ON SCHEMA openfaith TO {role}; GRANT SELECT ON openfaith.events TO {role}")
    assert list_readers(database) == [Reader(role, (), False, False, True, is_granted=False)]


def test_whoever_is_in_a_readers_role_reads_the_same_and_a_later_role_of_its_name_nothing(analyst: Analyst) -> None:
    database, login = analyst.database, f"anna_{analyst.role}"
    grant_reader(database, analyst.role, [GRACE])
    run(database, f"CREATE ROLE {login} LOGIN; GRANT {analyst.role} TO {login}")
    assert analyst.orgs_seen("openfaith.people", login) == {GRACE}
    grant_reader(database, login, [HOPE])
    assert analyst.orgs_seen("openfaith.people", login) == {GRACE, HOPE}
    assert analyst.orgs_seen("openfaith.people") == {GRACE}
    run(database, f"DROP ROLE {login}; CREATE ROLE {login} LOGIN")
    assert grant_reader(database, login, [ZION]).orgs == (ZION,)
    assert analyst.orgs_seen("openfaith.people", login) == {ZION}
    drop_roles(database, login)
    grant_reader(database, analyst.role, [GRACE])


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("ALTER ROLE {role} BYPASSRLS", "can do more than read records"),
        ("ALTER ROLE {role} SUPERUSER", "can do more than read records"),
        ("GRANT pg_read_all_data TO {role}", r"has privileges on openfaith\.\w+ that readers lack"),
        ("GRANT SELECT ON openfaith.people TO {role}", "has privileges on openfaith.people that readers lack"),
        ("GRANT SELECT (org_id) ON sync.dead_letters TO {role}", "has privileges on sync.dead_letters"),
        ("GRANT UPDATE ON openfaith.events TO {role}", "has privileges on openfaith.events"),
    ],
)
def test_a_role_that_could_do_more_is_refused(analyst: Analyst, before: str, message: str) -> None:
    run(analyst.database, before.format(role=analyst.role))
    with pytest.raises(DefinitionError, match=message):
        grant_reader(analyst.database, analyst.role, [GRACE])
    run(
        analyst.database,
        f"ALTER ROLE {analyst.role} NOSUPERUSER NOBYPASSRLS; REVOKE pg_read_all_data FROM {analyst.role}",
    )
    assert [reader for reader in list_readers(analyst.database) if reader.is_granted] == []


def test_what_does_not_exist_is_named_and_a_role_is_created_on_demand(analyst: Analyst) -> None:
    database, name = analyst.database, f"new_{analyst.role}"
    with pytest.raises(UsageError, match="there is no org peace"):
        grant_reader(database, analyst.role, [OrgId("peace")])
    with pytest.raises(UsageError, match=f"there is no role {name}; --create creates it"):
        grant_reader(database, name, [GRACE])
    assert grant_reader(database, name, [GRACE], create=True).can_log_in
    assert analyst.orgs_seen("openfaith.people", name) == {GRACE}
    run(database, f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_orgs_are_looked_up_once_per_query_and_found_by_the_index(analyst: Analyst) -> None:
    grant_reader(analyst.database, analyst.role, [GRACE, HOPE])
    with analyst.connect() as session:
        session.execute("SET enable_seqscan = off")
        query = b"EXPLAIN (ANALYZE, COSTS OFF) SELECT count(*) FROM openfaith_live.people"
        plan = "\n".join(line for (line,) in session.execute(query))
    assert "InitPlan" in plan
    assert re.search(r"Index Cond: .*org_id = ANY \(\(InitPlan \d+\)\.col1\)", plan), plan
    assert "current_setting" not in plan
    assert re.findall(r" on readers .*loops=(\d+)", plan) == ["1"], plan


def test_an_owner_that_may_make_roles_makes_the_readers(login: Login, empty_url: DatabaseUrl) -> None:
    database = open_database(settings_for(login("NOSUPERUSER CREATEROLE")))
    fill_one(database)
    role = f"analyst_{uuid4().hex[:8]}"
    grant_reader(database, role, [GRACE], create=True)
    assert Analyst(database, role).orgs_seen("openfaith.people") == {GRACE}
    assert {org for (org,) in fetch(database, "SELECT org_id FROM openfaith.people")} == {GRACE, HOPE}
    with psycopg.connect(empty_url.libpq, autocommit=True) as server:
        for name in (role, *load_reader_roles_of(database)):
            server.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def test_an_owner_that_may_make_no_roles_is_told_what_to_run(login: Login) -> None:
    database = open_database(settings_for(login("NOSUPERUSER NOCREATEROLE")))
    fill_one(database)
    with pytest.raises(DefinitionError, match=r"cannot create the roles of readers; as one that can, run: CREATE ROLE"):
        grant_reader(database, "anybody", [GRACE])


def fill_one(database: Database) -> None:
    """Store a person of each of two orgs."""
    orgs = [GRACE, HOPE]
    run(database, FILL.format(table="openfaith.people", entity="'person'"), orgs)
    run(database, "INSERT INTO sync.checkpoints (org_id, adapter, entity) SELECT unnest(%s::text[]), 'pco', ''", orgs)


def load_reader_roles_of(database: Database) -> tuple[str, ...]:
    with database.connect_fleet() as connection:
        return load_reader_roles(connection).names
