"""Roles for readers: what analysts and their tools may read, and of which orgs.

A reader is an operator's own role that is a member of ours. Ours hold the privileges, so that a new table is
opened to all readers with one grant, and no reader has to be known where tables are made. One role is for readers
of some orgs, whom a policy restricts to those that ``sync.readers`` lists; one is for readers of all orgs; and one
holds what is hidden from both.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import psycopg

from openfaith_sync.domain.errors import DefinitionError, TransientError
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.adapter_schemas import OURS
from openfaith_sync.store.schema.changes import quoted

LOCK_TIMEOUT = timedelta(seconds=3)
"""How long a new policy may wait for a table, and everybody else behind it."""
ATTEMPTS = 5
SECONDS_BETWEEN_ATTEMPTS = 1.0
DEEPEST_VIEW = 4
"""How many views may lie above each other, counting one more look."""

# What was made first names the database's roles, so that a copy or a renamed database keeps its own.
_LOAD_GROUPS = """
SELECT COALESCE(found.name, 'openfaith_reader_' || left(md5(session_user || ' ' || current_database()), 12)),
       found.name IS NOT NULL
FROM (SELECT (SELECT pg_get_userbyid(polroles[1]) FROM pg_policy
              WHERE polrelid = 'openfaith.people'::regclass AND polname = 'reader') AS name) found
"""
_LOAD_LOGIN = """
SELECT login.rolname, login.rolsuper OR login.rolcreaterole,
       ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%(groups)s)),
       NOT login.rolsuper AND EXISTS (
         SELECT FROM pg_roles held WHERE held.rolname = ANY (%(groups)s) AND pg_has_role(login.oid, held.oid, 'USAGE'))
FROM pg_roles login WHERE login.rolname = session_user
"""
_SCHEMAS = f"""
SELECT room.nspname FROM pg_namespace room, unnest(%(groups)s::text[]) AS reader (role)
WHERE {OURS} AND room.nspname <> 'sync' AND NOT has_schema_privilege(reader.role, room.oid, 'USAGE')
GROUP BY room.nspname
"""  # noqa: S608  our own constants, here and below
_TABLES = """
SELECT room.nspname, held.relname,
       ARRAY(SELECT polname::text FROM pg_policy WHERE polrelid = held.oid AND polname IN ('reader', 'reader_rows')),
       has_table_privilege(%(sensitive)s, held.oid, 'SELECT'),
       ARRAY(SELECT own.attname::text FROM pg_attribute own
             WHERE own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped AND NOT EXISTS (
               SELECT FROM sync.hidden_columns hidden
               WHERE (hidden.table_schema, hidden.table_name, hidden.column_name)
                   = (room.nspname, held.relname, own.attname)) ORDER BY own.attnum),
       ARRAY(SELECT own.attname::text FROM pg_attribute own, unnest(%(plain)s::text[]) AS reader (role)
             WHERE own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
               AND has_column_privilege(reader.role, held.oid, own.attnum, 'SELECT')
             GROUP BY own.attname HAVING count(*) = 2),
       ARRAY(SELECT DISTINCT own.attname::text FROM pg_attribute own, unnest(%(plain)s::text[]) AS reader (role)
             WHERE own.attrelid = held.oid AND own.attnum > 0 AND NOT own.attisdropped
               AND has_column_privilege(reader.role, held.oid, own.attnum, 'SELECT'))
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE held.relkind IN ('r', 'p') AND (room.nspname, held.relname) IN (
  SELECT table_schema, table_name FROM sync.record_tables
  UNION SELECT 'openfaith', tablename FROM pg_tables WHERE schemaname = 'openfaith')
