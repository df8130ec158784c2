"""The ``where[search_...]`` filters of people."""

import re
from collections.abc import Callable, Iterator

from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.ordering import fold
from openfaith_sync.simulator.data.tables import Row, Table

_NAMES = ("first_name", "given_name", "last_name", "nickname")

Test = Callable[[Row], bool]


def find_search(world: World, table: Table, name: str, value: str) -> Test | None:
    """Return the test for a search by name, by e-mail (``..._or_email``) or by phone number."""
    if name == "search_phone_number_e164":
        return lambda row: value in _children(world, table, row, "phone_numbers", "e164")
    tests: list[Test] = []
    if name.startswith("search_name"):
        tests.append(_by_name(table, value))
    if "_email" in name:
        tests.append(lambda row: any(fold(value) in fold(e) for e in _children(world, table, row, "emails", "address")))
    if name.endswith("phone_number"):
        tests.append(_by_digits(world, table, value))
    return (lambda row: any(test(row) for test in tests)) if tests else None


def _by_name(table: Table, value: str) -> Test:
    """Return a test that each word of the search begins a word of the person's names."""
    wanted = fold(value).split()

    def test(row: Row) -> bool:
        words = fold(" ".join(str(table.value(row, name) or "") for name in _NAMES)).split()
        return all(any(word.startswith(prefix) for word in words) for prefix in wanted)

    return test


def _by_digits(world: World, table: Table, value: str) -> Test:
    digits = re.sub(r"\D", "", value)

    def test(row: Row) -> bool:
        numbers = _children(world, table, row, "phone_numbers", "number")
        return bool(digits) and any(re.sub(r"\D", "", number).endswith(digits) for number in numbers)

    return test


def _children(world: World, table: Table, row: Row, edge_name: str, attribute: str) -> Iterator[str]:
    edge = world.edge(table, edge_name)
    for number in edge.follow(row) if edge else ():
        value = edge.target.value(edge.target.rows[number], attribute) if edge else None
        if isinstance(value, str):
            yield value
