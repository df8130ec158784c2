"""What the actions of all apps share, and their register: what a church does, with what the source shows of it."""

from collections.abc import Callable
from typing import Any

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.tables import Row, Table

Json = dict[str, Any]
Action = Callable[..., Json]
"""Changes the church, and returns the ids of what it made."""


def known(table: Table, values: Json) -> Json:
    """Return the values that the entity of the manifest has."""
    return {name: value for name, value in values.items() if name in table.position}


def make(church: SimulatedChurch, entity: str, links: Json, values: Json) -> int | None:
    """Create a record with what the manifest has of these values, and return its id; nothing without the entity."""
    table = church.world.tables.get(entity)
    if table is None:
        return None
    linked = {name: to for name, to in links.items() if name in table.link_position}
    return church.create(entity, known(table, values), linked).id


def state(church: SimulatedChurch, entity: str, number: int, values: Json) -> Row:
    """Set values without a stamp or an event, as the source does where what it says follows from other records."""
    table = church.table(entity)
    return church.change(entity, number, known(table, values), touch=False)


def below(church: SimulatedChurch, entity: str, link: str, number: int) -> list[Row]:
    """Return the records of an entity that refer to a record."""
    table = church.world.tables.get(entity)
    return [table.rows[one] for one in table.back[link].get(number, ())] if table else []


def one_reference(table: Table, row: Row, name: str) -> int:
    """Return the id that a record must refer to.

    Raises:
        UsageError: It refers to none.
    """
    number = table.reference(row, name)
    if not isinstance(number, int):
        raise UsageError(f"{table.entity.name} {row.id} has no {name}")
    return number
