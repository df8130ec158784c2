"""Pages of listings and single records, as complete JSON:API documents."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from openfaith_sync.simulator.api.query import Query
from openfaith_sync.simulator.api.rendering import Renderer
from openfaith_sync.simulator.api.selection import Selection, Selector
from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Row, Table
from openfaith_sync.simulator.data.unmodelled_resources import ORGANIZATION, unmodelled_resource

_EMPTY = frozenset({b"[]", b"{}"})


@dataclass(frozen=True, slots=True)
class Parent:
    """What a listing belongs to: the church, or the record of a nested listing."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Document:
    """The body of a response."""

    body: bytes
    count: int
    """The number of primary records in it."""


class DocumentBuilder:
    """Builds the documents that read a world, under one base URL."""

    def __init__(self, world: World, base_url: str, organization: str, left_out: Collection[str] = ()) -> None:
        """Read from this world; omit these keys when they are empty."""
        self.base_url = base_url
        self.renderer = Renderer(world, base_url, left_out)
        self.organization = Parent(ORGANIZATION, organization)
        self._selector = Selector(world)
        self._abilities: dict[str, dict[str, tuple[str, ...]]] = {}

    def page(self, table: Table, query: Query, path: str) -> Document:
        """Return a page of an entity's listing."""
        return self._page(table, query, path, self._selector.select(table, query), self.organization)

    def nested_page(self, edge: RelationshipEdge, row: Row, query: Query, path: str) -> Document:
        """Return a page of the records that belong to another one."""
        selection = self._selector.select_below(edge, row, query)
        parent = Parent(edge.source.entity.resource, str(row.id))
        return self._page(edge.target, query, path, selection, parent)

    def church(self, root: str) -> Document:
        """Return the church itself, as each product shows it at its root."""
        resource = unmodelled_resource(ORGANIZATION, self.organization.id, self.base_url + root)
        meta = {"parent": _shown(self.organization)}
        return Document(self._join({"data": orjson.dumps(resource), "included": b"[]", "meta": orjson.dumps(meta)}), 1)

    def me(self, query: Query, path: str) -> Document:
        """Return the user whom the credential belongs to, who is not one of the church's records."""
        church = unmodelled_resource(ORGANIZATION, self.organization.id, f"{self.base_url}{path.rsplit('/', 1)[0]}")
        related = {"organization": {"data": {"type": ORGANIZATION, "id": self.organization.id}}}
        user = {
            "type": "Person",
            "id": "1",
            "attributes": {"first_name": "Demo", "last_name": "User", "name": "Demo User"},
            "relationships": related,
            "links": {"self": f"{self.base_url}/people/v2/people/1"},
        }
        meta = {"can_include": ["organization"], "parent": _shown(self.organization)}
        included = [church] if "organization" in query.include else []
        members = {"data": user, "included": included, "meta": meta}
        return Document(self._join({key: orjson.dumps(member) for key, member in members.items()}), 1)

    def single(self, table: Table, row: Row, query: Query, wire_type: str | None = None) -> Document:
        """Return one record, with a link for each of its edges."""
        self.renderer.trim()
        form = self.renderer.form(table, wire_type or table.entity.resource, query.include, dict(query.fields))
        abilities = self._entity_abilities(table).get("can_include")
        meta = _onboarding(table) | ({"can_include": abilities} if abilities else {})
        meta |= {"parent": _shown(self._parent(table, row))}
        members = {"data": form.alone(row), "included": _list(form.included([row.id])), "meta": orjson.dumps(meta)}
        return Document(self._join(members), 1)

    def _join(self, members: Mapping[str, bytes]) -> bytes:
        """Return the document with these members, without the empty ones that are to be omitted."""
        shown = (
            b'"%b":%b' % (key.encode(), value)
            for key, value in members.items()
            if value not in _EMPTY or key not in self.renderer.left_out
        )
        return b"{%b}" % b",".join(shown)

    def _parent(self, table: Table, row: Row) -> Parent:
        nested = table.entity.nested
        if nested is None:
            return self.organization
        return Parent(table.entity.relationships[nested.under].resource, str(table.reference(row, nested.under)))

    def _page(self, table: Table, query: Query, path: str, selection: Selection, parent: Parent) -> Document:
        ids = selection.ids(query.offset, query.offset + query.per_page)
        self.renderer.trim()
        form = self.renderer.form(table, table.entity.resource, query.include, dict(query.fields))
        links, meta = query.frame(self.base_url + path, selection.count, len(ids))
        meta = _onboarding(table) | meta | self._entity_abilities(table) | {"parent": _shown(parent)}
        members = {
            "links": orjson.dumps(links),
            "data": _list(form.bodies(ids)),
            "included": _list(form.included(ids)),
            "meta": orjson.dumps(meta),
        }
        return Document(self._join(members), len(ids))

    def _entity_abilities(self, table: Table) -> dict[str, tuple[str, ...]]:
        entity = table.entity
        abilities = self._abilities.get(entity.name)
        if abilities is None:
            named = {
                "can_order_by": entity.order_by,
                "can_query_by": entity.filters,
                "can_include": entity.includes,
                "can_filter": entity.scopes,
            }
            abilities = self._abilities[entity.name] = {name: keys for name, keys in named.items() if keys}
        return abilities


def _list(parts: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(parts)


def _onboarding(table: Table) -> dict[str, Any]:
    # Only the Groups product sends this, in every document.
    return {"onboarding": False} if table.entity.path.startswith("/groups/") else {}


def _shown(parent: Parent) -> dict[str, str]:
    return {"id": parent.id, "type": parent.type}
