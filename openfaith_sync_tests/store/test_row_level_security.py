"""Row-level security holds whichever login the operator gives us, or says in one line what he must do."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.ids import NOBODY, OrgId, SyncKey
from openfaith_sync.store.admin.erase import erase_org
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.postgres_store import open_store
from openfaith_sync.store.schema.row_level_security import has_row_level_security
from openfaith_sync_tests.conftest import settings_for
from openfaith_sync_tests.store.conftest import Login
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, batch, email, fetch, run, walking

PACKAGE = Path(__file__).parents[2] / "openfaith_sync"
OF_AN_ORG = """
SELECT held.oid::regclass::text, held.relrowsecurity AND held.relforcerowsecurity,
       ARRAY(SELECT polname || ' ' || pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = held.oid
             ORDER BY polname)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE room.nspname IN ('openfaith', 'sync') AND held.relkind IN ('r', 'p') AND EXISTS (
  SELECT FROM pg_attribute own WHERE own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped)
"""
FLEET = {
    "store/outages/alerts.py": 2,  # an alert is one for all whom it concerns
    "store/outages/alert_messages.py": 6,  # a message is about all orgs that an alert affects
    "store/outages/breakers.py": 5,  # a provider is away for all
    "defs/instance/storage.py": 1,  # makes Dagster's schema
    "store/database/database.py": 4,  # the reading of one org or of all; the role of a person's queries, which sees all
    "store/admin/alert_detection.py": 1,
    "store/admin/field_views.py": 2,  # the view of one org's fields, which the owner of the tables makes
    "store/admin/readers.py": 3,  # who may read which orgs
    "store/admin/dagster_reports.py": 3,  # what Dagster was told of whom
    "store/admin/metrics.py": 3,  # figures over all orgs
    "store/admin/org_figures.py": 1,  # figures of several orgs at once
    "store/inbox/due_records.py": 1,  # whose turn it is
    "store/deletions/hold_decisions.py": 1,  # a hold is named by its number
    "store/dead_letters/dead_letters.py": 1,  # so is a dead letter
    "store/outages/incidents.py": 5,  # a source refuses to many at once
    "store/inbox/inbox.py": 1,  # pruning
    "store/admin/pruning.py": 2,
    "store/admin/key_rotation.py": 2,  # keys are everybody's
    "store/manifests/entity_tables.py": 1,  # the tables of all orgs' records
    "commands/manifest_tables.py": 2,  # makes tables, or says which
    "store/passes/schema_drift.py": 1,  # pruning
    "store/schedule/planning.py": 1,  # plans the work of new connections
    "store/schedule/work.py": 6,  # the plan: whose turn it is
}
"""Where all orgs are seen, and how often."""


def store_one(database: Database, org: OrgId) -> None:
    with walking(database, key=replace_org(org)) as walk:
        walk.commit(batch([email("1", f"{org}@example.org", org=org)]))
        walk.close()


def replace_org(org: OrgId) -> SyncKey:
    from openfaith_sync_tests.store.making import EMAILS  # noqa: PLC0415

    return replace(EMAILS, org=org)


def seen(database: Database, org: OrgId) -> list[tuple[Any, ...]]:
    with database.connect(org) as connection:
        return connection.execute("SELECT address FROM openfaith.emails").fetchall()


def assert_walled(database: Database) -> None:
    """Store for two orgs, and look around without naming either."""
    for org in (ORG, OTHER_ORG):
        store_one(database, org)
    assert seen(database, ORG) == [(f"{ORG}@example.org",)]
    assert seen(database, NOBODY) == []
    with database.connect(ORG) as connection:
        assert connection.execute("UPDATE openfaith.emails SET location = 'x'").rowcount == 1
        assert connection.execute("DELETE FROM sync.passes").rowcount == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security policy"):
            connection.execute("INSERT INTO sync.orgs (org_id) VALUES (%s)", (OTHER_ORG,))
    with database.connect_fleet() as connection:
        addresses = connection.execute("SELECT count(*) FROM openfaith.emails").fetchone()
    assert addresses == (2,)
    assert erase_org(database, ORG)["openfaith.emails"] == 1
    assert seen(database, OTHER_ORG) == [(f"{OTHER_ORG}@example.org",)]


def test_every_table_of_an_org_is_walled(database: Database) -> None:
    tables = fetch(database, OF_AN_ORG)
    assert len(tables) > 20
    for name, is_forced, policies in tables:
        assert is_forced, name
        assert len(policies) == 2, name
        assert policies[1] == "one_org (org_id = current_setting('openfaith.org'::text, true))", name


def test_a_session_of_an_org_has_a_role_that_cannot_pass(database: Database) -> None:
    with database.connect(ORG) as connection:
        role = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin, rolcreaterole FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
    assert role is not None
    assert role[0].startswith("openfaith_engine_")
    assert not any(role[1:])
    with open_store(database, ORG) as store:
        assert store._connection.execute("SELECT current_user").fetchone() == role[:1]
    assert_walled(database)


@pytest.mark.parametrize("wrong", ["", "*", "Grace", "a b", "'; --", "../up", "a" * 64, "gr\N{LATIN SMALL LETTER A}\0"])
def test_a_session_of_what_cannot_be_an_org_is_refused(database: Database, wrong: str) -> None:
    with pytest.raises(UsageError, match="an org's name is"), database.connect(OrgId(wrong)):
        pass
    with pytest.raises(UsageError, match="an org's name is"), open_store(database, OrgId(wrong)):
        pass


def test_the_places_that_see_all_orgs_are_these() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        count = len(re.findall(r"\.connect_fleet\(|psycopg\.connect\(", path.read_text()))
        if count:
            found[str(path.relative_to(PACKAGE))] = count
    found["store/database/database.py"] -= 1  # the driver's own call, below all of these
    assert found == FLEET


def test_walls_that_fell_stand_again_when_the_database_is_opened(database: Database) -> None:
    run(database, "ALTER TABLE openfaith.people DISABLE ROW LEVEL SECURITY")
    run(database, "DROP POLICY one_org ON sync.passes")
    run(database, "CREATE TABLE sync.later (org_id text)")
    open_database(settings_for(database.url))
    names = [row for row in fetch(database, OF_AN_ORG) if row[0] == "sync.later"]
    assert names
    test_every_table_of_an_org_is_walled(database)


def test_an_owner_that_may_make_roles_makes_the_engines(login: Login) -> None:
    database = open_database(settings_for(login("NOSUPERUSER CREATEROLE")))
    with database.connect(ORG) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    assert row[0].startswith("openfaith_engine_")
    assert_walled(database)


def test_an_owner_that_may_make_none_is_held_by_the_policies_itself(login: Login) -> None:
    database = open_database(settings_for(login("NOSUPERUSER NOCREATEROLE")))
    with database.connect(ORG) as connection:
        assert connection.execute("SELECT current_user = session_user").fetchone() == (True,)
    assert_walled(database)


def test_a_login_that_passes_policies_is_told_what_an_operator_must_do(login: Login, empty_url: DatabaseUrl) -> None:
    url = login("NOSUPERUSER NOCREATEROLE BYPASSRLS")
    with pytest.raises(DefinitionError, match="as one that can, run: CREATE ROLE") as refusal:
        open_database(settings_for(url))
    with psycopg.connect(empty_url.libpq, autocommit=True) as operator:
        operator.execute(str(refusal.value).partition("run: ")[2].encode())
    assert_walled(open_database(settings_for(url)))


def test_an_engine_that_passes_policies_is_refused(login: Login, empty_url: DatabaseUrl) -> None:
    url = login("NOSUPERUSER CREATEROLE")
    with open_database(settings_for(url)).connect(ORG) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    with psycopg.connect(empty_url.libpq, autocommit=True) as operator:
        operator.execute(f"ALTER ROLE {row[0]} BYPASSRLS".encode())
    with pytest.raises(DefinitionError, match="can bypass row-level security, so orgs are not separate"):
        open_database(settings_for(url))


def test_a_role_that_is_gone_lets_nobody_in_and_is_made_again(login: Login, empty_url: DatabaseUrl) -> None:
    url = login("SUPERUSER")
    database = open_database(settings_for(url))
    with database.connect(ORG) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    assert row is not None
    with psycopg.connect(empty_url.libpq, autocommit=True) as operator:
        operator.execute(f"DROP OWNED BY {row[0]}".encode())
        operator.execute(f"DROP ROLE {row[0]}".encode())
    with pytest.raises(DefinitionError, match="the role that separates orgs is missing"), database.connect(ORG):
        pass
    open_database(settings_for(url))
    assert_walled(database)


def test_whoever_opens_the_database_its_owner_still_sees_all_orgs(login: Login, empty_url: DatabaseUrl) -> None:
    owners = open_database(settings_for(login("NOSUPERUSER CREATEROLE")))
    store_one(owners, ORG)
    open_database(settings_for(empty_url))
    assert fetch(owners, "SELECT org_id FROM openfaith.emails") == [(ORG,)]
    with psycopg.connect(owners.url.libpq) as session:
        assert has_row_level_security(session)


def test_a_login_that_does_not_own_the_tables_is_refused(login: Login) -> None:
    open_database(settings_for(login("NOSUPERUSER CREATEROLE")))
    with pytest.raises(DefinitionError, match="does not own the tables"):
        open_database(settings_for(login("IN ROLE pg_read_all_data", "guest")))
