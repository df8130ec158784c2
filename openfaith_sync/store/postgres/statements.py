"""A connection's type, and how one row is read."""

from typing import Any, LiteralString, TypeAlias

import psycopg

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


def fetch_one(
    connection: Connection, statement: LiteralString | bytes, parameters: tuple[object, ...] | dict[str, Any]
) -> tuple[Any, ...]:
    """Return the row of a statement that always returns one."""
    row = connection.execute(statement, parameters).fetchone()
    if row is None:
        raise LookupError("the statement returned no row")
    return row
