"""Ways: one relationship of a record as the wire shows it, worked out once for all rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openfaith_sync.simulator.data.edges import Edge, World
from openfaith_sync.simulator.data.tables import Row, Table


@dataclass(frozen=True, slots=True)
class Way:
    """How to show a relationship."""

    name: str
    data: Callable[[Row], Any]
    """The resource linkage: a list, an object, or nothing when unset."""
    target_url: Callable[[str], str] | None
    """Where a to-one leads to; a to-many leads to a listing below the record."""

    def link(self, row: Row, own_url: str) -> str | None:
        """Return where it leads to; nothing when it is unset."""
        if self.target_url is None:
            return f"{own_url}/{self.name}"
        data = self.data(row)
        return None if data is None else self.target_url(data["id"])


class Ways:
    """Knows every way under one base URL."""

    def __init__(self, world: World, base_url: str) -> None:
        """Lead through this world."""
        self.world, self._base_url = world, base_url

    def url(self, table: Table) -> Callable[[int | str], str]:
        """Return the function from an id to the URL of a record."""
        entity = table.entity
        before, after = f"{self._base_url}{entity.path}{entity.endpoints.get}".split("{id}")
        return lambda identity: f"{before}{identity}{after}"

    def row_url(self, table: Table) -> Callable[[Row], str]:
        """Return the function from a row to its URL, which for a nested one leads by its parent."""
        nested, of_id = table.entity.nested, self.url(table)
        if nested is None:
            return lambda row: of_id(row.id)
        place = table.link_position[nested.under]
        return lambda row: of_id(row.id).replace("{parent}", str(row.references[place]))

    def way(self, table: Table, name: str) -> Way:
        """Return the way of this name out of a table."""
        edge = self.world.edge(table, name)
        if edge is not None and edge.is_back:
            return Way(name, _backwards(edge), None)
        declared = table.entity.relationships.get(name)
        if declared is None:
            # The source knows more includes than the manifest has entities: they lead nowhere here.
            return _empty_many(name) if name.endswith(("s", "data")) else _empty_one(name)
        place = table.link_position[name]
        if declared.cardinality == "many":
            return Way(name, _to_many(declared.resource, place), None)
        target_url = self.url(edge.target) if edge else lambda identity: self.stranger_url(table, name, identity)
        return Way(name, _to_one(declared.resource, place), target_url)

    def stranger_url(self, table: Table, name: str, identity: str) -> str:
        """Return the URL of a record that no table holds."""
        return f"{self._base_url}{table.entity.path}/{name}s/{identity}"


def _backwards(edge: Edge) -> Callable[[Row], Any]:
    return lambda row: [{"type": edge.wire_type, "id": str(number)} for number in edge.shown(row)]


def _to_many(resource: str, place: int) -> Callable[[Row], Any]:
    def data(row: Row) -> Any:
        found = row.references[place]
        return [{"type": resource, "id": str(number)} for number in found] if isinstance(found, list) else []

    return data


def _to_one(resource: str, place: int) -> Callable[[Row], Any]:
    def data(row: Row) -> Any:
        found = row.references[place]
        return None if found is None else {"type": resource, "id": str(found)}

    return data


def _empty_many(name: str) -> Way:
    return Way(name, lambda _row: [], None)


def _empty_one(name: str) -> Way:
    return Way(name, lambda _row: None, str)