ORDER BY 1, 2
"""
# A view reads with the rights of whoever asks, so that one column which its reader may not see closes all of it. Any
# other view in these schemas is none of ours: it might show all orgs.
_VIEWS = f"""
SELECT room.nspname, held.relname,
       NOT EXISTS (
         SELECT FROM pg_rewrite rule
         JOIN pg_depend used ON used.classid = 'pg_rewrite'::regclass AND used.objid = rule.oid
           AND used.refclassid = 'pg_class'::regclass AND used.refobjid <> held.oid AND used.refobjsubid > 0
         WHERE rule.ev_class = held.oid
           AND NOT has_column_privilege(%(reader)s, used.refobjid, used.refobjsubid::smallint, 'SELECT')),
       has_table_privilege(%(reader)s, held.oid, 'SELECT'), has_table_privilege(%(all)s, held.oid, 'SELECT'),
       has_table_privilege(%(sensitive)s, held.oid, 'SELECT')
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE {OURS} AND room.nspname <> 'sync' AND held.relkind = 'v' AND 'security_invoker=true' = ANY (held.reloptions)
ORDER BY 1, 2
"""  # noqa: S608

# The subquery does not depend on the row, so that it runs once per query; its array serves an index on (org_id, ...).
_MINE = "pg_has_role(to_regrole(quote_ident(held.role))::oid, 'USAGE')"
_OWN = _MINE.replace("held.role", "role")
_ORGS = (
    "org_id = ANY ((SELECT COALESCE(array_agg(held.org_id), sync.refuse_reader()) FROM sync.readers held "  # noqa: S608
    f"WHERE {_MINE})::text[])"
)
# It is restrictive, since the policy `one_org` would let a reader see any org whose name he puts into a setting.
_POLICIES = (
    "DROP POLICY IF EXISTS reader ON {table}",
    f"CREATE POLICY reader ON {{table}} AS RESTRICTIVE FOR SELECT TO {{reader}} USING ({_ORGS})",
    "DROP POLICY IF EXISTS reader_rows ON {table}",
    "CREATE POLICY reader_rows ON {table} FOR SELECT TO {reader}, {all} USING (true)",
)
_OWN_ROWS = (
    "DROP POLICY IF EXISTS reader ON sync.readers",
    f"CREATE POLICY reader ON sync.readers AS RESTRICTIVE FOR SELECT TO {{reader}} USING ({_OWN})",
    "DROP POLICY IF EXISTS reader_rows ON sync.readers",
    "CREATE POLICY reader_rows ON sync.readers FOR SELECT TO {reader} USING (true)",
    # Only the policies of other tables can read it there: readers may not look into the schema.
    "GRANT SELECT ON sync.readers TO {reader}",
)
_LOCK = 0x0FA17_4EAD


class ReaderRoles(NamedTuple):
    """The roles of a database's readers."""

    reader: str
    """Of those who may read some orgs."""
    exists: bool

    @property
    def all(self) -> str:
        """Return the role of those who may read all orgs."""
        return f"{self.reader}_all"

    @property
    def sensitive(self) -> str:
        """Return the role that may read what is hidden from the others."""
        return f"{self.reader}_sensitive"

    @property
    def names(self) -> tuple[str, str, str]:
        """Return all three."""
        return (self.reader, self.all, self.sensitive)


@dataclass(frozen=True, slots=True)
class _RecordsOpened:
    schema: str
    name: str
    policies: list[str]
    is_open_to_sensitive: bool
    shown: list[str]
    """The columns that are hidden from nobody."""
    readable: list[str]
    """The columns that all readers may read."""
    too_open: list[str]
    """The columns that some reader may read."""

    def statements(self, roles: ReaderRoles) -> Iterator[str]:
        table, plain = quoted(self.schema, self.name), f"{quoted(roles.reader)}, {quoted(roles.all)}"
        if len(self.policies) < 2:  # noqa: PLR2004  the two that are made together
            for text in _POLICIES:
                yield text.format(table=table, reader=quoted(roles.reader), all=quoted(roles.all))
        if excess := [name for name in self.too_open if name not in self.shown]:
            yield f"REVOKE SELECT ({', '.join(map(quoted, excess))}) ON {table} FROM {plain}"  # noqa: S608
        # By column, so that no column is read before it is known whether it is hidden.
        if missing := [name for name in self.shown if name not in self.readable]:
            yield f"GRANT SELECT ({', '.join(map(quoted, missing))}) ON {table} TO {plain}"
        if not self.is_open_to_sensitive:
            yield f"GRANT SELECT ON {table} TO {quoted(roles.sensitive)}"


def load_reader_roles(connection: Connection) -> ReaderRoles:
    """Return the roles of this database's readers, which exist once a reader was granted something."""
    return ReaderRoles(*fetch_one(connection, _LOAD_GROUPS, ()))


def open_to_readers(connection: Connection) -> None:
    """Grant readers what they lack of the present tables and views, and revoke what has been hidden since.

    Without any reader, it does nothing but one query.

    Raises:
        TransientError: A table stayed in use.
        DefinitionError: The login may not do that.
    """
    roles = load_reader_roles(connection)
    if roles.exists:
        with translated():
            _open(connection, roles)


