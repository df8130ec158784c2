"""How the API shows each relationship of a record, computed once for all rows."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from openfaith_sync.domain.manifest.attribute import Relationship
from openfaith_sync.simulator.api.routes import single_path
from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Row, Table

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class RelationshipView:
    """How to show one relationship."""

    name: str
    data: Callable[[Row], Any]
    """The resource linkage: a list, an object, or nothing when unset."""
    target_url: Callable[[str], str] | None
    """The URL of a to-one's target; a to-many links to a listing below the record."""

    def link(self, row: Row, own_url: str) -> str | None:
        """Return the related link; nothing when the relationship is unset."""
        if self.target_url is None:
            return f"{own_url}/{self.name}"
        data = self.data(row)
        return None if data is None else self.target_url(data["id"])


class RelationshipViews:
    """Renders relationships under one base URL."""

    def __init__(self, world: World, base_url: str) -> None:
        """Render the relationships of this world."""
        self.world, self._base_url = world, base_url

    def row_url(self, table: Table) -> Callable[[Row], str]:
        """Return the function from a row to its URL, which for a nested row contains its parents."""
        template = self._base_url + single_path(table.entity)
        names = _PLACEHOLDER.findall(template)
        if names == ["id"]:
            before, after = template.split("{id}")
            return lambda row: f"{before}{row.id}{after}"

        def url(row: Row) -> str:
            filled = template
            for name in names:
                filled = filled.replace(f"{{{name}}}", self.world.path_value(table, row, name))
            return filled

        return url

    def way(self, table: Table, name: str) -> RelationshipView:
        """Return how to show the relationship of this name of a table."""
        edge = self.world.edge(table, name)
        if edge is not None and edge.is_back:
            return self._backwards(edge)
        declared = table.entity.relationships.get(name)
        if declared is None:
            # The source offers more includes than the manifest has entities: they are empty here.
            return _empty_many(name) if name.endswith(("s", "data")) else _empty_one(name)
        place = table.link_position[name]
        if declared.cardinality == "many":
            return RelationshipView(name, _to_many(declared.resource, place), None)
        to_one = _to_one(declared, place, self.world.tables)
        return RelationshipView(name, to_one, self._target_url(table, name, edge))

    def deep_way(self, table: Table, first: str, name: str) -> RelationshipView:
        """Return how the source shows, on the primary record, what an include of two levels leads to.

        The records of the second level are listed one first-level record after the other, with repeats.
        """
        edge = self.world.edge(table, first)
        if edge is None:
            return _empty_many(name)
        further = self.way(edge.target, name).data

        def data(row: Row) -> list[Any]:
            found: list[Any] = []
            for number in edge.visible(row):
                beyond = further(edge.target.rows[number])
                found += beyond if isinstance(beyond, list) else [] if beyond is None else [beyond]
            return found

        return RelationshipView(name, data, None)

    def _target_url(self, table: Table, name: str, edge: RelationshipEdge | None) -> Callable[[str], str]:
        if edge is None:
            return lambda identity: self.unmodelled_url(table, name, identity)
        url = self.row_url(edge.target)

        def of_id(identity: str) -> str:
            row = edge.target.find(identity)
            return url(row) if row else self.unmodelled_url(table, name, identity)

        return of_id

    def _backwards(self, edge: RelationshipEdge) -> RelationshipView:
        def many(row: Row) -> Any:
            return [{"type": edge.wire_type, "id": str(number)} for number in edge.visible(row)]

        def one(row: Row) -> Any:
            return next(iter(many(row)), None)

        if edge.is_many:
            return RelationshipView(edge.name, many, None)
        return RelationshipView(edge.name, one, self._target_url(edge.source, edge.name, edge))

    def unmodelled_url(self, table: Table, name: str, identity: str) -> str:
        """Return the URL of a record that no table holds."""
        return f"{self._base_url}{table.entity.path}/{name}s/{identity}"


def _to_many(resource: str, place: int) -> Callable[[Row], Any]:
    def data(row: Row) -> Any:
        reference = row.references[place]
        return [{"type": resource, "id": str(number)} for number in reference] if isinstance(reference, list) else []

    return data


def _to_one(declared: Relationship, place: int, tables: Mapping[str, Table]) -> Callable[[Row], Any]:
    others = [(wire_type, tables[entity]) for wire_type, entity in declared.others.items() if entity in tables]

    def data(row: Row) -> Any:
        reference = row.references[place]
        return None if reference is None else {"type": declared.resource, "id": str(reference)}

    def data_of_several(row: Row) -> Any:
        reference = row.references[place]
        found = data(row)
        if isinstance(reference, int) and reference not in tables[declared.target].rows:
            wire_type = next((wire_type for wire_type, table in others if reference in table.rows), declared.resource)
            found = {"type": wire_type, "id": str(reference)}
        return found

    return data_of_several if others and declared.target in tables else data


def _empty_many(name: str) -> RelationshipView:
    return RelationshipView(name, lambda _row: [], None)


def _empty_one(name: str) -> RelationshipView:
    return RelationshipView(name, lambda _row: None, str)
