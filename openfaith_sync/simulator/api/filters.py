"""Filters: which rows ``where[...]`` matches, including what the source silently ignores."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.simulator.api.query import Where
from openfaith_sync.simulator.api.scopes import is_archived, scope_tests
from openfaith_sync.simulator.api.searches import find_search
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.ordering import LEAST, NUMERIC_TYPES, after, to_number
from openfaith_sync.simulator.data.tables import Row, Table

Test = Callable[[Row], bool]

_ARCHIVE_STATUS = "archive_status"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a listing."""

    test: Test
    name: str = ""
    low: float = LEAST
    high: float = -LEAST
    is_range: bool = False
    """Whether it is equivalent to: the attribute is at least low and below high."""


def _nothing(_row: Row) -> bool:
    return False


def conditions(world: World, table: Table, wheres: tuple[Where, ...], scopes: tuple[str, ...] = ()) -> list[Condition]:
    """Return the conditions that apply.

    A filter that the entity does not have is ignored. Archived records are hidden unless the request asks for
    them (docs/pco.md 1.5).
    """
    known = table.entity.filters
    if _ARCHIVE_STATUS in known and not any(where.name == _ARCHIVE_STATUS for where in wheres):
        wheres = (*wheres, Where(_ARCHIVE_STATUS, "", "not_archived"))
    named = [condition for where in wheres if where.name in known for condition in _condition(world, table, where)]
    asked = frozenset(where.name for where in wheres)
    return named + [Condition(test) for test in scope_tests(table, scopes, asked, world.now())]


def _condition(world: World, table: Table, where: Where) -> Iterator[Condition]:
    if where.name == "id":
        yield Condition(_equals_id(where.value))
    elif where.name in table.position:
        kind = table.entity.attributes[where.name].type
        if kind in NUMERIC_TYPES:
            yield _number_condition(table, where, kind)
        elif not where.operator:
            yield Condition(_equals_text(table.position[where.name], where.value))
    elif _referring(where.name) in table.link_position:
        place = table.link_position[_referring(where.name)]
        yield Condition(lambda row: str(row.references[place]) == where.value)
    elif where.name == _ARCHIVE_STATUS:
        yield from _archive_condition(table, where.value)
    else:
        test = find_search(world, table, where.name, where.value)
        if test is not None:
            yield Condition(test)


def _referring(name: str) -> str:
    """Return the relationship whose target a filter names by its id."""
    return name.removeprefix("account_center_").removesuffix("_id")


def _equals_id(value: str) -> Test:
    return lambda row: str(row.id) == value


def _number_condition(table: Table, where: Where, kind: AttributeType) -> Condition:
    value = to_number(kind, where.value)
    if value is None:
        # A value of the wrong type matches nothing, and is no error.
        return Condition(_nothing)
    above = after(value)
    bounds = {"": (value, above), "gte": (value, -LEAST), "gt": (above, -LEAST)}
    bounds |= {"lt": (LEAST, value), "lte": (LEAST, above)}
    low, high = bounds.get(where.operator, (LEAST, -LEAST))
    place = table.position[where.name]

    def test(row: Row) -> bool:
        number = to_number(kind, row.values[place])
        return number is not None and low <= number < high

    return Condition(test, where.name, low, high, is_range=True)


def _equals_text(place: int, value: str) -> Test:
    if "%" not in value:
        wanted = value.casefold()
        return lambda row: isinstance(row.values[place], str) and row.values[place].casefold() == wanted
    pattern = re.compile(".*".join(map(re.escape, value.split("%"))), re.IGNORECASE | re.DOTALL)
    return lambda row: isinstance(row.values[place], str) and pattern.fullmatch(row.values[place]) is not None


def _archive_condition(table: Table, value: str) -> Iterator[Condition]:
    if value == "only":
        yield Condition(lambda row: is_archived(table, row))
    elif value == "not_archived":
        yield Condition(lambda row: not is_archived(table, row))
