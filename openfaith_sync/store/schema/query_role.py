"""The role for people's own queries: it can read, and do nothing else.

A session that only takes a role can leave it again with ``RESET ROLE``, so this role has its own login:
no superuser, no member of any role, no privilege but to read our tables without their secrets. The role's
own settings also make its transactions read-only and limit its statements' time.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.adapter_schemas import OURS

SECRET_COLUMNS: Mapping[str, frozenset[str]] = {
    "connections": frozenset({"secret"}),
    "webhook_subscriptions": frozenset({"secret", "previous_secret"}),
    "authorizations": frozenset({"state_hash", "verifier", "invitation_hash"}),
    "erasure_keys": frozenset({"secret"}),
    "invitations": frozenset({"secret_hash", "state_hash"}),
}
"""By table of schema ``sync``; a test checks that none is missing."""

# One per login, like the engine's role (row_level_security.py).
_LOAD = """
SELECT wanted.name, login.rolname, login.rolsuper OR login.rolcreaterole, role.oid IS NOT NULL,
       COALESCE(role.rolsuper OR role.rolcreaterole OR role.rolcreatedb OR role.rolreplication OR role.rolbypassrls
         OR EXISTS (SELECT FROM pg_auth_members WHERE member = role.oid), false)
FROM pg_roles login,
     LATERAL (SELECT COALESCE(%s, 'openfaith_query_' || left(md5(login.rolname), 12)) AS name) wanted
     LEFT JOIN pg_roles role ON role.rolname = wanted.name
WHERE login.rolname = session_user
"""
_TABLES = f"""
SELECT room.nspname, held.relname, pg_get_userbyid(held.relowner),
       held.relrowsecurity AND NOT EXISTS (
         SELECT FROM pg_policy p WHERE p.polrelid = held.oid AND p.polname = 'query' AND p.polroles = ARRAY[role.oid]),
       ARRAY(SELECT own.attname::text FROM pg_attribute own
             WHERE own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped ORDER BY own.attnum),
       ARRAY(SELECT own.attname::text FROM pg_attribute own
             WHERE own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
               AND has_column_privilege(role.oid, held.oid, own.attnum, 'SELECT')),
       has_table_privilege(role.oid, held.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
         OR has_any_column_privilege(role.oid, held.oid, 'INSERT, UPDATE')
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace, pg_roles role
WHERE role.rolname = %s AND {OURS} AND held.relkind IN ('r', 'p', 'v', 'm')
ORDER BY room.nspname, held.relname
"""  # noqa: S608  our own constants, here and below
_SCHEMAS = f"""
SELECT room.nspname, has_schema_privilege(%s, room.oid, 'USAGE') FROM pg_namespace room WHERE {OURS} ORDER BY 1
"""  # noqa: S608
_CREATE = """
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION CONNECTION LIMIT 20;
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '30s';
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s'
"""
_POLICY = """
DROP POLICY IF EXISTS query ON {table};
CREATE POLICY query ON {table} FOR SELECT TO {role}
  USING ((SELECT COALESCE(current_setting('openfaith.org', true), '') = ''))
"""
_LOCK = 0x0FA17_9E4D


@dataclass(frozen=True, slots=True)
class _Table:
    schema: str
    name: str
    owner: str
    lacks_policy: bool
    columns: list[str]
    readable: list[str]
    is_writable: bool

    @property
    def secret(self) -> frozenset[str]:
        return SECRET_COLUMNS.get(self.name, frozenset()) if self.schema == "sync" else frozenset()

    @property
    def lacks(self) -> bool:
        return self.lacks_policy or bool(set(self.columns) - set(self.readable) - self.secret)

    @property
    def is_too_open(self) -> bool:
        return self.is_writable or bool(self.secret & set(self.readable))


def ensure_query_role(connection: Connection, given: str | None = None) -> str:
    """Return the name of the role, which can read all of our tables except their secrets.

    Creates what is missing: the role, if the operator has not ``given`` one, and its privileges on newer tables.

    Raises:
        DefinitionError: Only an operator can do that, or the role can do more than read; the message says what to do.
    """
    with translated():
        name, login, may_make_roles, exists, is_mighty = fetch_one(connection, _LOAD, (given,))
        if is_mighty:
            raise DefinitionError(
                f"the role {name!r} can do more than run queries: it is a superuser, can bypass row-level security or "
                "create roles or databases, or is a member of another role; revoke that"
            )
        if not exists and not may_make_roles:
            raise DefinitionError(
                f"the database's login {login!r} cannot create a role for queries; as a login that can, run: "
                "CREATE ROLE openfaith_query LOGIN PASSWORD '...'; then set OPENFAITH_QUERY_URL to the database's "
                "URL with that login (its rights are granted when it is first used)"
            )
        if not exists or _lacks(connection, name):
            _make(connection, name, exists=exists)
        return str(name)


def set_password(connection: Connection, role: str, password: str) -> None:
    """Set the role's password; only its SCRAM verifier is sent to the server, and thus logged."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    with translated():
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _lacks(connection: Connection, role: str) -> bool:
    return any(table.lacks for table in _load_tables(connection, role)) or not _may_enter(connection, role)


def _may_enter(connection: Connection, role: str) -> bool:
    return all(may_enter for _, may_enter in connection.execute(_SCHEMAS, (role,)))


def _load_tables(connection: Connection, role: str) -> list[_Table]:
    tables = [_Table(*row) for row in connection.execute(_TABLES, (role,))]
    if wrong := [f"{table.schema}.{table.name}" for table in tables if table.is_too_open]:
        raise DefinitionError(
            f"the role {role!r} for queries can write to, or read secrets of, {wrong[0]}; revoke its grants, "
            "direct ones and those through PUBLIC"
        )
    return tables


def _make(connection: Connection, name: str, *, exists: bool) -> None:
    role = sql.Identifier(name)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not exists:
            _create_role(connection, role)
        schemas = sql.SQL(", ").join(sql.Identifier(row[0]) for row in connection.execute(_SCHEMAS, (name,)))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schemas, role))
        for table in _load_tables(connection, name):
            if table.lacks:
                _open(connection, table, role)


def _create_role(connection: Connection, role: sql.Identifier) -> None:
    try:
        # The same login may be creating it at this moment for another database.
        with connection.transaction():
            connection.execute(sql.SQL(_CREATE).format(role=role))
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return


def _open(connection: Connection, table: _Table, role: sql.Identifier) -> None:
    named = sql.Identifier(table.schema, table.name)
    if table.secret:
        shown = [sql.Identifier(column) for column in table.columns if column not in table.secret]
        grant = sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(sql.SQL(", ").join(shown), named, role)
    else:
        grant = sql.SQL("GRANT SELECT ON {} TO {}").format(named, role)
    connection.execute(grant)
    if table.lacks_policy:
        connection.execute(sql.SQL(_POLICY).format(table=named, role=role))
