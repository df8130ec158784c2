"""Grant an operator's role the records of some orgs, or of all; take it back; and list who may read what."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.adapter_schemas import OURS, SET_OPTION
from openfaith_sync.store.schema.changes import quoted
from openfaith_sync.store.schema.reader_roles import ReaderRoles, ensure_reader_roles, load_reader_roles

_WITH_INHERITANCE = 160000
"""The server version from which a grant of a role says whether its privileges are inherited."""

_UNKNOWN_ORGS = """
SELECT given.org FROM unnest(%s::text[]) AS given (org)
WHERE NOT EXISTS (SELECT FROM sync.connections WHERE org_id = given.org)
  AND NOT EXISTS (SELECT FROM sync.checkpoints WHERE org_id = given.org) ORDER BY 1
"""
_ROLE = "SELECT rolcanlogin, rolinherit FROM pg_roles WHERE rolname = %s"
# What a role could do beyond reading records: as one that bypasses policies or owns our tables, or with privileges of
# its own on bookkeeping, or on what is hidden from readers.
_MIGHT = """
SELECT string_agg(DISTINCT mighty.rolname, ', ') FROM pg_roles mighty
WHERE pg_has_role(%(role)s, mighty.oid, 'MEMBER') AND (
  mighty.rolsuper OR mighty.rolbypassrls OR mighty.rolname ~ '^openfaith_(engine|query|tables)_'
  OR mighty.oid IN (
    SELECT relowner FROM pg_class WHERE oid IN ('sync.readers'::regclass, 'openfaith.people'::regclass)))
