"""A batch as statement parameters: one array a column, each in PostgreSQL's own text form.

The driver's own way from a list to an array takes ten times as long (measured:
3 ms a page against 0.1 ms).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import psycopg

from openfaith_sync.domain.dead_letters.replays import ReplayedLetters
from openfaith_sync.domain.mapping.unstorable_text import storable_json, storable_text
from openfaith_sync.domain.passes.passes import Lease, PageCommit
from openfaith_sync.domain.record_tables import RecordTable
from openfaith_sync.domain.records.record import Damage, Record, Rejection

Parameters = dict[str, Any]


def newest_each(records: Iterable[Record]) -> list[Record]:
    """Return every external id once, with its newest version, ordered by external id.

    The order is that of the locks taken, the same in every process: no deadlocks.
    """
    newest: dict[str, Record] = {}
    for record in records:
        kept = newest.get(record.external_id)
        if kept is None or _is_newer(record, kept):
            newest[record.external_id] = record
    return [newest[external_id] for external_id in sorted(newest)]


def record_parameters(records: Sequence[Record]) -> Parameters:
    """Return the parameters ``c0`` … and ``custom`` of ``page_sql.store_records``."""
    rows = [(record.external_id, record.entity_id, record.version, *record.values) for record in records]
    columns = [array_literal(column) for column in zip(*rows, strict=True)]
    hashes = ",".join([f'"\\\\x{record.content_hash.hex()}"' for record in records])
    columns.insert(3, f"{{{hashes}}}")
    parameters: Parameters = {f"c{place}": column for place, column in enumerate(columns)}
    parameters["custom"] = f"[{b','.join([record.custom_fields for record in records]).decode()}]"
    return parameters


def rejection_parameters(rejected: Iterable[Rejection]) -> Parameters:
    """Return the parameters ``c0`` … and ``raw`` of ``page_sql.STORE_DEAD_LETTERS``; each id once, the last."""
    last = {bad.external_id: bad for bad in rejected}.values()
    rows = [
        (
            *map(storable_text, (bad.external_id, bad.field, bad.value_type, bad.reason)),
            bad.parent and storable_text(bad.parent),
            bad.is_whole,
        )
        for bad in last
    ]
    parameters: Parameters = {
        f"c{place}": array_literal(column) for place, column in enumerate(zip(*rows, strict=True))
    }
    parameters["raw"] = f"[{b','.join([storable_json(bad.body) for bad in last]).decode()}]"
    return parameters


def kept_parameters(rejected: Iterable[Rejection], replayed: ReplayedLetters) -> Parameters:
    """Return the parameters of ``page_sql.KEEP_DEAD_LETTERS``; the rejections have the ids of their letters."""
    last = {bad.external_id: bad for bad in rejected}
    return {
        "ids": list(last),
        "fields": [storable_text(bad.field) for bad in last.values()],
        "types": [storable_text(bad.value_type) for bad in last.values()],
        "reasons": [storable_text(bad.reason) for bad in last.values()],
        "occurrences": [replayed.occurrences[letter] for letter in last],
    }


def describe_refusal(table: RecordTable, error: Exception) -> Damage:
    """Return why the database refuses a record, without any value."""
    diagnosis = error.diag if isinstance(error, psycopg.Error) else None
    field = (diagnosis and (diagnosis.column_name or diagnosis.constraint_name)) or "record"
    return Damage(field, table.name, f"the database refuses it: {type(error).__name__}")


def progress_parameters(lease: Lease, page: PageCommit) -> Parameters:
    """Return the parameters of ``page_sql.ADVANCE``."""
    records = page.batches[0].records if page.batches else ()
    until = page.believed_until
    versions = [one.version for one in records if one.version is not None and (until is None or one.version <= until)]
    return {
        "org": lease.key.org,
        "pass": page.pass_id,
        "pages": page.pages,
        "requests": page.requests,
        "waited": page.waited,
        "newest": max(versions, default=None),
        "place": orjson.dumps(page.place.to_json()).decode(),
    }


def _is_newer(record: Record, kept: Record) -> bool:
    return record.version is None or kept.version is None or record.version >= kept.version


def array_literal(column: Sequence[object]) -> str:
    """Return a list as PostgreSQL's text of an array: JSON's, but for the braces and the escapes."""
    text = orjson.dumps(column).decode()
    if "\\" in text:
        return f"{{{','.join([_element(value) for value in column])}}}"
    return f"{{{text[1:-1]}}}"


def _element(value: object) -> str:
    # Only texts hold what JSON escapes, so a column that comes here is one of texts.
    return "null" if value is None else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
