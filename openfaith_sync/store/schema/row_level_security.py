"""The second wall around each org: row-level security, and a role that cannot pass it (law 10).

A session of one org takes the engine's role and names its org; the policies then show it no other
org's row, whatever its statement says. Only the tables' owner sees all orgs, in a session that
names none. The statements, which name their org themselves, are the first wall.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.postgres.statements import Connection, fetch_one

# One role for each login: databases of one login may share it, since it has rights only where
# it was given some, and what one login makes no other login has to be let into.
_ENGINE = "'openfaith_engine_' || left(md5(session_user), 12)"

AS_ONE_ORG = f"""
set_config('openfaith.org', %s, false), set_config('role', (
  SELECT CASE
    WHEN rolsuper OR rolbypassrls OR EXISTS (SELECT FROM pg_roles WHERE rolname = {_ENGINE}) THEN {_ENGINE}
    ELSE 'none' END
  FROM pg_roles WHERE rolname = session_user), false)
"""  # noqa: S608  our own constants, here and twice below
"""What a session's first SELECT says to make it one org's.

A login that may pass the walls never stays itself, even when the engine's role is missing.
"""

_OPEN_TABLES = f"""
SELECT array_agg(kept.relname ORDER BY kept.relname)
FROM (
  SELECT held.oid, held.relname, held.relowner, held.relrowsecurity AND held.relforcerowsecurity AS is_forced,
         EXISTS (SELECT FROM pg_attribute own
                 WHERE own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped) AS is_of_org
  FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
  WHERE room.nspname IN ('openfaith', 'sync') AND held.relkind IN ('r', 'p') AND held.relname <> 'alembic_version'
) kept
LEFT JOIN pg_roles engine ON engine.rolname = {_ENGINE}
WHERE NOT has_table_privilege(COALESCE(engine.oid, kept.relowner), kept.oid, 'DELETE')
   OR kept.is_of_org AND NOT (
     kept.is_forced
     AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = kept.oid AND p.polname = 'one_org')
     AND EXISTS (SELECT FROM pg_policy p
                 WHERE p.polrelid = kept.oid AND p.polname = 'fleet' AND p.polroles = ARRAY[kept.relowner]))
"""  # noqa: S608
_LOGIN = f"""
SELECT login.rolname, {_ENGINE}, login.rolsuper OR login.rolbypassrls, login.rolsuper OR login.rolcreaterole,
       engine.oid IS NOT NULL, COALESCE(engine.rolsuper OR engine.rolbypassrls, false),
       COALESCE(pg_has_role(login.oid, engine.oid, %s), false),
       (SELECT pg_has_role(login.oid, relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('sync.connections'))
FROM pg_roles login LEFT JOIN pg_roles engine ON engine.rolname = {_ENGINE} WHERE login.rolname = session_user
"""  # noqa: S608
_KEPT = """
SELECT room.nspname, held.relname,
       EXISTS (SELECT FROM pg_attribute own
               WHERE own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped),
       pg_get_userbyid(held.relowner)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE room.nspname IN ('openfaith', 'sync') AND held.relkind IN ('r', 'p') AND held.relname = ANY (%s)
"""
_WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS one_org ON {table};
CREATE POLICY one_org ON {table} USING (org_id = current_setting('openfaith.org', true));
DROP POLICY IF EXISTS fleet ON {table};
CREATE POLICY fleet ON {table} TO {owner}
  USING ((SELECT COALESCE(current_setting('openfaith.org', true), '') = ''));
"""
_LOCK = 0x0FA17_3A115
# Another database's walls may be raised at this moment by the same login.
_MADE_MEANWHILE = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_)
_ATTEMPTS = 5
_SET_OPTION = 160000
"""The server's version that tells being a member from being allowed to become the role."""


@dataclass(frozen=True, slots=True)
class _Login:
    """Who we are to the server."""

    name: str
    engine: str
    is_bypassing: bool
    may_make_roles: bool
    has_engine: bool
    is_engine_bypassing: bool
    may_become_engine: bool
    is_owner: bool | None

    @property
    def needs_engine(self) -> bool:
        """Whether the engine's role is to be made or let into; else the policies hold the login itself."""
        return not self.may_become_engine and (self.may_make_roles or self.is_bypassing or self.has_engine)


def enter_org(connection: Connection, org: OrgId) -> None:
    """Let a session that is one org's already be another's from now on."""
    connection.execute("SELECT set_config('openfaith.org', %s, false)", (org,))


def walls_stand(connection: Connection) -> bool:
    """Whether every table has its policies, and a session of an org cannot pass them.

    Raises:
        DefinitionError: Only an operator can see to that; says how.
    """
    login = _load_login(connection)
    _refuse_what_is_unsafe(login)
    return not login.needs_engine and not fetch_one(connection, _OPEN_TABLES, ())[0]


def raise_walls(connection: Connection) -> None:
    """Return every table its policies, and the engine its role; what is there stays.

    Raises:
        DefinitionError: Only an operator can do that; says how.
    """
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        login = _load_login(connection)
        for _ in range(_ATTEMPTS):
            if not login.needs_engine:
                break
            _make_engine(connection, login)
            login = _load_login(connection)
        _refuse_what_is_unsafe(login)
        _wall(connection, login, fetch_one(connection, _OPEN_TABLES, ())[0] or [])
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _load_login(connection: Connection) -> _Login:
    right = "SET" if connection.info.server_version >= _SET_OPTION else "MEMBER"
    return _Login(*fetch_one(connection, _LOGIN, (right,)))


def _make_engine(connection: Connection, login: _Login) -> None:
    names = {"engine": sql.Identifier(login.engine), "login": sql.Identifier(login.name)}
    try:
        if not login.has_engine:
            connection.execute(sql.SQL("CREATE ROLE {engine} NOLOGIN NOSUPERUSER NOBYPASSRLS").format(**names))
        if not _load_login(connection).may_become_engine:
            connection.execute(sql.SQL("GRANT {engine} TO {login}").format(**names))
    except _MADE_MEANWHILE:
        return
    except psycopg.errors.InsufficientPrivilege:
        create = "" if login.has_engine else f'CREATE ROLE "{login.engine}" NOLOGIN; '
        raise DefinitionError(
            f"the database's login {login.name!r} may not make the role that keeps orgs apart; as one who may, run: "
            f'{create}GRANT "{login.engine}" TO "{login.name}"'
        ) from None


def _refuse_what_is_unsafe(login: _Login) -> None:
    if login.is_engine_bypassing:
        raise DefinitionError(
            f"the role {login.engine!r} may pass row-level security, so it keeps no orgs apart; as a superuser, run: "
            f'ALTER ROLE "{login.engine}" NOSUPERUSER NOBYPASSRLS'
        )
    if login.is_owner is False:
        raise DefinitionError(
            f"the database's login {login.name!r} does not own the tables, so row-level security hides them from it; "
            "use their owner, or a login that is a member of it"
        )


def _wall(connection: Connection, login: _Login, tables: Sequence[str]) -> None:
    if login.has_engine:
        engine = sql.Identifier(login.engine)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA openfaith, sync TO {}").format(engine))
    for schema, name, is_of_org, owner in connection.execute(_KEPT, (list(tables),)).fetchall():
        table = sql.Identifier(schema, name)
        with connection.transaction():
            if login.has_engine:
                grant = sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}")
                connection.execute(grant.format(table, engine))
            if is_of_org:
                connection.execute(sql.SQL(_WALL).format(table=table, owner=sql.Identifier(owner)))
