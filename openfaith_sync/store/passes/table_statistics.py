"""Update the planner's statistics for tables that have just grown.

Autovacuum gathers statistics a minute or more after a table has grown. Until then PostgreSQL plans as if the
table were nearly empty, and a join of 20,000 people to the ids of a listing took minutes.
"""

from contextlib import suppress

import psycopg
from psycopg import sql

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.store.postgres.statements import Connection
from openfaith_sync.store.schema.record_tables import find_table

LARGE_PASS = 1_000
"""Fewer rows than this are no reason to look at a table again."""
SHARE = 0.1
"""Nor is less than this share of a table; it is the share at which autovacuum analyzes."""

_GREW = """
SELECT room.nspname, held.relname, ARRAY(
         SELECT own.attname::text FROM pg_attribute own
         WHERE own.attrelid = held.oid AND EXISTS (
           SELECT FROM pg_index found WHERE found.indrelid = held.oid AND own.attnum = ANY (found.indkey::int2[])))
FROM pg_class held JOIN pg_namespace room ON room.oid = held.relnamespace
WHERE (room.nspname, held.relname) = (%(schema)s, %(table)s)
  AND %(written)s >= greatest(held.reltuples, 0) * %(share)s
"""
# A table that another session is analyzing is left to it. Only the columns of indexes decide how rows are looked up and
# joined; to sort 30,000 sampled documents of custom fields took a third of the server's time for a first sync.
_ANALYZE = "ANALYZE (SKIP_LOCKED) {} ({})"


def analyze_what_grew(connection: Connection, key: SyncKey, written: int) -> None:
    """Gather statistics of an entity's table if a pass wrote a large part of it.

    Nothing is raised: the pass is complete, with statistics or without.
    """
    # A pass over the inbox writes to the tables of several entities: those are left to autovacuum.
    table = find_table(connection, key) if written >= LARGE_PASS else None
    if table is None:
        return
    parameters = {"schema": table.schema, "table": table.name, "written": written, "share": SHARE}
    # A cancelled statement, or a broken connection, which its next user will notice.
    with suppress(psycopg.OperationalError), connection.transaction():
        # Only a table's owner may do this, and the engine's role owns none; the login does.
        connection.execute("SET LOCAL ROLE NONE")
        for schema, name, columns in connection.execute(_GREW, parameters).fetchall():
            chosen = sql.SQL(", ").join(map(sql.Identifier, columns))
            connection.execute(sql.SQL(_ANALYZE).format(sql.Identifier(schema, name), chosen))
