"""The schemas of an adapter, and the role that owns them: what makes tables there can touch no other table."""

from collections.abc import Iterator
from typing import NamedTuple

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.record_tables import live_schema
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.changes import SchemaChange, SchemaStatement, literal, quoted

SET_OPTION = 160000
"""The server version from which being a member and being allowed to SET ROLE are distinct."""

OURS = """
(room.nspname IN ('openfaith', 'openfaith_live', 'sync') OR EXISTS (
  SELECT FROM sync.applied_manifests WHERE room.nspname IN (adapter, adapter || '_live')))
"""
"""Whether ``room``, a row of ``pg_namespace``, is a schema of ours."""

_LOAD = """
SELECT login.rolname, wanted.role, engine.rolname, login.rolsuper OR login.rolcreaterole, role.oid IS NOT NULL,
       COALESCE(pg_has_role(login.oid, role.oid, %(right)s) AND pg_has_role(login.oid, role.oid, 'USAGE'), false),
       pg_get_userbyid(room.nspowner), COALESCE(pg_has_role(login.oid, room.nspowner, %(right)s), false),
       obj_description(room.oid, 'pg_namespace'),
       EXISTS (SELECT FROM sync.applied_manifests WHERE adapter = %(adapter)s),
       EXISTS (SELECT FROM pg_class WHERE relnamespace = room.oid),
       COALESCE(has_schema_privilege(engine.oid, room.oid, 'USAGE'), false),
       COALESCE(has_schema_privilege(COALESCE(room.nspowner, role.oid), 'openfaith', 'USAGE')
            AND has_schema_privilege(COALESCE(room.nspowner, role.oid), 'sync', 'USAGE'), false)
FROM pg_roles login
CROSS JOIN (SELECT 'openfaith_tables_' || left(md5(session_user), 12) AS role) wanted
LEFT JOIN pg_roles role ON role.rolname = wanted.role
LEFT JOIN pg_roles engine ON engine.rolname = 'openfaith_engine_' || left(md5(session_user), 12)
LEFT JOIN pg_namespace room ON room.nspname = %(schema)s
WHERE login.rolname = session_user
"""


class AdapterSchema(NamedTuple):
    """A schema of an adapter as it is, and the roles that have to do with it."""

    login: str
    role: str
    engine: str | None
    may_make_roles: bool
    has_role: bool
    may_become_role: bool
    schema_owner: str | None
    may_become_owner: bool
    comment: str | None
    is_ours: bool
    is_filled: bool
    is_open_to_engine: bool
    is_open_to_owner: bool
    """Whether the owner of the tables may look up ours, for its views."""

    @property
    def owner(self) -> str:
        """Return who owns the schema and its tables, or will."""
        if self.schema_owner is not None:
            return self.schema_owner
        return self.role if self.may_become_role or self.may_make_roles else self.login


def load_schema(connection: Connection, adapter: str) -> AdapterSchema:
    """Return what is known of the schema of an adapter's tables.

    Raises:
        DefinitionError: It belongs to somebody else, or holds tables that are not ours.
    """
    return _load(connection, adapter, adapter)


def load_live_schema(connection: Connection, adapter: str, owner: str) -> AdapterSchema:
    """Return what is known of the schema of an adapter's live views, which belongs to the ``owner`` of its tables.

    Raises:
        DefinitionError: It belongs to somebody else, or holds tables that are not ours.
    """
    schema = live_schema(adapter)
    found = _load(connection, adapter, schema)
    if found.schema_owner not in (None, owner):
        raise DefinitionError(
            f"the schema {schema!r} belongs to {found.schema_owner!r}, and {adapter!r} to {owner!r}; as a superuser, "
            f'run: ALTER SCHEMA "{schema}" OWNER TO "{owner}"'
        )
    return found


def _load(connection: Connection, adapter: str, schema: str) -> AdapterSchema:
    right = "SET" if connection.info.server_version >= SET_OPTION else "MEMBER"
    found = AdapterSchema(*fetch_one(connection, _LOAD, {"right": right, "adapter": adapter, "schema": schema}))
    if found.schema_owner is not None and not found.may_become_owner:
        raise DefinitionError(
            f"the schema {schema!r} belongs to {found.schema_owner!r}, and the login {found.login!r} is no member of "
            f'it; as a superuser, run: GRANT "{found.schema_owner}" TO "{found.login}"'
        )
    if found.schema_owner is not None and found.is_filled and not found.is_ours:
        raise DefinitionError(
            f"the schema {schema!r} already holds tables that are not ours; move them to another schema, or give the "
            "adapter another name"
        )
    return found


def schema_changes(found: AdapterSchema, live: AdapterSchema, adapter: str, title: str) -> Iterator[SchemaChange]:
    """Yield how the schemas of tables and live views, and their owner, come to be; each is made by the login itself."""
    roles = tuple(_role_changes(found))
    if roles:
        yield SchemaChange(f"role {found.owner}", roles, as_owner=False)
    comment = f"What {title} has, as it has it: a table or a view per entity, made from the manifest."
    live_comment = f"The living rows of schema {adapter}: a view of the same name for each of its tables and views."
    if made := (*_schema_changes(found, adapter, found.owner, comment), *_open_ours(found)):
        yield SchemaChange(f"schema {adapter}", made, as_owner=False)
    if made := tuple(_schema_changes(live, live_schema(adapter), found.owner, live_comment)):
        yield SchemaChange(f"schema {live_schema(adapter)}", made, as_owner=False)


def _role_changes(found: AdapterSchema) -> Iterator[SchemaStatement]:
    if found.owner != found.role or found.may_become_role:
        return
    if not found.has_role:
        yield SchemaStatement(f"CREATE ROLE {quoted(found.role)} NOLOGIN NOSUPERUSER NOBYPASSRLS")
    yield SchemaStatement(f"GRANT {quoted(found.role)} TO {quoted(found.login)}")


def _schema_changes(found: AdapterSchema, schema: str, owner: str, comment: str) -> Iterator[SchemaStatement]:
    name = quoted(schema)
    if found.schema_owner is None:
        yield SchemaStatement(f"CREATE SCHEMA {name} AUTHORIZATION {quoted(owner)}")
    if found.comment != comment:
        yield SchemaStatement(f"COMMENT ON SCHEMA {name} IS {literal(comment)}")
    if found.engine is not None and not found.is_open_to_engine:
        yield SchemaStatement(f"GRANT USAGE ON SCHEMA {name} TO {quoted(found.engine)}")


def _open_ours(found: AdapterSchema) -> Iterator[SchemaStatement]:
    if not found.is_open_to_owner and found.owner != found.login:
        # For the views, whose statements look up our tables and functions.
        yield SchemaStatement(f"GRANT USAGE ON SCHEMA openfaith, sync TO {quoted(found.owner)}")
