"""Reports for people and notebooks: the status of each org, read-only queries, and typed tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES, CanonicalTable, Column, ColumnType
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.passes import Counts, SyncMode
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schema.query_role import SECRET_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

QUERY_TIMEOUT = timedelta(seconds=30)

_STATUS = """
SELECT key.org_id, key.adapter, key.entity,
       (SELECT count(*) FROM sync.external_links
        WHERE (org_id, adapter, entity) = (key.org_id, key.adapter, key.entity) AND deleted_at IS NULL),
       (SELECT count(*) FROM sync.dead_letters
        WHERE (org_id, adapter, entity) = (key.org_id, key.adapter, key.entity) AND resolved_at IS NULL),
       held.watermark, done.mode, done.created, done.updated, done.unchanged, done.tombstoned, done.dead,
       done.ended_at, done.ended_at - done.started_at, going.pass_id, going.started_at
FROM (SELECT DISTINCT org_id, adapter, entity FROM sync.passes
      WHERE (%(org)s::text IS NULL OR org_id = %(org)s) AND NOT starts_with(entity, '$')) key
LEFT JOIN sync.checkpoints held USING (org_id, adapter, entity)
LEFT JOIN sync.passes done ON done.org_id = held.org_id AND done.pass_id = held.completed_pass_id
LEFT JOIN sync.passes going ON (going.org_id, going.adapter, going.entity) = (key.org_id, key.adapter, key.entity)
  AND going.status = 'open' AND going.parent_pass_id IS NULL
ORDER BY key.org_id, key.adapter, key.entity
"""
_TABLE_OF = """
SELECT canonical_table FROM sync.passes
WHERE org_id = %s AND adapter = %s AND entity = %s AND canonical_table IS NOT NULL ORDER BY pass_id DESC LIMIT 1
"""
_LIVE_ROWS = """
SELECT {columns} FROM openfaith.{table}
WHERE org_id = %(org)s AND deleted_at IS NULL AND id IN (
  SELECT entity_id FROM sync.external_links
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND entity = %(entity)s AND deleted_at IS NULL)
ORDER BY id
"""
_DTYPES = {
    ColumnType.TEXT: "string",
    ColumnType.REFERENCE: "string",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "Int64",
    ColumnType.FLOAT: "Float64",
    ColumnType.DATE: "datetime64[us]",
    ColumnType.TIMESTAMP: "datetime64[us, UTC]",
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
    last_pass: CompletedPass | None
    open_pass_id: int | None
    open_since: datetime | None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def status_rows(database: Database, org: OrgId | None = None) -> list[EntityStatus]:
    """Return the status of every entity that was ever synced, of one org or of all."""
    with database.connect_reading(org) as session:
        return [_status(row) for row in session.execute(_STATUS, {"org": org})]


def _status(row: tuple[Any, ...]) -> EntityStatus:
    org, adapter, entity, live, dead, watermark, mode, *counts, ended_at, duration, open_id, open_since = row
    last = CompletedPass(SyncMode(mode), Counts(*counts), ended_at, duration) if mode else None
    return EntityStatus(org, adapter, entity, live, dead, watermark, last, open_id, open_since)


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


def read_frame(database: Database, org: OrgId, adapter: AdapterName, entity: EntityName) -> "pd.DataFrame":
    """Return an org's live records of one entity as a DataFrame: one row per record, typed columns, ordered by id.

    Raises:
        UsageError: The entity was never synced for this org.
    """
    import pandas as pd  # noqa: PLC0415  importing it takes half a second, which only readers of frames should spend

    with database.connect(org) as session:
        found = session.execute(_TABLE_OF, (org, adapter, entity)).fetchone()
        if found is None:
            raise UsageError(f"{adapter}/{entity} has never been synced for {org}")
        dtypes = _frame_columns(CANONICAL_TABLES[found[0]])
        statement = sql.SQL(_LIVE_ROWS).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, dtypes)), table=sql.Identifier(found[0])
        )
        rows = session.execute(statement, {"org": org, "adapter": adapter, "entity": entity}).fetchall()
    frame = pd.DataFrame.from_records(rows, columns=list(dtypes))
    return frame.astype(dtypes)


def _frame_columns(table: CanonicalTable) -> dict[str, str]:
    """Return each column's dtype, the identity first and the columns shared by all tables last."""
    own = {column.name: _DTYPES[column.type] for column in table.columns}
    identity = (Column("id"), Column("org_id"), Column("type"))
    return {
        **{column.name: _DTYPES[column.type] for column in identity},
        **own,
        "tags": "object",
        "custom_fields": "object",
        "synced_at": _DTYPES[ColumnType.TIMESTAMP],
    }