"""
_OPEN_TABLES = f"""
SELECT format('%%I.%%I', room.nspname, held.relname)
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE {OURS} AND held.relkind IN ('r', 'p', 'v')
  AND (has_table_privilege(%(role)s, held.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
       OR room.nspname = 'sync' AND held.relname <> 'readers' AND has_any_column_privilege(%(role)s, held.oid, 'SELECT')
       OR NOT pg_has_role(%(role)s, to_regrole(quote_ident(%(sensitive)s))::oid, 'USAGE') AND EXISTS (
         SELECT FROM sync.hidden_columns hidden JOIN pg_attribute own ON own.attname = hidden.column_name
         WHERE (hidden.table_schema, hidden.table_name) = (room.nspname, held.relname) AND own.attrelid = held.oid
           AND has_column_privilege(%(role)s, held.oid, own.attnum, 'SELECT')))
ORDER BY 1 LIMIT 1
"""  # noqa: S608  our own constants
_MEMBERS = """
SELECT member.rolname, member.rolcanlogin, bool_or(held.rolname = %(reader)s), bool_or(held.rolname = %(all)s),
       bool_or(held.rolname = %(sensitive)s)
FROM pg_auth_members made JOIN pg_roles held ON held.oid = made.roleid JOIN pg_roles member ON member.oid = made.member
WHERE held.rolname = ANY (ARRAY[%(reader)s, %(all)s, %(sensitive)s])
  AND pg_has_role(member.oid, held.oid, 'USAGE') AND NOT member.rolsuper
GROUP BY member.rolname, member.rolcanlogin ORDER BY member.rolname
"""
_ORGS = "SELECT org_id FROM sync.readers WHERE role = %s ORDER BY org_id"
# Whoever was granted a table without us sees it empty, and is told nothing.
_STRANGERS = f"""
SELECT DISTINCT role.rolname FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
CROSS JOIN LATERAL aclexplode(held.relacl) granted JOIN pg_roles role ON role.oid = granted.grantee
WHERE {OURS} AND room.nspname <> 'sync' AND held.relkind IN ('r', 'p') AND granted.privilege_type = 'SELECT'
  AND role.oid <> held.relowner AND NOT role.rolsuper AND NOT role.rolbypassrls
  AND role.rolname !~ '^openfaith_(engine|query|tables|reader)_'
ORDER BY 1
"""  # noqa: S608
_FORGET = "DELETE FROM sync.readers WHERE role = %s"
_FORGET_ORGS = "DELETE FROM sync.readers WHERE role = %s AND org_id = ANY (%s)"
_ADD = "INSERT INTO sync.readers (role, org_id) SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING"


@dataclass(frozen=True, slots=True)
class Reader:
    """A role that may read records."""

    role: str
    orgs: tuple[OrgId, ...]
    """Those it may read; empty if it may read all, or none."""
    reads_all: bool
    reads_sensitive: bool
    can_log_in: bool
    is_granted: bool = True
    """Whether it was granted here; otherwise it has privileges on tables, and the policies show it no row."""


def grant_reader(
    database: Database,
    role: str,
    orgs: Collection[OrgId] | None,
    *,
    sensitive: bool = False,
    create: bool = False,
) -> Reader:
    """Grant a role the records of these orgs, beside those that it reads already, and return what it may read.

    Args:
        database: The database.
        role: The operator's role.
        orgs: The orgs; ``None`` for all, those of the future included.
        sensitive: Whether it may also read what is hidden from other readers.
        create: Whether to create the role, which can then log in once it has a password.

    Raises:
        UsageError: There is no such role, or no such org.
        DefinitionError: The role could do more than read records, or an operator must act; the message says how.
        TransientError: A table stayed in use.
    """
    with database.connect_fleet() as connection:
        if unknown := [name for (name,) in connection.execute(_UNKNOWN_ORGS, (list(orgs or ()),))]:
            raise UsageError(f"there is no org {unknown[0]}; openfaith-sync org list shows all")
        roles = ensure_reader_roles(connection)
        with connection.transaction():
            _find_or_create(connection, role, create=create)
            if not any(reader.role == role for reader in _load_members(connection, roles)):
                # What an earlier role of this name was granted does not pass to this one.
                connection.execute(_FORGET, (role,))
            wanted = [roles.all if orgs is None else roles.reader, *([roles.sensitive] if sensitive else [])]
            _grant_roles(connection, wanted, role)
            _revoke_roles(connection, [roles.reader if orgs is None else roles.all], role)
            if orgs is None:
                connection.execute(_FORGET, (role,))
            else:
                connection.execute(_ADD, (role, list(orgs)))
            _refuse_what_can_do_more(connection, role, roles)
        return next(reader for reader in _load_members(connection, roles) if reader.role == role)


def revoke_reader(
    database: Database, role: str, orgs: Collection[OrgId] = (), *, sensitive: bool = False
) -> Reader | None:
    """Take from a role what it may read of these orgs, or what is sensitive, or else everything; return what is left.

    Raises:
        UsageError: The role is no reader, or does not read one of the orgs.
    """
    with database.connect_fleet() as connection:
        roles = load_reader_roles(connection)
        found = {reader.role: reader for reader in _load_members(connection, roles)} if roles.exists else {}
        if role not in found:
            raise UsageError(f"{role} was granted nothing; openfaith-sync db grants shows all readers")
        if orgs and found[role].reads_all:
            raise UsageError(f"{role} reads all orgs; to restrict it, grant it the orgs that it may read")
        unread = sorted(set(orgs) - set(found[role].orgs))
        if unread:
            raise UsageError(f"{role} does not read {unread[0]}; it reads {', '.join(found[role].orgs) or 'no org'}")
        with connection.transaction():
            if orgs:
                connection.execute(_FORGET_ORGS, (role, list(orgs)))
            if sensitive:
                _revoke_roles(connection, [roles.sensitive], role)
            if not orgs and not sensitive:
                _revoke_roles(connection, roles.names, role)
                connection.execute(_FORGET, (role,))
        return next((reader for reader in _load_members(connection, roles) if reader.role == role), None)


def list_readers(database: Database) -> list[Reader]:
    """Return who may read what, and which roles have privileges on tables of records but see no row of them."""
    with database.connect_fleet() as connection:
        roles = load_reader_roles(connection)
        granted = _load_members(connection, roles) if roles.exists else []
        known = {reader.role for reader in granted}
        strangers = [name for (name,) in connection.execute(_STRANGERS) if name not in known]
    return [*granted, *(Reader(name, (), False, False, True, is_granted=False) for name in strangers)]


def _load_members(connection: Connection, roles: ReaderRoles) -> list[Reader]:
    parameters = {"reader": roles.reader, "all": roles.all, "sensitive": roles.sensitive}
    found = []
    for name, can_log_in, is_reader, reads_all, reads_sensitive in connection.execute(_MEMBERS, parameters).fetchall():
        # Who is in both roles is restricted by the policy of the first.
        orgs = tuple(OrgId(org) for (org,) in connection.execute(_ORGS, (name,))) if is_reader else ()
        found.append(Reader(name, orgs, reads_all and not is_reader, reads_sensitive, can_log_in))
    return found


def _find_or_create(connection: Connection, role: str, *, create: bool) -> None:
    found = connection.execute(_ROLE, (role,)).fetchone()
    if found is None and not create:
        raise UsageError(f"there is no role {role}; --create creates it, as a login without a password")
    if found is None:
        connection.execute(f"CREATE ROLE {quoted(role)} LOGIN".encode())
    elif not found[1] and connection.info.server_version < _WITH_INHERITANCE:
        raise DefinitionError(f"the role {role} inherits no privileges; as a superuser, run: ALTER ROLE {role} INHERIT")


def _grant_roles(connection: Connection, granted: Iterable[str], role: str) -> None:
    # A reader uses our roles' privileges, and cannot become one of them.
    options = " WITH INHERIT TRUE, SET FALSE" if connection.info.server_version >= SET_OPTION else ""
    for name in granted:
        connection.execute(f"GRANT {quoted(name)} TO {quoted(role)}{options}".encode())


def _revoke_roles(connection: Connection, revoked: Sequence[str], role: str) -> None:
    for name in revoked:
        is_member = "SELECT pg_has_role(%s, %s, 'MEMBER')"
        if fetch_one(connection, is_member, (role, name))[0]:
            connection.execute(f"REVOKE {quoted(name)} FROM {quoted(role)}".encode())


def _refuse_what_can_do_more(connection: Connection, role: str, roles: ReaderRoles) -> None:
    parameters = {"role": role, "sensitive": roles.sensitive}
    (mighty,) = fetch_one(connection, _MIGHT, parameters)
    if mighty:
        raise DefinitionError(
            f"the role {role} is or can become {mighty}, which can do more than read records, so policies would not "
            "restrict it; grant a role of its own"
        )
    found = connection.execute(_OPEN_TABLES, parameters).fetchone()
    if found is not None:
        raise DefinitionError(
            f"the role {role} has privileges on {found[0]} that readers lack, from grants made to it, to PUBLIC or to "
            f'a role that it is in; revoke them first, such as with: REVOKE ALL ON {found[0]} FROM "{role}"'
        )
