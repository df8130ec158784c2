"""Edges: the links from a record to others, as includes and nested listings name them."""

from collections.abc import Callable, Iterable, Iterator

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.tables import Row, Table
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS


class RelationshipEdge:
    """A relationship of a table, or a relationship of another table followed backwards."""

    __slots__ = ("is_back", "is_many", "is_owned", "name", "relationship", "source", "target", "wire_type")

    def __init__(self, name: str, source: Table, target: Table, relationship: str, *, is_back: bool) -> None:
        """Follow a relationship of the source table, or one of the target table backwards."""
        self.name, self.source, self.target = name, source, target
        self.relationship, self.is_back = relationship, is_back
        declared = (target if is_back else source).entity.relationships[relationship]
        is_alone = is_back and is_below(target.entity, relationship) and _is_one(target.entity)
        self.is_many = not is_alone if is_back else declared.cardinality == "many"
        self.is_owned = is_back and declared.cardinality == "one"
        """Whether each target row belongs to only one source row."""
        self.wire_type = target.entity.resource if is_back else declared.resource

    def follow(self, row: Row) -> Iterable[int]:
        """Return the ids of the live rows that it leads to."""
        if self.is_back:
            return self.target.back[self.relationship].get(row.id, ())
        reference = self.source.reference(row, self.relationship)
        numbers = reference if isinstance(reference, list) else [reference]
        return [number for number in numbers if isinstance(number, int) and number in self.target.rows]

    def visible(self, row: Row) -> Iterable[int]:
        """Return the ids of the target rows that are already visible to reads."""
        row_ids, hidden = self.follow(row), self.target.hidden
        return [number for number in row_ids if number not in hidden] if hidden else row_ids


class World:
    """All tables of the church, and the edges between them."""

    def __init__(self, entities: Iterable[Entity], now_seconds: int = BASE_SECONDS) -> None:
        """Create the tables, without rows."""
        self.now: Callable[[], int] = lambda: now_seconds
        """Returns the simulated now, in seconds since 1970."""
        self.tables: dict[str, Table] = {entity.name: Table(entity) for entity in entities}
        self._edges = {name: dict(self._find(table)) for name, table in self.tables.items()}

    def edge(self, table: Table, name: str) -> RelationshipEdge | None:
        """Return the edge with this name if it leads to a table."""
        return self._edges[table.entity.name].get(name)

    def edges(self, table: Table) -> Iterable[RelationshipEdge]:
        """Return all edges that start at a table."""
        return self._edges[table.entity.name].values()

    def parents(self, table: Table) -> Table | None:
        """Return the table below whose rows a table's rows are listed."""
        return self.tables.get(table.entity.parent) if table.entity.parent else None

    def parent(self, table: Table, row: Row) -> tuple[Table, Row] | None:
        """Return the row below which a row is listed, and its table."""
        parents, nested = self.parents(table), table.entity.nested
        number = table.reference(row, nested.under) if nested else None
        if parents is None or not isinstance(number, int) or number not in parents.rows:
            return None
        return parents, parents.rows[number]

    def path_value(self, table: Table, row: Row, name: str) -> str:
        """Return the text for a path parameter in the path of a row: an id of the row or of what is above it."""
        if name == "id":
            return str(row.id)
        above = self.parent(table, row)
        if above is None:
            return "0"
        return str(above[1].id) if name == "parent" else self.name_value(*above, name)

    def name_value(self, table: Table, row: Row, name: str) -> str:
        """Return the id of the record that a row refers to by this name, or that something above the row does."""
        if name in table.link_position:
            return str(table.reference(row, name))
        above = self.parent(table, row)
        if above is None:
            return "0"
        return str(above[1].id) if above[0].entity.name == name else self.name_value(*above, name)

    def is_mirror(self, table: Table, name: str) -> bool:
        """Return whether a relationship only repeats which rows exist below a row."""
        edge = self.edge(table, name)
        return edge is not None and edge.is_back and name in table.link_position

    def _find(self, table: Table) -> Iterator[tuple[str, RelationshipEdge]]:
        sideloads = {child: include for include, child in table.entity.sideload.items() if "." not in include}
        for name, declared in table.entity.relationships.items():
            if declared.target in self.tables:
                yield name, RelationshipEdge(name, table, self.tables[declared.target], name, is_back=False)
        for other in self.tables.values():
            relationship = belonging(other.entity, table.entity.name)
            # Each product lists only records of its own.
            if relationship is None or other.entity.path != table.entity.path:
                continue
            mirror, listed = mirror_name(table.entity, other.entity), other.entity.endpoints.list.rsplit("/", 1)[-1]
            back = mirror or sideloads.get(other.entity.name, listed)
            if back not in table.link_position or back == mirror:
                yield back, RelationshipEdge(back, table, other, relationship, is_back=True)


def belonging(entity: Entity, target: str) -> str | None:
    """Return the relationship that best states whom the entity's records belong to."""
    candidates = {name: r for name, r in entity.relationships.items() if r.target == target}
    if entity.nested and entity.nested.under in candidates:
        return entity.nested.under
    # A household has a primary contact but belongs to all its people.
    ranked = sorted(candidates, key=lambda name: (candidates[name].cardinality != "many", candidates[name].nullable))
    return ranked[0] if ranked else None


def is_below(entity: Entity, relationship: str) -> bool:
    """Return whether records of the entity are listed below what this relationship refers to."""
    return entity.nested is not None and entity.nested.under == relationship


def mirror_name(parent: Entity, entity: Entity) -> str | None:
    """Return the parent's relationship that only names the records of the entity that belong to it, if it has one.

    A list of members, such as a household's people, is not one: it names others, and the source keeps it.
    """
    back, nested = belonging(entity, parent.name), entity.nested
    is_nested = nested is not None and entity.parent == parent.name
    if back is None or (is_nested and nested is not None and nested.member is not None):
        return None
    includes = [name for name, child in parent.sideload.items() if child == entity.name]
    names = [*includes, entity.endpoints.list.rsplit("/", 1)[-1]]
    if is_nested and nested is not None and nested.members:
        names.insert(0, nested.members)
    return next((name for name in names if _is_mirror(parent, name, entity, back)), None)


def _is_mirror(parent: Entity, name: str, entity: Entity, back: str) -> bool:
    declared = parent.relationships.get(name)
    if declared is None or declared.target != entity.name:
        return False
    if is_below(entity, back):
        return True
    other = entity.relationships[back]
    # Of two lists that name each other, the source keeps the one that it always sends.
    return declared.cardinality == "many" and (other.cardinality == "one" or (other.always and not declared.always))


def _is_one(entity: Entity) -> bool:
    return entity.nested is not None and entity.nested.one
