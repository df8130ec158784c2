"""Custom fields of one org as columns: in a view of its own, and beside a data frame of people.

What the columns are called is kept in ``sync.field_columns``, so that a field that is renamed at its source keeps its
column, whoever asks first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.field_columns import Field, FieldColumn, field_columns, view_name
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.record_tables import CANONICAL_SCHEMA, live_schema
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.changes import literal, quoted
from openfaith_sync.store.schema.reader_roles import open_to_readers

_SCHEMA = live_schema(CANONICAL_SCHEMA)
_FIELDS = """
SELECT id, external_id, name, slug, COALESCE(data_type, 'text'),
       COALESCE(deleted_at, CASE WHEN status <> 'active' THEN COALESCE(inactivated_at, synced_at) END)
FROM openfaith.fields WHERE org_id = %s ORDER BY position NULLS LAST, length(external_id), external_id
"""
_NAMES = "SELECT field_id, column_name FROM sync.field_columns WHERE org_id = %s ORDER BY place"
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('openfaith field columns ' || %s, 0))"
_GIVE = """
INSERT INTO sync.field_columns (org_id, field_id, column_name, place)
SELECT %s, field_id, column_name, %s + place
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS given (field_id, column_name, place)
"""
_VALUES = {
    "double precision": "max(held.value_number)",
    "date": "max(held.value_date)",
    "boolean": "bool_or(held.value_boolean)",
    "text[]": "array_agg(held.value_text ORDER BY choice.position, length(held.external_id), held.external_id)",
    "text": "max(held.value_text)",
}
_UNREAD = "jsonb_object_agg(held.field_id, held.value) FILTER (WHERE NOT held.is_read)"
_FOUND = """
SELECT own.attname, format_type(own.atttypid, own.atttypmod) FROM pg_attribute own
WHERE own.attrelid = to_regclass(%s) AND own.attnum > 0 AND NOT own.attisdropped ORDER BY own.attnum
"""
_ENGINE = "SELECT rolname FROM pg_roles WHERE rolname = 'openfaith_engine_' || left(md5(session_user), 12)"


def name_columns(session: Connection, org: OrgId) -> Sequence[FieldColumn]:
    """Return the columns of an org's fields, and keep the names of those that are new."""
    with session.transaction():
        # Two who name at once would give one name to two fields.
        session.execute(_LOCK, (org,))
        fields = [Field(*row) for row in session.execute(_FIELDS, (org,))]
        names = {row[0]: row[1] for row in session.execute(_NAMES, (org,))}
        now: datetime = fetch_one(session, "SELECT now()", ())[0]
        columns = field_columns(fields, names, now)
        new = [column for column in columns if column.field.id not in names]
        given = ([column.field.id for column in new], [column.name for column in new])
        session.execute(_GIVE, (org, len(names), *given))
    return columns


def values_query(org: OrgId, columns: Sequence[FieldColumn]) -> str:
    """Return the query of an org's fields: a row for each person who has a value, a column for each field."""
    shown = [
        f"{_VALUES[column.type]} FILTER (WHERE held.field_id = {literal(column.field.id)}) AS {quoted(column.name)}"
        for column in columns
    ]
    listed = ",\n  ".join(["held.org_id", "held.person_id", f"{_UNREAD} AS unread", *shown])
    return (
        f"SELECT {listed}\nFROM {_SCHEMA}.field_values_typed held\n"
        "LEFT JOIN openfaith.field_options choice ON choice.org_id = held.org_id AND choice.id = held.option_id\n"
        f"WHERE held.org_id = {literal(org)} AND held.is_current AND held.person_id IS NOT NULL\n"
        "GROUP BY held.org_id, held.person_id"
    )


def make_field_view(database: Database, org: OrgId) -> tuple[str, Sequence[FieldColumn]]:
    """Make or refresh the view of an org's fields, and return its name and its columns.

    Raises:
        UsageError: The org has no fields, or a view that somebody built on it is in the way.
    """
    name = quoted(_SCHEMA, view_name(org))
    with database.connect_fleet() as session, translated():
        columns = name_columns(session, org)
        if not columns:
            raise UsageError(f"{org} has no custom fields; sync them first: openfaith-sync sync {org}")
        made = f"VIEW {name} WITH (security_invoker = true) AS\n{values_query(org, columns)}"
        wanted = [("org_id", "text"), ("person_id", "text"), ("unread", "jsonb")]
        wanted += [(column.name, column.type) for column in columns]
        with session.transaction():
            found = session.execute(_FOUND, (name,)).fetchall()
            if found and found != wanted[: len(found)]:
                _drop(session, name)
            session.execute(f"CREATE OR REPLACE {made}".encode())
            for statement in _comments(name, org, columns):
                session.execute(statement.encode())
            for (engine,) in session.execute(_ENGINE).fetchall():
                session.execute(f"GRANT SELECT ON {name} TO {quoted(engine)}".encode())
        open_to_readers(session)
    return f"{_SCHEMA}.{view_name(org)}", columns


def drop_field_view(database: Database, org: OrgId) -> bool:
    """Drop the view of an org's fields, and return whether there was one; the names of its columns are kept.

    Raises:
        UsageError: A view that somebody built on it is in the way.
    """
    name = quoted(_SCHEMA, view_name(org))
    with database.connect_fleet() as session, translated(), session.transaction():
        if not session.execute(_FOUND, (name,)).fetchall():
            return False
        _drop(session, name)
    return True


def read_fields(session: Connection, org: OrgId) -> tuple[Sequence[FieldColumn], list[tuple[Any, ...]]]:
    """Return the columns of an org's fields, and a row for each person who has a value: the person's id, the values."""
    columns = name_columns(session, org)
    names = ", ".join(quoted(column.name) for column in columns)
    query = f"SELECT {', '.join(filter(None, ('person_id', names)))} FROM ({values_query(org, columns)}) held"  # noqa: S608  as above
    return columns, session.execute(query.encode()).fetchall()


def _drop(session: Connection, name: str) -> None:
    try:
        with session.transaction():
            session.execute(f"DROP VIEW {name}".encode())
    except psycopg.errors.DependentObjectsStillExist as error:
        raise UsageError(
            f"{name} must be made anew, and something depends on it: {error.diag.message_detail}; drop that first"
        ) from None


def _comments(name: str, org: OrgId, columns: Sequence[FieldColumn]) -> Sequence[str]:
    about = f"Custom fields of {org}: a row for each person who has a value. Made by: openfaith-sync fields view {org}"
    said = {
        "org_id": "The church; every statement is bound to one.",
        "person_id": "The person.",
        "unread": "Values that could not be read as their field's type, as they were sent, by the id of the field.",
        **{column.name: f"{column.field.name} ({column.field.data_type}, {column.field.id})." for column in columns},
    }
    comments = [f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(text)}" for column, text in said.items()]
    return [f"COMMENT ON VIEW {name} IS {literal(about)}", *comments]
