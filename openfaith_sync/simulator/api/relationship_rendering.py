"""How the API shows each relationship of a record, computed once for all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Row, Table


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

    def url(self, table: Table) -> Callable[[int | str], str]:
        """Return the function from an id to the URL of a record."""
        entity = table.entity
        before, after = f"{self._base_url}{entity.path}{entity.endpoints.get}".split("{id}")
        return lambda identity: f"{before}{identity}{after}"

    def row_url(self, table: Table) -> Callable[[Row], str]:
        """Return the function from a row to its URL, which for a nested row contains its parent."""
        nested, of_id = table.entity.nested, self.url(table)
        if nested is None:
            return lambda row: of_id(row.id)
        place = table.link_position[nested.under]
        return lambda row: of_id(row.id).replace("{parent}", str(row.references[place]))

    def way(self, table: Table, name: str) -> RelationshipView:
        """Return how to show the relationship of this name of a table."""
        edge = self.world.edge(table, name)
        if edge is not None and edge.is_back:
            return RelationshipView(name, _backwards(edge), None)
        declared = table.entity.relationships.get(name)
        if declared is None:
            # The source offers more includes than the manifest has entities: they are empty here.
            return _empty_many(name) if name.endswith(("s", "data")) else _empty_one(name)
        place = table.link_position[name]
        if declared.cardinality == "many":
            return RelationshipView(name, _to_many(declared.resource, place), None)
        target_url = self.url(edge.target) if edge else lambda identity: self.unmodelled_url(table, name, identity)
        return RelationshipView(name, _to_one(declared.resource, place), target_url)

    def unmodelled_url(self, table: Table, name: str, identity: str) -> str:
        """Return the URL of a record that no table holds."""
        return f"{self._base_url}{table.entity.path}/{name}s/{identity}"


def _backwards(edge: RelationshipEdge) -> Callable[[Row], Any]:
    return lambda row: [{"type": edge.wire_type, "id": str(number)} for number in edge.visible(row)]


def _to_many(resource: str, place: int) -> Callable[[Row], Any]:
    def data(row: Row) -> Any:
        reference = row.references[place]
        return [{"type": resource, "id": str(number)} for number in reference] if isinstance(reference, list) else []

    return data


def _to_one(resource: str, place: int) -> Callable[[Row], Any]:
    def data(row: Row) -> Any:
        reference = row.references[place]
        return None if reference is None else {"type": resource, "id": str(reference)}

    return data


def _empty_many(name: str) -> RelationshipView:
    return RelationshipView(name, lambda _row: [], None)


def _empty_one(name: str) -> RelationshipView:
    return RelationshipView(name, lambda _row: None, str)
