"""Typed parsing: what a JSON value must be to fill a canonical column, and what becomes of it.

A parser takes any JSON value but null and returns the column's value or raises.
The error says what was expected and never what was found: a value may be private.
"""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeAlias

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType, Parse
from openfaith_sync.domain.manifest.problem import ImpossibleMapping, Key, ManifestProblem
from openfaith_sync.domain.mapping.unstorable_text import storable_json
from openfaith_sync.domain.mapping.vocabulary import TEXT_PARSERS
from openfaith_sync.domain.record_tables import ColumnType

ParseValue: TypeAlias = Callable[[Any], object]
GivesBack: TypeAlias = Callable[[Any, Any], bool]

_INTEGER_BITS, _BIGINT_BITS = 32, 64
"""PostgreSQL's integer and bigint."""


class Refused(SyncError):
    """A value cannot fill its column; the mapping names the field and sets the record aside."""


class Parser(NamedTuple):
    """How an attribute's value becomes a column's."""

    parse: ParseValue
    gives_back: GivesBack
    """Whether what came can be told from what was parsed; if not, it is kept beside it."""


def json_type(value: object) -> str:
    """Return the name of a value's JSON type."""
    return _JSON_TYPES.get(type(value), type(value).__name__)


def is_same(raw: object, parsed: object) -> bool:
    """Return whether a column holds exactly the JSON value that the source sent."""
    return raw == parsed


def is_blank(value: object) -> bool:
    """Return whether the value is blank text, which only a text column accepts."""
    return type(value) is str and not value.strip()


def build_parser(key: Key, attribute: Attribute, column: ColumnType) -> Parser:
    """Return the parser that fills a column of this type from the attribute at a key.

    Raises:
        ImpossibleMapping: No value of the attribute can fill such a column.
    """
    if attribute.parse is Parse.NEGATIVE:
        if attribute.type is not AttributeType.INTEGER:
            raise ImpossibleMapping(ManifestProblem((*key, "parse"), "a whole number", repr(attribute.type.value)))
    elif attribute.parse is not None:
        if attribute.type is not AttributeType.STRING or column is not ColumnType.TEXT or attribute.wire:
            raise ImpossibleMapping(ManifestProblem((*key, "parse"), "text to text", repr(attribute.parse.value)))
        return Parser(_text_parser(TEXT_PARSERS[attribute.parse]), is_same)
    parser = _PARSERS.get((attribute.type, attribute.wire, column))
    if parser is None:
        wire = f" sent as {attribute.wire}" if attribute.wire else ""
        expected = f"a type that can fill a column of type {column.value!r}"
        raise ImpossibleMapping(ManifestProblem((*key, "type"), expected, f"{attribute.type.value!r}{wire}"))
    return Parser(_negative(parser.parse), is_same) if attribute.parse is Parse.NEGATIVE else parser


def parse_text(value: Any) -> str:
    """Return text unchanged, empty text too."""
    if type(value) is str:
        return value
    raise Refused("expected text")


def parse_time(value: Any) -> datetime:
    """Return a time in UTC; a time without a zone is refused."""
    if type(value) is str:
        try:
            parsed = datetime.fromisoformat(value)
            if parsed.tzinfo is UTC:
                return parsed
            if parsed.tzinfo is not None:
                return parsed.astimezone(UTC)
        # The offset may move the time out of the years 1 to 9999.
        except (ValueError, OverflowError):
            pass
    raise Refused("expected a date and time with its zone, in the years 1 to 9999")


def _parse_local_time(value: Any) -> datetime:
    """Return the time that a clock on the wall shows; the time zone in the text is not that of the clock."""
    if type(value) is str and len(value) > len("YYYY-MM-DD"):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=None)
        except ValueError:
            pass
    raise Refused("expected a date and time, in the years 1 to 9999")


def _text_parser(parse: Callable[[str], str | None]) -> ParseValue:
    def parse_one(value: Any) -> str | None:
        return parse(parse_text(value))

    return parse_one


