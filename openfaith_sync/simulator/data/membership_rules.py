"""Joining: the rows that say who belongs where, and what their parents say of it, agree."""

from collections.abc import Callable, Collection
from typing import Any

from openfaith_sync.domain.manifest.manifest import Nested
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.tables import Reference, Row, Table
from openfaith_sync.simulator.data.validation import numbers

Bond = tuple[int, int | None]
"""The parent that a row hangs below, and the member it names when the parent lists its members."""

_Create = Callable[[str, dict[str, Any], dict[str, Any]], object]
_Delete = Callable[[str, int], None]
_Set = Callable[[Table, Row, dict[str, Any], dict[str, Reference]], None]


class Joining:
    """Lets rows follow lists, and lists and counts follow rows.

    A household lists its people, and each of them has a membership below it; a
    group only counts its memberships. Nothing of it stamps or announces a parent.
    """

    def __init__(self, world: World, create: _Create, delete: _Delete, assign: _Set) -> None:
        """Change records by these."""
        self._world, self._create, self._delete, self._assign = world, create, delete, assign
        self._below = {
            name: [t for t in world.tables.values() if t.entity.nested and _parents(world, t) is table]
            for name, table in world.tables.items()
        }

    def follows_list(self, table: Table, name: str) -> bool:
        """Say whether this relationship of a row follows from its parent's list."""
        nested = table.entity.nested
        return nested is not None and nested.members is not None and nested.member == name

    def is_list_alone(self, table: Table, attributes: dict[str, Any], names: Collection[str]) -> bool:
        """Say whether a change does nothing but let members join or leave, which the source does not see."""
        lists = {t.entity.nested.members for t in self._below[table.entity.name] if t.entity.nested}
        return not attributes and bool(names) and set(names) <= lists

    def bond(self, table: Table, row: Row) -> Bond | None:
        """Return how a row ties a member to a parent; nothing for rows that tie nobody."""
        nested = table.entity.nested
        if nested is None:
            return None
        parent = table.reference(row, nested.under)
        member = table.reference(row, nested.member) if nested.member else None
        return (parent, member if isinstance(member, int) else None) if isinstance(parent, int) else None

    def settle(self, table: Table, before: Bond | None, after: Bond | None) -> None:
        """Let the parents' lists and counts follow a row that came, changed or went."""
        nested = table.entity.nested
        parents = _parents(self._world, table)
        if nested is None or parents is None or before == after:
            return
        affected = {bond[0]: parents.rows[bond[0]] for bond in (before, after) if bond and bond[0] in parents.rows}
        lists = {number: _members(parents, row, nested) for number, row in affected.items()}
        if before and before[0] in lists:
            lists[before[0]] = [member for member in lists[before[0]] if member != before[1]]
        if after and after[0] in lists and after[1] not in (None, *lists[after[0]]):
            lists[after[0]] = [*lists[after[0]], after[1]]  # type: ignore[list-item]  # None was ruled out
        for number, row in affected.items():
            if nested.members and lists[number] != _members(parents, row, nested):
                self._assign(parents, row, {}, {nested.members: lists[number]})
            self._count(table, parents, row)

    def follow_list(self, parents: Table, parent: Row, names: Collection[str]) -> None:
        """Let rows come and go with the lists of these names of a parent."""
        for table in self._below[parents.entity.name]:
            nested = table.entity.nested
            if nested is None or not nested.member or not nested.members or nested.members not in names:
                continue
            wanted = _members(parents, parent, nested)
            below = table.back[nested.under].get(parent.id, ())
            rows = {number: table.reference(table.rows[number], nested.member) for number in below}
            for number, member in rows.items():
                if member not in wanted:
                    self._delete(table.entity.name, number)
            for member in wanted:
                if member not in rows.values():
                    self._create(table.entity.name, {}, {nested.under: parent.id, nested.member: member})

    def follow_name(self, table: Table, row: Row) -> None:
        """Let rows that repeat someone's name repeat the new one."""
        for other in self._world.tables.values():
            for name, declared in other.entity.relationships.items():
                if other.entity.nested and declared.target == table.entity.name and f"{name}_name" in other.position:
                    for number in list(other.back[name].get(row.id, ())):
                        other.change(other.rows[number], {f"{name}_name": table.value(row, "name")}, {})

    @staticmethod
    def _count(table: Table, parents: Table, parent: Row) -> None:
        nested, name = table.entity.nested, table.entity.endpoints.list.rsplit("/", 1)[-1] + "_count"
        if nested and name in parents.position:
            parents.change(parent, {name: len(table.back[nested.under].get(parent.id, ()))}, {})


def _parents(world: World, table: Table) -> Table | None:
    return world.tables.get(table.entity.parent) if table.entity.parent else None


def _members(parents: Table, parent: Row, nested: Nested) -> list[int]:
    return list(numbers(parents.reference(parent, nested.members))) if nested.members else []