def ensure_reader_roles(connection: Connection) -> ReaderRoles:
    """Return the roles of this database's readers, with all that they need; creates what is missing.

    Raises:
        TransientError: A table stayed in use.
        DefinitionError: Only an operator can do that; the message says how.
    """
    with translated():
        roles = load_reader_roles(connection)
        login, may_make_roles, found, is_reader = fetch_one(connection, _LOAD_LOGIN, {"groups": list(roles.names)})
        if is_reader:
            raise DefinitionError(
                f"the database's login {login!r} is a reader itself, so policies would restrict syncs; as a superuser, "
                f'run: REVOKE "{roles.reader}", "{roles.all}", "{roles.sensitive}" FROM "{login}"'
            )
        missing = [name for name in roles.names if name not in found]
        if missing and not may_make_roles:
            statements = "; ".join(f'CREATE ROLE "{name}" NOLOGIN' for name in missing)
            raise DefinitionError(
                f"the database's login {login!r} cannot create the roles of readers; as one that can, run: {statements}"
            )
        for name in missing:
            _create(connection, name)
        _open(connection, roles)
        return roles._replace(exists=True)


def _create(connection: Connection, name: str) -> None:
    try:
        with connection.transaction():
            connection.execute(f"CREATE ROLE {quoted(name)} NOLOGIN NOSUPERUSER NOBYPASSRLS".encode())
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        # Another process is granting something at this moment.
        return


def _open(connection: Connection, roles: ReaderRoles) -> None:
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        parameters = {"groups": list(roles.names), "plain": [roles.reader, roles.all], "reader": roles.reader}
        parameters |= {"all": roles.all, "sensitive": roles.sensitive}
        for (schema,) in connection.execute(_SCHEMAS, parameters).fetchall():
            to_all = ", ".join(map(quoted, roles.names))
            _make(connection, schema, [f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {to_all}"])
        if not roles.exists:
            own_rows = [text.format(reader=quoted(roles.reader)) for text in _OWN_ROWS]
            _make(connection, "sync.readers", own_rows)
        for row in connection.execute(_TABLES, parameters).fetchall():
            table = _RecordsOpened(*row)
            _make(connection, f"{table.schema}.{table.name}", list(table.statements(roles)))
        # A view over views is opened once these are.
        for _ in range(DEEPEST_VIEW):
            views = [(row, list(_view_statements(roles, *row))) for row in connection.execute(_VIEWS, parameters)]
            for row, statements in views:
                _make(connection, f"{row[0]}.{row[1]}", statements)
            if not any(statements for _, statements in views):
                break
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _view_statements(
    roles: ReaderRoles, schema: str, name: str, is_plain: bool, is_open: bool, is_open_to_all: bool, is_sensitive: bool
) -> Iterator[str]:
    view, plain = quoted(schema, name), f"{quoted(roles.reader)}, {quoted(roles.all)}"
    if is_plain and not (is_open and is_open_to_all):
        yield f"GRANT SELECT ON {view} TO {plain}"
    if not is_plain and (is_open or is_open_to_all):
        yield f"REVOKE SELECT ON {view} FROM {plain}"  # noqa: S608
    if not is_sensitive:
        yield f"GRANT SELECT ON {view} TO {quoted(roles.sensitive)}"


def _make(connection: Connection, name: str, statements: Sequence[str]) -> None:
    """Run statements in one transaction that does not wait long for a table's lock."""
    for attempt in range(1, ATTEMPTS + 1) if statements else ():
        try:
            with connection.transaction():
                milliseconds = str(LOCK_TIMEOUT // timedelta(milliseconds=1))
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (milliseconds,))
                for statement in statements:
                    connection.execute(statement.encode())
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS:
                raise TransientError(
                    f"{name} is in use: {ATTEMPTS} times no lock was free within {LOCK_TIMEOUT.total_seconds():.0f} s; "
                    "run the command again",
                    retry_after=LOCK_TIMEOUT,
                ) from None
            # Those who waited behind this attempt come first.
            time.sleep(SECONDS_BETWEEN_ATTEMPTS)  # whoever holds the lock is another session, which cannot notify us
        else:
            return