def _parse_key(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    raise Refused("expected an id, as text or number")


def _parse_boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise Refused("expected true or false")


def _parse_boolean_text(value: Any) -> bool | None:
    """Take truth sent as text as well; an empty text is no value and no mistake."""
    if type(value) is not str:
        return _parse_boolean(value)
    if value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise Refused("expected true or false as text")


def _integer_parser(bits: int) -> ParseValue:
    least, greatest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def parse_one(value: Any) -> int:
        # JSON does not distinguish 2 from 2.0.
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is int:
            if least <= value <= greatest:
                return value
            raise Refused(f"expected a whole number of at most {bits} bits")
        raise Refused("expected a whole number")

    return parse_one


def _negative(parse: ParseValue) -> ParseValue:
    def parse_one(value: Any) -> int:
        number = parse(value)
        assert isinstance(number, int)
        return -abs(number)

    return parse_one


def _parse_float(value: Any) -> float:
    if type(value) in {int, float}:
        try:
            parsed = float(value)
        except OverflowError:
            parsed = math.inf
        if math.isfinite(parsed):
            return parsed
    raise Refused("expected a number")


def _number_text(parse: ParseValue, convert: Callable[[str], float]) -> ParseValue:
    """Accept numbers sent as text; empty text counts as no value."""

    def parse_one(value: Any) -> object:
        if type(value) is not str:
            return parse(value)
        if not value:
            return None
        # Python also accepts "1_000" and digits of any script, which no API means.
        if value.isascii() and "_" not in value:
            try:
                converted = convert(value)
            except ValueError:
                pass
            else:
                return parse(converted)
        raise Refused("expected a number as text")

    return parse_one


def _parse_date(value: Any) -> date:
    if type(value) is str:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Refused("expected a date, in the years 1 to 9999")


def _is_plain_date(raw: str, _: object) -> bool:
    """Return whether the text reads YYYY-MM-DD; ISO 8601 also allows weeks and dates without hyphens."""
    return len(raw) == len("YYYY-MM-DD") and raw[4::3] == "--"


def _is_plain_time(raw: str, _: object) -> bool:
    """Return whether the text reads YYYY-MM-DDTHH:MM:SSZ, judged by every third character."""
    return len(raw) == len("YYYY-MM-DDTHH:MM:SSZ") and raw[4::3] == "--T::Z"


def _parse_json(value: Any) -> str:
    """Return any JSON value as text that a jsonb column takes."""
    return storable_json(value).decode()


def _is_number(raw: object, _: object) -> bool:
    """Return whether a number came, which the text of an id tells if the manifest says that ids are numbers."""
    return type(raw) is int


def _is_whole(_: object, __: object) -> bool:
    """Return true: JSON holds all that came as JSON."""
    return True


_TRUTHS: dict[str, bool | None] = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
    "": None,
}

_JSON_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    dict: "object",
    list: "array",
    type(None): "null",
}

_TEXT = Parser(parse_text, is_same)
_KEY = Parser(_parse_key, is_same)
_KEY_NUMBER = Parser(_parse_key, _is_number)
_FLOAT = Parser(_parse_float, is_same)
_INTEGER = _integer_parser(_INTEGER_BITS)
_BIGINT = _integer_parser(_BIGINT_BITS)

_PARSERS: dict[tuple[AttributeType, str | None, ColumnType], Parser] = {
    (AttributeType.STRING, None, ColumnType.TEXT): _TEXT,
    (AttributeType.STRING, "number", ColumnType.TEXT): _KEY_NUMBER,
    (AttributeType.PRIMARY_KEY, None, ColumnType.TEXT): _KEY,
    (AttributeType.PRIMARY_KEY, "number", ColumnType.TEXT): _KEY_NUMBER,
    (AttributeType.BOOLEAN, None, ColumnType.BOOLEAN): Parser(_parse_boolean, is_same),
    (AttributeType.BOOLEAN, "string", ColumnType.BOOLEAN): Parser(_parse_boolean_text, is_same),
    (AttributeType.INTEGER, None, ColumnType.INTEGER): Parser(_INTEGER, is_same),
    (AttributeType.INTEGER, "string", ColumnType.INTEGER): Parser(_number_text(_INTEGER, int), is_same),
    (AttributeType.INTEGER, None, ColumnType.BIGINT): Parser(_BIGINT, is_same),
    (AttributeType.INTEGER, "string", ColumnType.BIGINT): Parser(_number_text(_BIGINT, int), is_same),
    (AttributeType.INTEGER, None, ColumnType.FLOAT): _FLOAT,
    (AttributeType.FLOAT, None, ColumnType.FLOAT): _FLOAT,
    (AttributeType.FLOAT, "string", ColumnType.FLOAT): Parser(_number_text(_parse_float, float), is_same),
    (AttributeType.DATE, None, ColumnType.DATE): Parser(_parse_date, _is_plain_date),
    (AttributeType.DATE_TIME, None, ColumnType.TIMESTAMP): Parser(parse_time, _is_plain_time),
    (AttributeType.LOCAL_DATE_TIME, None, ColumnType.LOCAL_TIMESTAMP): Parser(_parse_local_time, _is_plain_time),
    (AttributeType.CURRENCY, None, ColumnType.TEXT): _TEXT,
    (AttributeType.ARRAY, None, ColumnType.JSON): Parser(_parse_json, _is_whole),
    (AttributeType.JSON, None, ColumnType.JSON): Parser(_parse_json, _is_whole),
}
