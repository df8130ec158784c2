"""Damage one record of a response wherever it appears, and leave all others intact."""

from collections.abc import Iterator
from typing import Any, Literal

import orjson

DamageKind = Literal[
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

_MARK = "damaged by the simulator"
_RAW = {"half_emoji": b'"A \\ud83d"', "invalid_byte": b'"A \xff"', "nan": b"NaN"}
"""Bytes that no JSON library writes."""


def damage_record(body: bytes, record: str, damage: DamageKind) -> bytes:
    """Return the body with each occurrence of the record (its type and id, as in ``Person/12``) damaged."""
    document: dict[str, Any] = orjson.loads(body)
    for rows, index in _occurrences(document, record):
        rows[index] = _damage(rows[index], damage)
    changed = orjson.dumps(document)
    return changed.replace(orjson.dumps(_MARK), _RAW[damage]) if damage in _RAW else changed


def _occurrences(document: dict[str, Any], record: str) -> Iterator[tuple[Any, Any]]:
    """Yield each place where the record appears: its container, and its key in it."""
    data = document.get("data")
    places: list[tuple[Any, Any]] = [(document, "data")] if isinstance(data, dict) else []
    lists = [rows for rows in (data, document.get("included")) if isinstance(rows, list)]
    places += [(rows, index) for rows in lists for index in range(len(rows))]
    for rows, index in places:
        if f"{rows[index].get('type')}/{rows[index].get('id')}" == record:
            yield rows, index


def _damage(row: dict[str, Any], damage: DamageKind) -> Any:
    attributes: dict[str, Any] = row.get("attributes", {})
    damaged: Any = dict(row)
    match damage:
        case "no_id":
            damaged["id"] = None
        case "text":
            damaged = _MARK
        case "another_type":
            damaged["type"] = "Stranger"
        case "attributes_list":
            damaged["attributes"] = list(attributes.values())
        case "id_number":
            damaged["id"] = int(row["id"])
        case "no_version":
            damaged["attributes"] = {name: value for name, value in attributes.items() if name != "updated_at"}
        case _:
            text = next(name for name, value in attributes.items() if isinstance(value, str) and name[-3:] != "_at")
            damaged["attributes"] = {**attributes, text: _MARK}
    return damaged
