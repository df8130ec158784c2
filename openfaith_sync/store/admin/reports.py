"""Reports for people and notebooks: the status of each org, read-only queries, and typed tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.passes import Counts, SyncMode
from openfaith_sync.domain.record_tables import SYNC_COLUMNS
from openfaith_sync.store.admin.field_views import read_fields
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.passes.leases import key_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one
from openfaith_sync.store.schema.query_role import SECRET_COLUMNS
from openfaith_sync.store.schema.record_tables import EntityTable, known_tables, table_of

if TYPE_CHECKING:
    import pandas as pd

QUERY_TIMEOUT = timedelta(seconds=30)

_STATUS = """
SELECT key.org_id, key.adapter, key.entity,
       COALESCE(stored.live, 0),
       (SELECT count(*) FROM sync.dead_letters
        WHERE (org_id, adapter, entity) = (key.org_id, key.adapter, key.entity) AND resolved_at IS NULL),
       held.watermark, greatest(held.checked_at, held.completed_at),
       done.mode, done.created, done.updated, done.unchanged, done.tombstoned, done.dead,
       done.ended_at, done.ended_at - done.started_at
FROM (SELECT DISTINCT org_id, adapter, entity FROM sync.passes
      WHERE (%(org)s::text IS NULL OR org_id = %(org)s) AND NOT starts_with(entity, '$')) key
LEFT JOIN ({live}) stored USING (org_id, adapter, entity)
LEFT JOIN sync.checkpoints held USING (org_id, adapter, entity)
LEFT JOIN sync.passes done ON done.org_id = held.org_id AND done.pass_id = held.completed_pass_id
ORDER BY key.org_id, key.adapter, key.entity
"""
_LIVE = """
SELECT org_id, adapter, type AS entity, count(*) AS live FROM {table}
WHERE (%(org)s::text IS NULL OR org_id = %(org)s) AND deleted_at IS NULL GROUP BY org_id, adapter, type
"""
_NONE_LIVE = "SELECT NULL::text AS org_id, NULL::text AS adapter, NULL::text AS entity, 0::bigint AS live WHERE false"
_WAS_SYNCED = """
SELECT EXISTS (SELECT FROM sync.passes WHERE org_id = %s AND adapter = %s AND entity = %s)
"""
_LIVE_ROWS = """
SELECT {columns} FROM {table}
WHERE org_id = %(org)s AND adapter = %(adapter)s AND type = %(entity)s AND deleted_at IS NULL ORDER BY id
"""
_COLUMNS = """
SELECT own.attname, format_type(own.atttypid, own.atttypmod)
FROM pg_attribute own
JOIN pg_class held ON held.oid = own.attrelid JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE room.nspname = %(schema)s AND held.relname = %(table)s AND own.attnum > 0 AND NOT own.attisdropped
  AND own.attname <> ALL (%(hidden)s)
