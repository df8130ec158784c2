"""Create, change, move, merge and delete records as the source does."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.attribute import Relationship
from openfaith_sync.simulator.data.cascades import (
    composed_name,
    demote_others,
    first_values,
    owners,
    repeated_values,
)
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.membership_rules import MembershipRules
from openfaith_sync.simulator.data.tables import Reference, Row, Table
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, to_seconds, to_text
from openfaith_sync.simulator.data.unmodelled_resources import PERSON_MERGER
from openfaith_sync.simulator.data.validation import (
    check_attributes,
    check_needs,
    find_row,
    find_table,
    find_twin,
    is_needed,
    numbers,
    read_references,
)

_TOUCHED = "updated_at"

Action = str
"""What happened to a record: ``created``, ``updated``, ``destroyed``, or a word of its own such as ``refreshed``."""
Announce = Callable[[Action, Table, Row], None]


@dataclass(frozen=True, slots=True)
class _Pointer:
    """A row that references another row."""

    table: Table
    row: Row
    name: str
    declared: Relationship

    @property
    def is_many(self) -> bool:
        """Return whether it references several rows."""
        return self.declared.cardinality == "many"


class SimulatedChurch:
    """Changes a world by the source's rules.

    What changes is stamped with the simulated now: the wall clock in whole
    seconds, but never before the newest stamp so far. A change to an address,
    e-mail or phone number also stamps the person; joining or leaving a household
    stamps nobody; an e-mail that stops being primary is not stamped. Changes that
    are requested are announced, and so are deletions that follow from one; values
    that are only stamped or set as a consequence are not.
    """

    def __init__(self, world: World, clock: Callable[[], float] = time.time, newest: int = BASE_SECONDS) -> None:
        """Manage this world, whose newest stamp is before this time."""
        self.world = world
        self.announce: Announce = lambda _action, _table, _row: None
        """Called for each announced change: after it was made, or just before a record is deleted."""
        self._clock = clock
        self._membership_rules = MembershipRules(world, self.create, self.delete, self._set)
        self._newest_seconds = newest
        world.now = lambda: int(clock())
        self._last_ids = {name: max(table.rows, default=1000) for name, table in world.tables.items()}

    def now(self) -> str:
        """Return the simulated current time."""
        self._newest_seconds = max(self._newest_seconds, int(self._clock()))
        return to_text(self._newest_seconds)

    def table(self, entity: str) -> Table:
        """Return the table of an entity.

        Raises:
            UsageError: No entity has that name.
        """
        return find_table(self.world, entity)

    def row(self, entity: str, number: int) -> Row:
        """Return a live record.

        Raises:
            UsageError: There is no live record with that id.
        """
        return find_row(self.world, entity, number)

    def create(self, entity: str, attributes: dict[str, Any], relationships: dict[str, Any]) -> Row:
        """Create a record with a new id; values that are not passed are null or false."""
        table = self.table(entity)
        check_attributes(table, attributes)
        references = read_references(self.world, table, relationships)
        check_needs(self.world, table, references)
        self._last_ids[entity] += 1
        row = table.add(self._last_ids[entity], first_values(table, self.now()), {})
        self._set(table, row, attributes, references)
        self._membership_rules.update_parents(table, None, self._membership_rules.membership(table, row))
        self._stamp_owner(table, row)
        self.announce("created", table, row)
        return row

    def change(
        self,
        entity: str,
        number: int,
        attributes: dict[str, Any],
        relationships: dict[str, Any] | None = None,
        *,
        touch: bool = True,
    ) -> Row:
        """Change a record's values; without ``touch`` nothing is stamped, as with changes the source does not stamp."""
        table, row = self.table(entity), self.row(entity, number)
        check_attributes(table, attributes)
        references = read_references(self.world, table, relationships or {})
        touch = touch and not self._membership_rules.is_list_alone(table, attributes, references)
        membership = self._membership_rules.membership(table, row)
        if touch:
            self._stamp_owner(table, row)
        self._set(table, row, attributes, references)
        self._membership_rules.update_parents(table, membership, self._membership_rules.membership(table, row))
        if touch:
            self._stamp_owner(table, row)
            if _TOUCHED not in attributes:
                self._stamp(table, row)
            self.announce("updated", table, row)
        return row

    def delete(self, entity: str, number: int) -> None:
        """Delete a record and every record that cannot exist without it."""
        table, row = self.table(entity), self.row(entity, number)
        for pointer in list(self._pointers(entity, number)):
            # What refers to it in two ways may be deleted already, for the other way.
            if pointer.row.id not in pointer.table.rows:
                continue
            if pointer.is_many:
                self._leave(pointer, number)
            elif not is_needed(pointer.table, pointer.name):
                self._set(pointer.table, pointer.row, {}, {pointer.name: None})
            else:
                self.delete(pointer.table.entity.name, pointer.row.id)
        self._stamp_owner(table, row)
        self.announce("destroyed", table, row)
        membership = self._membership_rules.membership(table, row)
        table.remove(row)
        self._membership_rules.update_parents(table, membership, None)

    def merge(self, keep: int, remove: int) -> None:
        """Move everything of one person to another, and delete the first."""
        self.row("person", keep)
        self.row("person", remove)
        if keep == remove:
            raise UsageError("a person cannot be merged with itself")
        for pointer in list(self._pointers("person", remove)):
            if pointer.is_many:
                self._leave(pointer, remove, instead=keep)
            elif self._membership_rules.follows_list(pointer.table, pointer.name):
                continue
            elif is_needed(pointer.table, pointer.name):
                self._take_over(pointer, keep)
            else:
                self._set(pointer.table, pointer.row, {}, {pointer.name: keep})
        # The source announces the two in either order; which one comes first must not depend on chance.
        if (keep + remove) % 2:
            self._announce_merge(keep, remove)
            self.delete("person", remove)
        else:
            self.delete("person", remove)
            self._announce_merge(keep, remove)
        self._stamp(self.table("person"), self.row("person", keep))

    def move(self, entity: str, number: int, relationship: str, to: int | None, *, touch: bool = True) -> None:
        """Make a record belong to another one, through its relationship or by making it the other's only membership."""
        table, row = self.table(entity), self.row(entity, number)
        if relationship in table.link_position:
            self.change(entity, number, {}, {relationship: to}, touch=touch)
            return
        edge = self.world.edge(table, relationship)
        if edge is None or edge.is_owned:
            raise UsageError(f"{entity} has no relationship {relationship!r} to move by")
        declared = edge.target.entity.relationships[edge.relationship]
        for other in list(edge.follow(row)):
            self._leave(_Pointer(edge.target, edge.target.rows[other], edge.relationship, declared), number)
        if to is not None:
            joined = self.row(edge.target.entity.name, to)
            members = edge.target.reference(joined, edge.relationship)
            self._set(edge.target, joined, {}, {edge.relationship: [*numbers(members), number]})

    def _take_over(self, pointer: _Pointer, keep: int) -> None:
        """Reassign a record to another person, unless that person already has an equal one."""
        table, row = pointer.table, pointer.row
        linked = {name: table.reference(row, name) for name in table.links}
        if find_twin(table, linked | {pointer.name: keep}) is None:
            self.change(table.entity.name, row.id, {}, {pointer.name: keep})
        else:
            self.delete(table.entity.name, row.id)

    def _announce_merge(self, keep: int, remove: int) -> None:
        self.create(
            PERSON_MERGER,
            {"person_to_keep_id": keep, "person_to_remove_id": remove},
            {"person_to_keep": keep, "person_to_remove": remove},
        )

    def _pointers(self, entity: str, number: int) -> Iterator[_Pointer]:
        for table in self.world.tables.values():
            for name, declared in table.entity.relationships.items():
                # A merge references a person who no longer exists.
                if table.entity.name != PERSON_MERGER and self._may_refer(declared, entity, number):
                    for other in table.back[name].get(number, ()):
                        yield _Pointer(table, table.rows[other], name, declared)

    def _may_refer(self, declared: Relationship, entity: str, number: int) -> bool:
        """Return whether a relationship that holds this id means a record of this entity.

        Ids are unique by entity only, so of several targets the first that has the id is meant.
        """
        first = self.world.tables.get(declared.target)
        is_of_another = entity in declared.others.values() and (first is None or number not in first.rows)
        return declared.target == entity or is_of_another

    def _leave(self, pointer: _Pointer, number: int, instead: int | None = None) -> None:
        members = numbers(pointer.table.reference(pointer.row, pointer.name))
        left = [member for member in members if member != number]
        if instead is not None and instead not in left:
            left.append(instead)
        self._set(pointer.table, pointer.row, {}, {pointer.name: left})

    def _set(self, table: Table, row: Row, attributes: dict[str, Any], references: dict[str, Reference]) -> None:
        """Change a row, and whatever follows from the change in the same record."""
        table.change(row, repeated_values(self.world, table, references) | attributes, references)
        name = composed_name(table, row, attributes)
        if name:
            table.change(row, name, {})
        if name or "name" in attributes:
            self._membership_rules.follow_name(table, row)
        self._membership_rules.follow_list(table, row, references)
        if attributes.get("primary") is True:
            demote_others(table, row)
        # A timestamp that is set explicitly moves the simulated now.
        self._newest_seconds = max(self._newest_seconds, to_seconds(attributes.get(_TOUCHED)) or 0)

    def _stamp_owner(self, table: Table, row: Row) -> None:
        # Joining or leaving stamps nobody.
        for of_owner, owner in () if table.entity.nested else owners(self.world, table, row):
            self._stamp(of_owner, owner)

    def _stamp(self, table: Table, row: Row) -> None:
        if _TOUCHED in table.position:
            table.change(row, {_TOUCHED: self.now()}, {})
