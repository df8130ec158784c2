"""Columns that take more than one attribute to fill: a preferred one, or a number's country."""

from collections.abc import Callable
from dataclasses import dataclass

from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType, Parse
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.problem import ImpossibleMapping, ManifestProblem
from openfaith_sync.domain.mapping.phone_numbers import parse_phone
from openfaith_sync.domain.mapping.vocabulary import TEXT_PARSERS, parse_country
from openfaith_sync.domain.record_tables import ColumnType
from openfaith_sync.domain.records.record import JsonObject


@dataclass(frozen=True, slots=True)
class Choice:
    """Fills one column from an attribute or from the one preferred to it."""

    name: str
    place: int
    key: str
    """The attribute's name among the custom fields."""
    parse: Callable[[str, str | None], str | None]
    """Takes the text and the record's country."""
    prefer: str | None
    country: str | None
    """The attribute that names the record's country."""
    extension: int | None = None
    """The place of the column that a telephone number's extension fills."""

    def fill(self, attributes: JsonObject, values: list[object], custom: dict[str, object]) -> list[str]:
        """Choose the column's value, and return the attributes that are no text.

        The attribute leaves the custom fields only when the column gives it back.
        """
        own = _text_of(attributes, self.name)
        chosen = _text_of(attributes, self.prefer) if self.prefer else None
        region = self._region(attributes)
        if chosen and self.is_phone and parse_phone(chosen, None).e164 is None:
            # The source derived it from a number without its area code.
            chosen = None
        if not chosen and own is not None:
            chosen = self.parse(own, region)
        if self.extension is not None and own is not None:
            values[self.extension] = parse_phone(own, region).extension
        values[self.place] = chosen = chosen or own
        unreadable = [name for name in (self.name, self.prefer) if name and _is_no_text(attributes.get(name))]
        if own == chosen and not unreadable:
            custom.pop(self.key, None)
        return unreadable

    @property
    def is_phone(self) -> bool:
        """Return whether the column is a telephone number."""
        return self.parse is _parse_number

    def _region(self, attributes: JsonObject) -> str | None:
        country = attributes.get(self.country) if self.country else None
        return parse_country(country) if type(country) is str else None


def build_choices(entity: Entity, prefix: str) -> tuple[Choice, ...]:
    """Return the choices that an entity of the manifest asks for.

    Raises:
        ImpossibleMapping: Something other than text is to be chosen.
    """
    places = {column.name: (place, column.type) for place, column in enumerate(entity.record_table.columns)}
    country = next((name for name, part in entity.attributes.items() if part.parse is Parse.COUNTRY), None)
    choices = []
    for name, attribute in entity.attributes.items():
        if attribute.to is None or (attribute.prefer is None and attribute.parse is not Parse.PHONE):
            continue
        place, column = places[attribute.to]
        others = [entity.attributes[attribute.prefer]] if attribute.prefer else []
        if column is not ColumnType.TEXT or any(part.type is not AttributeType.STRING for part in (attribute, *others)):
            key = (entity.name, "attributes", name)
            raise ImpossibleMapping(ManifestProblem(key, "text, to choose from and to fill"))
        extension = places[attribute.extension][0] if attribute.extension else None
        choices.append(Choice(name, place, prefix + name, _parser_of(attribute), attribute.prefer, country, extension))
    return tuple(choices)


def _parser_of(attribute: Attribute) -> Callable[[str, str | None], str | None]:
    if attribute.parse is Parse.PHONE:
        return _parse_number
    parse = TEXT_PARSERS[attribute.parse] if attribute.parse else None

    def parse_alone(text: str, _: str | None) -> str | None:
        return parse(text) if parse else text

    return parse_alone


def _parse_number(text: str, region: str | None) -> str | None:
    return parse_phone(text, region).e164


def _text_of(attributes: JsonObject, name: str) -> str | None:
    value = attributes.get(name)
    return value if type(value) is str else None


def _is_no_text(value: object) -> bool:
    return value is not None and type(value) is not str
