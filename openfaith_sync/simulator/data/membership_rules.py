"""Keep membership rows and their parents' member lists and counts consistent."""

from collections.abc import Callable, Collection
from typing import Any

from openfaith_sync.domain.manifest.nested_keys import Nested
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.tables import Reference, Row, Table
from openfaith_sync.simulator.data.validation import numbers

Membership = tuple[int, int | None]
"""The parent of a membership row, and the member if the parent lists its members."""

# The counts that are not called like the listing.
_COUNTS = {
    "plan_person": "plan_people_count",
    "plan_note": "plan_notes_count",
    "form_submission": "submission_count",
    "list_result": "total_people",
    "workflow_card": "total_cards_count",
}

_Create = Callable[[str, dict[str, Any], dict[str, Any]], object]
_Delete = Callable[[str, int], None]
_Set = Callable[[Table, Row, dict[str, Any], dict[str, Reference]], None]


class MembershipRules:
    """Updates membership rows when a list changes, and lists and counts when rows change.

    A household lists its people, and each of them has a membership below it; a
    group only counts its memberships. None of these updates stamps or announces
    a parent.
    """

    def __init__(self, world: World, create: _Create, delete: _Delete, assign: _Set) -> None:
        """Change records through these callables."""
        self._world, self._create, self._delete, self._assign = world, create, delete, assign
        self._below = {
            name: [t for t in world.tables.values() if t.entity.nested and world.parents(t) is table]
            for name, table in world.tables.items()
        }

    def follows_list(self, table: Table, name: str) -> bool:
        """Return whether this relationship of a row is derived from its parent's member list."""
        nested = table.entity.nested
        return nested is not None and nested.members is not None and nested.member == name

    def is_list_alone(self, table: Table, attributes: dict[str, Any], names: Collection[str]) -> bool:
        """Return whether a change only adds or removes members, which the source does not report."""
        lists = {t.entity.nested.members for t in self._below[table.entity.name] if t.entity.nested}
        return not attributes and bool(names) and set(names) <= lists

    def membership(self, table: Table, row: Row) -> Membership | None:
        """Return the parent and member that a row links; nothing for rows that link none."""
        nested = table.entity.nested
        if nested is None:
            return None
        parent = table.reference(row, nested.under)
        member = table.reference(row, nested.member) if nested.member else None
        return (parent, member if isinstance(member, int) else None) if isinstance(parent, int) else None

    def update_parents(self, table: Table, before: Membership | None, after: Membership | None) -> None:
        """Update the parents' lists and counts after a row was created, changed or deleted."""
        nested = table.entity.nested
        parents = self._world.parents(table)
        if nested is None or parents is None or before == after:
            return
        affected = {
            membership[0]: parents.rows[membership[0]]
            for membership in (before, after)
            if membership and membership[0] in parents.rows
        }
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
        """Create and delete rows so that they match these lists of a parent."""
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
        """Copy a record's new name to the rows that repeat it."""
        for other in self._world.tables.values():
            for name, declared in other.entity.relationships.items():
                if other.entity.nested and declared.target == table.entity.name and f"{name}_name" in other.position:
                    for number in list(other.back[name].get(row.id, ())):
                        other.change(other.rows[number], {f"{name}_name": table.value(row, "name")}, {})

    @staticmethod
    def _count(table: Table, parents: Table, parent: Row) -> None:
        nested, name = table.entity.nested, count_name(table, parents)
        if nested and name:
            parents.change(parent, {name: len(table.back[nested.under].get(parent.id, ()))}, {})


def count_name(table: Table, parents: Table) -> str | None:
    """Return the attribute in which a parent counts the rows of a table below it, if it has one."""
    listed = table.entity.endpoints.list.rsplit("/", 1)[-1]
    names = [f"{listed}_count", _COUNTS.get(table.entity.name, "")]
    return next((name for name in names if name in parents.position), None)


def _members(parents: Table, parent: Row, nested: Nested) -> list[int]:
    return list(numbers(parents.reference(parent, nested.members))) if nested.members else []
