"""Parses JSON as sources send it, including JSON that a strict parser rejects.

One text cut inside an emoji, one invalid byte or one NaN makes a document of a hundred
records invalid, and the source would return the same document on every retry. Invalid parts
are replaced or kept as text, so that only one value of one record is affected.
"""

import json
import math
import re

import orjson

MAX_DEPTH = 200
"""Levels of nesting that are parsed; a value nested deeper is kept as JSON text."""

_BYTE_ORDER_MARK = "\ufeff"
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)


class NotANumber(str):
    """The text of a number that neither JSON nor PostgreSQL can hold: NaN, Infinity, 1e999.

    A separate class, so that no parser mistakes it for text that a person typed.
    """

    __slots__ = ()


def parse_json(content: bytes | str) -> object:
    """Return the value of a JSON document, parsed leniently if it is not valid.

    Invalid UTF-8 becomes U+FFFD, a byte-order mark is skipped, control characters in
    strings are kept, and lone surrogates are left for the store to replace. If a key is
    repeated, its last value is used. Integers beyond 64 bits are exact only in documents
    that the strict parser rejects.

    Raises:
        ValueError: The document is not JSON, even when parsed leniently.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return _parse_leniently(_decode(content))


def _decode(content: bytes | str) -> str:
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), errors="replace")
    return text.removeprefix(_BYTE_ORDER_MARK)


def _parse_leniently(text: str) -> object:
    decoder = json.JSONDecoder(
        strict=False, parse_constant=NotANumber, parse_float=_parse_float, parse_int=_parse_integer
    )
    try:
        return decoder.decode(text)
    except RecursionError:
        return decoder.decode(_flatten(text))


def _parse_float(text: str) -> float | NotANumber:
    number = float(text)
    return number if math.isfinite(number) else NotANumber(text)


def _parse_integer(text: str) -> int | NotANumber:
    # Python refuses to convert more than a few thousand digits.
    try:
        return int(text)
    except ValueError:
        return NotANumber(text)


def _flatten(text: str) -> str:
    """Return the document with every value below ``MAX_DEPTH`` levels replaced by its text."""
    parts: list[str] = []
    depth = kept_to = start = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        sign = token[0]
        if sign in "[{":
            if depth == MAX_DEPTH:
                start = token.start()
            depth += 1
        elif sign in "]}":
            depth -= 1
            if depth == MAX_DEPTH:
                parts += (text[kept_to:start], json.dumps(text[start : token.end()]))
                kept_to = token.end()
    if depth > MAX_DEPTH:
        raise ValueError("the document ends inside a value")
    return "".join((*parts, text[kept_to:]))
