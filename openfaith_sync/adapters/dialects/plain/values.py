"""Normalises values before mapping: what a source sends for "no value" becomes null; times get a time zone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from openfaith_sync.adapters.dialects.plain.documents import value_below
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType
from openfaith_sync.domain.manifest.entity import Entity

ABSENT = object()
"""Marks an attribute that the source did not send, which differs from null."""


class _Place(NamedTuple):
    name: str
    path: str
    attribute: Attribute


class AttributeReader:
    """Reads the attributes of one entity's rows."""

    def __init__(self, entity: Entity, zone: ZoneInfo | None, *, blank_is_missing: bool) -> None:
        """Prepare to read the attributes of an entity; times without a time zone are in ``zone``, if given."""
        self._places = tuple(_Place(name, part.at or name, part) for name, part in entity.attributes.items())
        relationships = ((part.at or name) for name, part in entity.relationships.items() if part.cardinality == "one")
        # The top-level keys that are read; all other keys of a row are kept unchanged.
        self._read = {entity.id, *(place.path for place in self._places), *relationships}
        self._zone, self._blank_is_missing = zone, blank_is_missing

    def read(self, row: Mapping[str, object]) -> dict[str, object]:
        """Return the attributes by name, and all other values of the row under their own keys."""
        found = {key: value for key, value in row.items() if key not in self._read}
        for name, path, attribute in self._places:
            value = row.get(path, ABSENT) if "." not in path else value_below(row, path)
            if value is not ABSENT:
                found[name] = self._value(attribute, value)
        return found

    def _value(self, attribute: Attribute, value: object) -> object:
        if type(value) is not str:
            return value
        if (self._blank_is_missing and not value.strip()) or value in attribute.empty:
            return None
        if attribute.type is AttributeType.DATE_TIME:
            return _moment(value, attribute.format, self._zone) or value
        if attribute.type is AttributeType.LOCAL_DATE_TIME and attribute.format:
            return _local_time(value, attribute.format) or value
        if attribute.type is AttributeType.DATE and attribute.format:
            return _day(value, attribute.format) or value
        return value


def _moment(text: str, form: str | None, zone: ZoneInfo | None) -> str | None:
    """Return a time in UTC as ISO 8601; ``None`` if it already has a time zone, or is not a time.

    In an hour that occurs twice, the first one is assumed: a watermark then looks back too far, never too little.
    """
    try:
        found = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007  below
        if form is None and (found.tzinfo is not None or zone is None):
            return None
        zoned = found if found.tzinfo else found.replace(tzinfo=zone or UTC)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        return None


def _local_time(text: str, form: str) -> str | None:
    try:
        return datetime.strptime(text, form).isoformat()  # noqa: DTZ007  a clock on the wall shows no zone
    except ValueError:
        return None


def _day(text: str, form: str) -> str | None:
    try:
        found: date = datetime.strptime(text, form).date()  # noqa: DTZ007  a day has no zone
    except ValueError:
        return None
    return found.isoformat()
