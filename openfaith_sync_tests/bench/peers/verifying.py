"""Whether a contender's rows are the church's: a digest over every row of each entity, beside that of the truth."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

import psycopg

from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync_tests.bench import our_tables

_SEPARATOR = "\x1f"
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "people": ("first_name", "last_name", "birthdate", "membership"),
    "addresses": ("street_line_1", "city", "zip", "person_id"),
    "emails": ("address", "location", "person_id"),
    "phone_numbers": ("e164", "location", "person_id"),
}
"""What is compared beside the id and the time of the last change: columns that no contender translates."""

_BARE = """
SELECT id, updated_at, belongs_to AS person_id, {columns} FROM {entity}
"""
_DIGEST = """
SELECT count(*), coalesce(md5(string_agg(line, E'\\n' ORDER BY id COLLATE "C")), '')
FROM (SELECT id::text, concat_ws(E'\\x1f', id, extract(epoch FROM updated_at)::bigint, {columns}) AS line
      FROM ({rows}) AS shaped) AS lines
"""


def _rows(contender: str, entity: str) -> str:
    """Return the query for a contender's rows, in columns of one name for all."""
    columns = _COLUMNS[entity]
    if contender == "bare":
        own = [f"attributes->>'{column}' AS {column}" for column in columns if column != "person_id"]
        return _BARE.format(entity=entity, columns=", ".join(own))
    if contender == "engine":
        return our_tables.rows_of(entity, columns)
    return f"SELECT id, updated_at, {', '.join(columns)} FROM church.{entity}"


def digest_rows(database_url: str, contender: str) -> dict[str, tuple[int, str]]:
    """Return the number of rows of each entity and their digest, as this contender stored them."""
    found = {}
    with psycopg.connect(database_url) as connection:
        for entity, columns in _COLUMNS.items():
            shown = ", ".join(f"coalesce({column}::text, '')" for column in columns)
            statement = _DIGEST.format(columns=shown, rows=_rows(contender, entity))
            row = connection.execute(statement.encode()).fetchone()
            assert row
            found[entity] = row[0], row[1]
    return found


def digest_truth(entity: str, records: Mapping[str, TrueRecord]) -> tuple[int, str]:
    """Return the same of what the simulator holds."""
    lines = []
    for identity in sorted(records):
        record = records[identity]
        values = {**record.attributes, "person_id": record.relationships.get("person")}
        seconds = int(datetime.fromisoformat(record.attributes["updated_at"]).timestamp())
        shown = (values[column] or "" for column in _COLUMNS[entity])
        lines.append(_SEPARATOR.join((identity, str(seconds), *shown)))
    return len(lines), hashlib.md5("\n".join(lines).encode(), usedforsecurity=False).hexdigest()
