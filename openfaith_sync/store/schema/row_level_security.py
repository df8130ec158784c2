"""Row-level security, and a role that cannot bypass it, as the second protection of each org (law 10).

A session of one org takes the engine's role and names its org; the policies then show it no other
org's rows, whatever its statement says. Only the tables' owner sees all orgs, in a session that
names none. The statements, which name their org themselves, are the first protection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.record_tables import CANONICAL_SCHEMA, live_schema
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.adapter_schemas import OURS, SET_OPTION
from openfaith_sync.store.schema.changes import quoted

# One role per login: databases of one login may share it, since it has privileges only where they were granted, and
# no other login needs access to what one login creates.
_ENGINE = "'openfaith_engine_' || left(md5(session_user), 12)"

AS_ONE_ORG = f"""
set_config('openfaith.org', %s, false), set_config('role', (
  SELECT CASE
    WHEN rolsuper OR rolbypassrls OR EXISTS (SELECT FROM pg_roles WHERE rolname = {_ENGINE}) THEN {_ENGINE}
    ELSE 'none' END
  FROM pg_roles WHERE rolname = session_user), false)
"""  # noqa: S608  our own constants, here and twice below
"""What a session's first SELECT runs to restrict it to one org.

A login that can bypass the policies never keeps its own role, even if the engine's role is missing.
"""

_OPEN_TABLES = f"""
SELECT array_agg(kept.relname ORDER BY kept.relname)
FROM (
  SELECT held.oid, held.relname, held.relowner, held.relrowsecurity AND held.relforcerowsecurity AS is_forced,
         EXISTS (SELECT FROM pg_attribute own
                 WHERE own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped) AS is_of_org
  FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
  WHERE {OURS} AND held.relkind IN ('r', 'p') AND held.relname <> 'alembic_version'
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
_KEPT = f"""
SELECT room.nspname, held.relname,
       EXISTS (SELECT FROM pg_attribute own
               WHERE own.attrelid = held.oid AND own.attname = 'org_id' AND NOT own.attisdropped),
       pg_get_userbyid(held.relowner)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE {OURS} AND held.relkind IN ('r', 'p') AND held.relname = ANY (%s)
"""  # noqa: S608
_SCHEMAS = f"SELECT room.nspname FROM pg_namespace room WHERE {OURS} ORDER BY 1"  # noqa: S608
_NO_ORG = "(SELECT COALESCE(current_setting('openfaith.org', true), '') = '')"
_POLICIES = (
    "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
    "DROP POLICY IF EXISTS one_org ON {table}",
    "CREATE POLICY one_org ON {table} USING (org_id = current_setting('openfaith.org', true))",
    "DROP POLICY IF EXISTS fleet ON {table}",
    "CREATE POLICY fleet ON {table} TO {owner} USING (" + _NO_ORG + ")",
)
"""The fleet's policy holds for every login that is a member of the owner, such as the one that made its role."""
_LOCK = 0x0FA17_3A115
# The same login may be creating another database's policies at this moment.
_MADE_MEANWHILE = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError_)
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Login:
    """The login as the server sees it."""

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
        """Return whether the engine's role must be created or granted; otherwise the policies bind the login itself."""
        return not self.may_become_engine and (self.may_make_roles or self.is_bypassing or self.has_engine)


def enter_org(connection: Connection, org: OrgId) -> None:
    """Switch a session that is restricted to one org to another org."""
    connection.execute("SELECT set_config('openfaith.org', %s, false)", (org,))


def has_row_level_security(connection: Connection) -> bool:
    """Return whether every table has its policies, and a session of an org cannot bypass them.

    Raises:
        DefinitionError: Only an operator can fix that; the message says how.
    """
    login = _load_login(connection)
    _refuse_what_is_unsafe(login)
    return not login.needs_engine and not fetch_one(connection, _OPEN_TABLES, ())[0]


def create_row_level_security(connection: Connection) -> None:
    """Create missing policies on every table and the engine's role; existing ones stay.

    Raises:
        DefinitionError: Only an operator can do that; the message says how.
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
        _create_policies(connection, login, fetch_one(connection, _OPEN_TABLES, ())[0] or [])
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def policy_statements(table: str, owner: str, engine: str | None) -> list[str]:
    """Return the statements that separate the orgs in a table, given its name as SQL, and open it to the engine."""
    made = [text.format(table=table, owner=quoted(owner)) for text in _POLICIES]
    grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO "
    return [grant + quoted(engine), *made] if engine is not None else made


def _load_login(connection: Connection) -> _Login:
    right = "SET" if connection.info.server_version >= SET_OPTION else "MEMBER"
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
            f"the database's login {login.name!r} cannot create the role that separates orgs; as one that can, run: "
            f'{create}GRANT "{login.engine}" TO "{login.name}"'
        ) from None


def _refuse_what_is_unsafe(login: _Login) -> None:
    if login.is_engine_bypassing:
        raise DefinitionError(
            f"the role {login.engine!r} can bypass row-level security, so orgs are not separate; as a superuser, run: "
            f'ALTER ROLE "{login.engine}" NOSUPERUSER NOBYPASSRLS'
        )
    if login.is_owner is False:
        raise DefinitionError(
            f"the database's login {login.name!r} does not own the tables, so row-level security hides them from it; "
            "use their owner, or a login that is a member of it"
        )


def _create_policies(connection: Connection, login: _Login, tables: Sequence[str]) -> None:
    engine = login.engine if login.has_engine else None
    if engine is not None:
        schemas = sql.SQL(", ").join(sql.Identifier(row[0]) for row in connection.execute(_SCHEMAS))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schemas, sql.Identifier(engine)))
        # An adapter's live views are opened where they are made.
        live = sql.Identifier(live_schema(CANONICAL_SCHEMA))
        connection.execute(
            sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(live, sql.Identifier(engine))
        )
    for schema, name, is_of_org, owner in connection.execute(_KEPT, (list(tables),)).fetchall():
        made = policy_statements(quoted(schema, name), owner, engine)
        grants = 0 if engine is None else 1
        with connection.transaction():
            for statement in made if is_of_org else made[:grants]:
                connection.execute(statement.encode())
