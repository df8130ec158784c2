"""Oddities: one record of an answer as no record should be, wherever it is shown; all others stay right."""

from collections.abc import Iterator
from typing import Any, Literal

import orjson

Odd = Literal[
    "no_id",
    "text",
    "another_type",
    "attributes_list",
    "id_number",
    "no_version",
    "half_emoji",
    "invalid_byte",
    "nan",
]

_MARK = "odd value of the simulator"
_RAW = {"half_emoji": b'"A \\ud83d"', "invalid_byte": b'"A \xff"', "nan": b"NaN"}
"""What no JSON library writes."""


def make_odd(body: bytes, record: str, odd: Odd) -> bytes:
    """Return the body with each occurrence of the record (its type and id, as in ``Person/12``) made odd."""
    document: dict[str, Any] = orjson.loads(body)
    for rows, index in _occurrences(document, record):
        rows[index] = _odd(rows[index], odd)
    changed = orjson.dumps(document)
    return changed.replace(orjson.dumps(_MARK), _RAW[odd]) if odd in _RAW else changed


def _occurrences(document: dict[str, Any], record: str) -> Iterator[tuple[Any, Any]]:
    """Yield where the record stands: what holds it, and under which key."""
    data = document.get("data")
    places: list[tuple[Any, Any]] = [(document, "data")] if isinstance(data, dict) else []
    lists = [rows for rows in (data, document.get("included")) if isinstance(rows, list)]
    places += [(rows, index) for rows in lists for index in range(len(rows))]
    for rows, index in places:
        if f"{rows[index].get('type')}/{rows[index].get('id')}" == record:
            yield rows, index


def _odd(row: dict[str, Any], odd: Odd) -> Any:
    attributes: dict[str, Any] = row.get("attributes", {})
    found: Any = dict(row)
    match odd:
        case "no_id":
            found["id"] = None
        case "text":
            found = _MARK
        case "another_type":
            found["type"] = "Stranger"
        case "attributes_list":
            found["attributes"] = list(attributes.values())
        case "id_number":
            found["id"] = int(row["id"])
        case "no_version":
            found["attributes"] = {name: value for name, value in attributes.items() if name != "updated_at"}
        case _:
            text = next(name for name, value in attributes.items() if isinstance(value, str) and name[-3:] != "_at")
            found["attributes"] = {**attributes, text: _MARK}
    return found
