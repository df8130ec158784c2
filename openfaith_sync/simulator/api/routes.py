"""Routes: what each path stands for, derived from the manifest's endpoints."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Row, Table

_UNDER = "/"


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


@dataclass(slots=True)
class _Node:
    """What may follow a part of a path: texts, or any id."""

    texts: dict[str, "_Node"] = field(default_factory=dict)
    ids: "_Node | None" = None
    lists: "_Template | None" = None
    """The listing that ends here."""
    gets: "_Template | None" = None
    """The records that end here."""


@dataclass(frozen=True, slots=True)
class _Template:
    """The path of an entity's listing or of one record, and what its ids stand for."""

    table: Table
    names: tuple[str, ...]


class Router:
    """Finds the route of a path."""

    def __init__(self, world: World, verify_path: str) -> None:
        """Build the routes of all entities of the world."""
        self._world = world
        self._verify_path = verify_path
        self._start = _Node()
        self._roots = {table.entity.path for table in world.tables.values()}
        self._below = {
            name: RelationshipEdge("", parents, table, table.entity.nested.under, is_back=True)
            for name, table in world.tables.items()
            if table.entity.nested and (parents := world.parents(table))
        }
        for table in world.tables.values():
            entity, listing = table.entity, table.entity.path + table.entity.endpoints.list
            node, names = self._make(listing)
            node.lists = node.lists or _Template(table, names)
            # A record below another one can be read at its listing's path too, whatever else the manifest says.
            if entity.endpoints.get or entity.nested:
                node, names = self._make(single_path(entity))
                node.gets = node.gets or _Template(table, names)

    def find(self, path: str) -> Route | None:
        """Return the route of a path; nothing if it does not exist, or no longer does."""
        if path == self._verify_path:
            return CurrentUser()
        parts = path.strip(_UNDER).split(_UNDER)
        for node, ids in self._walk(self._start, parts):
            route = self._list(node.lists, ids) or self._single(node.gets, ids)
            if route is not None:
                return route
        root = path.rstrip(_UNDER)
        return Root(root) if root in self._roots else self._follow(parts)

    def _make(self, template: str) -> tuple[_Node, tuple[str, ...]]:
        node, names = self._start, []
        for part in template.strip(_UNDER).split(_UNDER):
            if part.startswith("{"):
                names.append(part[1:-1])
                node.ids = node.ids or _Node()
                node = node.ids
            else:
                node = node.texts.setdefault(part, _Node())
        return node, tuple(names)

    def _walk(self, node: _Node, parts: list[str]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
        """Yield the ends of a path, texts before ids, each with the ids on the way."""
        if not parts:
            yield node, ()
            return
        text = node.texts.get(parts[0])
        if text is not None:
            yield from self._walk(text, parts[1:])
        if node.ids is not None:
            for end, ids in self._walk(node.ids, parts[1:]):
                yield end, (parts[0], *ids)

    def _list(self, template: _Template | None, ids: tuple[str, ...]) -> Route | None:
        if template is None:
            return None
        table = template.table
        if table.entity.nested is None:
            row = next(iter(table.rows.values()), None) if table.entity.singleton else None
            return Single(table, row) if row else Listing(table)
        edge, values = self._below.get(table.entity.name), dict(zip(template.names, ids, strict=True))
        if edge is None:
            return None
        for parent in self._parents(edge.source, values):
            others = ((name, value) for name, value in values.items() if name != "parent")
            if all(self._world.name_value(edge.source, parent, name) == value for name, value in others):
                return self._at(edge, parent)
        return None

    @staticmethod
    def _parents(parents: Table, values: dict[str, str]) -> list[Row]:
        """Return the parent that a path names, or those that belong to what it names instead."""
        if "parent" in values:
            rows = [parents.find(values["parent"])]
        else:
            back = next((parents.back[name] for name in values if name in parents.back), {})
            above = next((int(value) for value in values.values() if value.isdecimal()), 0)
            rows = [parents.rows[number] for number in back.get(above, ())]
        return [row for row in rows if row is not None and row.id not in parents.hidden]

    def _single(self, template: _Template | None, ids: tuple[str, ...]) -> Single | None:
        if template is None:
            return None
        table, values = template.table, dict(zip(template.names, ids, strict=True))
        if "id" not in values:
            return None
        row = table.find(values["id"])
        if row is None or row.id in table.hidden:
            return None
        is_there = all(self._world.path_value(table, row, name) == value for name, value in values.items())
        return Single(table, row) if is_there else None

    def _follow(self, parts: list[str]) -> Route | None:
        """Match ``…/people/1/emails`` and ``…/people/1/emails/2``: what a record's own edges lead to."""
        for depth in range(len(parts) - 1, 1, -1):
            for node, ids in self._walk(self._start, parts[:depth]):
                single = self._single(node.gets, ids)
                if single is not None:
                    return self._beyond(single, parts[depth:])
        return None

    def _beyond(self, single: Single, rest: list[str]) -> Route | None:
        edge = self._world.edge(single.table, rest[0])
        if edge is None:
            return None
        if len(rest) == 1:
            return self._at(edge, single.row)
        ids = list(edge.visible(single.row))
        if not edge.is_many:
            return self._beyond(Single(edge.target, edge.target.rows[ids[0]]), rest[1:]) if ids else None
        row = edge.target.find(rest[1])
        if row is None or row.id not in ids:
            return None
        found = Single(edge.target, row)
        return self._beyond(found, rest[2:]) if rest[2:] else found

    @staticmethod
    def _at(edge: RelationshipEdge, row: Row) -> Route | None:
        """Return what an edge leads to: a listing, or the one record."""
        if edge.is_many:
            return NestedListing(edge, row)
        ids = list(edge.visible(row))
        return Single(edge.target, edge.target.rows[ids[0]], edge.wire_type) if ids else None


def single_path(entity: Entity) -> str:
    """Return the path of one record of an entity, with path parameters."""
    if entity.singleton:
        return entity.path + entity.endpoints.list.rstrip(_UNDER)
    below = entity.endpoints.list if entity.nested and entity.nested.one else f"{entity.endpoints.list}/{{id}}"
    return entity.path + (entity.endpoints.get or below)
