"""Edges: the links from a record to others, as includes and nested listings name them."""

from collections.abc import Iterable, Iterator

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.tables import Row, Table


class RelationshipEdge:
    """A relationship of a table, or a relationship of another table followed backwards."""

    __slots__ = ("is_back", "is_many", "is_owned", "name", "relationship", "source", "target", "wire_type")

    def __init__(self, name: str, source: Table, target: Table, relationship: str, *, is_back: bool) -> None:
        """Follow a relationship of the source table, or one of the target table backwards."""
        self.name, self.source, self.target = name, source, target
        self.relationship, self.is_back = relationship, is_back
        declared = (target if is_back else source).entity.relationships[relationship]
        self.is_many = is_back or declared.cardinality == "many"
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

    def __init__(self, entities: Iterable[Entity]) -> None:
        """Create the tables, without rows."""
        self.tables: dict[str, Table] = {entity.name: Table(entity) for entity in entities}
        self._edges = {name: dict(self._find(table)) for name, table in self.tables.items()}

    def edge(self, table: Table, name: str) -> RelationshipEdge | None:
        """Return the edge with this name if it leads to a table."""
        return self._edges[table.entity.name].get(name)

    def edges(self, table: Table) -> Iterable[RelationshipEdge]:
        """Return all edges that start at a table."""
        return self._edges[table.entity.name].values()

    def _find(self, table: Table) -> Iterator[tuple[str, RelationshipEdge]]:
        sideloads = {child: include for include, child in table.entity.sideload.items()}
        for other in self.tables.values():
            relationship = _belonging(other.entity, table.entity.name)
            # An entity that exists only below a parent is listed by its own product alone.
            is_out_of_reach = other.entity.nested is not None and other.entity.path != table.entity.path
            if relationship is not None and not is_out_of_reach:
                name = sideloads.get(other.entity.name) or other.entity.endpoints.list.rsplit("/", 1)[-1]
                yield name, RelationshipEdge(name, table, other, relationship, is_back=True)
        for name, declared in table.entity.relationships.items():
            if declared.target in self.tables:
                yield name, RelationshipEdge(name, table, self.tables[declared.target], name, is_back=False)


def _belonging(entity: Entity, target: str) -> str | None:
    """Return the relationship that best states whom the entity's records belong to."""
    candidates = {name: r for name, r in entity.relationships.items() if r.target == target}
    # A household has a primary contact but belongs to all its people.
    ranked = sorted(candidates, key=lambda name: (candidates[name].cardinality != "many", candidates[name].nullable))
    return ranked[0] if ranked else None
