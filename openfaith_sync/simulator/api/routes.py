"""Routes: what each path stands for, derived from the manifest's endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass

from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Row, Table


@dataclass(frozen=True, slots=True)
class Listing:
    """All records of an entity."""

    table: Table


@dataclass(frozen=True, slots=True)
class Single:
    """One record."""

    table: Table
    row: Row
    wire_type: str | None = None


@dataclass(frozen=True, slots=True)
class NestedListing:
    """The records that belong to one record."""

    edge: RelationshipEdge
    row: Row


@dataclass(frozen=True, slots=True)
class Root:
    """The church itself, as a product shows it."""

    path: str


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The user whom the credential belongs to."""


Route = Listing | Single | NestedListing | Root | CurrentUser


class Router:
    """Finds the route of a path."""

    def __init__(self, world: World, verify_path: str) -> None:
        """Build the routes of all entities of the world."""
        self._world = world
        self._verify_path = verify_path
        # A nested entity has no listing of its own and cannot be read by id alone: it is reached through
        # edges.
        tables = [t for t in world.tables.values() if t.entity.nested is None]
        self._lists = {t.entity.path + t.entity.endpoints.list: t for t in tables}
        self._singles = {
            t.entity.path + t.entity.endpoints.get.split("{id}")[0].rstrip("/"): t
            for t in tables
            if t.entity.endpoints.get
        }
        self._roots = {table.entity.path for table in world.tables.values()}

    def find(self, path: str) -> Route | None:
        """Return the route of a path; nothing if it does not exist, or no longer does."""
        table = self._lists.get(path)
        if table is not None:
            return Listing(table)
        if path == self._verify_path:
            return CurrentUser()
        if path in self._roots:
            return Root(path)
        return self._below(path.split("/"))

    def _below(self, parts: list[str]) -> Route | None:
        """Match ``…/people/1``, ``…/people/1/emails`` and ``…/people/1/emails/2``."""
        for depth, table, row in self._records(parts):
            rest = parts[depth:]
            if not rest:
                return Single(table, row)
            edge = self._world.edge(table, rest[0])
            if edge is None:
                return None
            ids = list(edge.visible(row))
            if len(rest) == 1 and edge.is_many:
                return NestedListing(edge, row)
            if len(rest) == 1 and ids:
                return Single(edge.target, edge.target.rows[ids[0]], edge.wire_type)
            if len(rest) == 2 and rest[1] in map(str, ids):  # noqa: PLR2004  the edge and an id
                return Single(edge.target, edge.target.rows[int(rest[1])])
        return None

    def _records(self, parts: list[str]) -> Iterator[tuple[int, Table, Row]]:
        for depth in range(len(parts), 1, -1):
            table = self._singles.get("/".join(parts[: depth - 1]))
            number = parts[depth - 1]
            row = table.rows.get(int(number)) if table is not None and number.isdecimal() else None
            if table is not None and row is not None and row.id not in table.hidden:
                yield depth, table, row
