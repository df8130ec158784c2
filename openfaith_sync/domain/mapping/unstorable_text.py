"""What PostgreSQL can hold: its text and jsonb know neither U+0000 nor a lone surrogate.

Both are replaced by U+FFFD, the sign for a character that cannot be shown. A
record is worth more than a character that no person typed, so it is not refused.
"""

import json
import re
from typing import Any

import orjson

MAX_DEPTH = 220
"""Levels of nesting that are stored; PostgreSQL and Python both have limits of their own above it."""

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_ESCAPED_NUL = b"\\u0000"


def storable_text(text: str) -> str:
    """Return the text with every character that PostgreSQL refuses replaced."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_json(value: Any) -> bytes:
    """Return the value as JSON that fits a jsonb column, always the same for equal values."""
    try:
        encoded = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    # A lone surrogate; or numbers beyond 64 bits and deep nesting, which only orjson minds.
    except TypeError:
        encoded = b""
    if encoded and _ESCAPED_NUL not in encoded:
        return encoded
    text = json.dumps(_storable(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode()


def storable_values(values: list[object]) -> tuple[tuple[object, ...], bytes]:
    """Return column values that PostgreSQL holds, and a serialisation that tells them apart."""
    try:
        encoded = orjson.dumps(values)
    except TypeError:
        encoded = b""
    if encoded and _ESCAPED_NUL not in encoded:
        return tuple(values), encoded
    storable = tuple(storable_text(value) if type(value) is str else value for value in values)
    return storable, orjson.dumps(storable)


def _storable(value: Any, depth: int = 0) -> Any:
    if type(value) is str:
        return storable_text(value)
    if not isinstance(value, dict | list):
        return value
    if depth == MAX_DEPTH:
        return f"left out: nested deeper than {MAX_DEPTH} levels"
    return (
        _storable_object(value, depth + 1)
        if isinstance(value, dict)
        else [_storable(part, depth + 1) for part in value]
    )


def _storable_object(found: dict[str, Any], depth: int) -> dict[str, Any]:
    storable: dict[str, Any] = {}
    for name, part in sorted(found.items()):
        unique = storable_text(name)
        # Two names may differ only in the replaced characters.
        while unique in storable:
            unique += "\ufffd"
        storable[unique] = _storable(part, depth)
    return storable