ORDER BY own.attnum
"""
_HIDDEN = ("adapter", *SYNC_COLUMNS)
"""Columns that say the same of each row of a frame, or that only a sync needs."""
_DTYPES = {
    "text": "string",
    "boolean": "boolean",
    "integer": "Int64",
    "bigint": "Int64",
    "double precision": "Float64",
    "date": "datetime64[us]",
    "timestamp with time zone": "datetime64[us, UTC]",
    "timestamp without time zone": "datetime64[us]",
}


@dataclass(frozen=True, slots=True)
class CompletedPass:
    """The last completed pass of an entity."""

    mode: SyncMode
    counts: Counts
    ended_at: datetime
    duration: timedelta


@dataclass(frozen=True, slots=True)
class EntityStatus:
    """The status of one entity of one org."""

    org: OrgId
    adapter: AdapterName
    entity: EntityName
    live: int
    """Stored records that are not tombstoned."""
    dead_letters: int
    """Unresolved dead letters."""
    watermark: datetime | None
    asked_at: datetime | None
    """When the source was last asked for changes, or completely read."""
    last_pass: CompletedPass | None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def status_rows(database: Database, org: OrgId | None = None) -> list[EntityStatus]:
    """Return the status of every entity that was ever synced, of one org or of all."""
    with database.connect_reading(org) as session:
        tables = sorted({table.quoted for table in known_tables(session).values()})
        live = " UNION ALL ".join(_LIVE.replace("{table}", table) for table in tables) or _NONE_LIVE
        return [_status(row) for row in session.execute(_STATUS.replace("{live}", live).encode(), {"org": org})]


def _status(row: tuple[Any, ...]) -> EntityStatus:
    org, adapter, entity, live, dead, watermark, asked_at, mode, *counts, ended_at, duration = row
    last = CompletedPass(SyncMode(mode), Counts(*counts), ended_at, duration) if mode else None
    return EntityStatus(org, adapter, entity, live, dead, watermark, asked_at, last)


def run_query(
    database: Database, query: str, parameters: Sequence[object] = (), timeout: timedelta = QUERY_TIMEOUT
) -> QueryResult:
    """Run one read-only statement of a person over all orgs, and return its result.

    It runs as a role that can only read, in a read-only transaction that is always rolled back.

    Args:
        database: The database to query.
        query: The statement; ``%s`` stands for each parameter.
        parameters: Values that are not part of the statement's text.
        timeout: When the server cancels the statement.

    Raises:
        UsageError: The statement is invalid, would write, reads secrets, or takes too long.
        DefinitionError: An operator must create or admit the role for queries; the message says how.
    """
    with database.connect_query() as session:
        session.execute("BEGIN READ ONLY")
        session.execute(f"SET LOCAL statement_timeout = {timeout // timedelta(milliseconds=1)}".encode())
        try:
            # Prepared, since only then does the server refuse a second statement after the first, such as
            # a COMMIT that ends the read-only transaction.
            answer = session.execute(query.encode(), parameters or None, prepare=True)
            if answer.description is None:
                raise UsageError("the query cannot be run: it is a statement that returns no rows")
            return QueryResult(tuple(column.name for column in answer.description), answer.fetchall())
        except psycopg.Error as error:
            raise _refused(error) from error
        finally:
            # Nothing may be left of a statement, whatever it did to the transaction.
            session.close()


def _refused(error: psycopg.Error) -> UsageError:
    said = (error.diag.message_primary or str(error)).strip()
    is_secret = any(said.endswith(f"for table {table}") for table in SECRET_COLUMNS)
    hint = "; some of its columns contain secrets: select the other columns by name" if is_secret else ""
    return UsageError(f"the query cannot be run: {said}{hint}")


def read_rows(database: Database, org: OrgId, statement: str) -> list[dict[str, Any]]:
    """Return the rows that one of our own statements reads of one org, by column."""
    with database.connect(org) as session:
        answer = session.execute(statement.encode())
        names = [column.name for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer]


def read_frame(
    database: Database, org: OrgId, adapter: AdapterName, entity: EntityName, *, fields: bool = False
) -> "pd.DataFrame":
    """Return an org's live records of one entity as a DataFrame: one row per record, typed columns, ordered by id.

    Args:
        database: The database.
        org: The org.
        adapter: The adapter.
        entity: The entity.
        fields: Add a column for each custom field of the org, to an entity of people.

    Raises:
        UsageError: The entity was never synced for this org, or fields are asked for and it is none of people.
    """
    import pandas as pd  # noqa: PLC0415  importing it takes half a second, which only readers of frames should spend

    key = SyncKey(org, adapter, entity)
    with database.connect(org) as session:
        if not fetch_one(session, _WAS_SYNCED, key_parameters(key))[0]:
            raise UsageError(f"{adapter}/{entity} has never been synced for {org}")
        table = table_of(session, key)
        dtypes = _load_dtypes(session, table)
        statement = sql.SQL(_LIVE_ROWS).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, dtypes)), table=sql.Identifier(table.schema, table.name)
        )
        rows = session.execute(statement, {"org": org, "adapter": adapter, "entity": entity}).fetchall()
        if fields and (table.schema, table.name) != ("openfaith", "people"):
            raise UsageError(f"{adapter}/{entity} has no custom fields as columns: only people have")
        columns, values = read_fields(session, org) if fields else ((), [])
    frame = pd.DataFrame.from_records(rows, columns=list(dtypes)).astype(dtypes)
    if not columns:
        return frame
    kinds = {column.name: _DTYPES.get(column.type, "object") for column in columns}
    of_people = pd.DataFrame.from_records(values, columns=["id", *kinds]).astype({"id": "string"})
    return frame.merge(of_people, on="id", how="left").astype(kinds)


def _load_dtypes(session: Connection, table: EntityTable) -> dict[str, str]:
    """Return each column's dtype, in the table's order, without the columns that only a sync needs."""
    columns = session.execute(_COLUMNS, {"schema": table.schema, "table": table.name, "hidden": list(_HIDDEN)})
    return {name: _DTYPES.get(kind, "object") for name, kind in columns}
