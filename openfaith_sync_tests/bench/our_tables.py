"""All SQL of the benchmarks that reads or fills this engine's tables."""

from collections.abc import Sequence

import psycopg

ENTITIES = {"people": "person", "addresses": "address", "emails": "email", "phone_numbers": "phone_number"}
"""The entities that are measured, by the table that they fill, which is also the path of their listing."""

_ROWS = """
SELECT held.external_id AS id, held.updated_at, {columns}
FROM openfaith.{table} AS held {person}
WHERE held.deleted_at IS NULL
"""
_PERSON = "JOIN openfaith.people AS person ON (person.org_id, person.id) = (held.org_id, held.person_id)"

_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
_ID_ENDS = 8


def rows_of(table: str, columns: Sequence[str]) -> str:
    """Return the query for the live rows of one table: the source's id, the time of the last change, these columns.

    ``person_id`` is the source's too, and ``e164`` a phone number as it is kept here.
    """
    own = {"person_id": "person.external_id AS person_id", "e164": "held.number AS e164"}
    shown = ", ".join(own.get(column, f"held.{column}") for column in columns)
    person = _PERSON if "person_id" in columns else ""
    return _ROWS.format(table=table, columns=shown, person=person)


def multiply_org(database_url: str, copies: int) -> int:
    """Copy everything of the one org that is stored to this many others, and return the number of canonical rows."""
    rows = 0
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in (f"openfaith.{name}" for name in ENTITIES):
            columns = [row[0] for row in connection.execute(_COLUMNS, [table])]
            names = ", ".join(f'"{column}"' for column in columns)
            values = ", ".join(map(_copied, columns))
            statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}, generate_series(1, %s) AS copy"
            rows += connection.execute(statement.encode(), [copies]).rowcount
            connection.execute(f"VACUUM (ANALYZE) {table}".encode())
        connection.execute("CHECKPOINT")
    return rows


def _copied(column: str) -> str:
    """Return a column's value in a copy: another org, and ids that no other org has."""
    if column == "org_id":
        return "'crowd-' || copy"
    if column == "id" or (column.endswith("_id") and column != "external_id"):
        return f"left(\"{column}\", -{_ID_ENDS}) || lpad(copy::text, {_ID_ENDS}, '0')"
    return f'"{column}"'
