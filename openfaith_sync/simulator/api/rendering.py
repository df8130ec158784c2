"""Render records to the bytes that are sent, and cache them."""

from collections.abc import Collection, Iterable
from typing import Any

import orjson

from openfaith_sync.simulator.api.relationship_rendering import RelationshipViews
from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Row, Table
from openfaith_sync.simulator.data.unmodelled_resources import unmodelled_resource

_KEPT_FORMS = 400
_KEPT_BYTES = 600_000_000
_PAGES_FOR_PEOPLE = {
    "Person": "https://people.planningcenteronline.com/people/AC",
    "Group": "https://groups.planningcenteronline.com/groups/",
}
_WITH_A_NAMELESS_EDGE = frozenset({"Person"})
"""Recorded of every person that was read alone."""

Fields = dict[str, frozenset[str]]
Found = dict[tuple[str, str], bytes]
"""Included resources by type and id, each once."""


class Form:
    """The rendered records of a table for one wire type, set of includes and set of fields."""

    def __init__(
        self, renderer: "Renderer", table: Table, wire_type: str, includes: tuple[str, ...], fields: Fields
    ) -> None:
        self._renderer, self._table, self._wire_type = renderer, table, wire_type
        self._bodies: dict[int, bytes] = {}
        self._owned: dict[tuple[str, int], bytes] = {}
        self._fields = fields.get(wire_type)
        self._shown = [(n, p) for n, p in table.position.items() if self._is_shown(n)]
        # What the manifest never stores is sent all the same.
        self._dropped = [n for n in table.entity.drop if n not in table.position and self._is_sent(n)]
        branches = _branches(includes, table.entity.includes)
        self._branches = branches
        self._url, self._page = renderer.relationships.row_url(table), _PAGES_FOR_PEOPLE.get(wire_type)
        always = [name for name, declared in table.entity.relationships.items() if declared.always]
        always = [name for name in always if name not in _unnamed_parent(table)]
        self._plain_relationships = [
            renderer.relationships.way(table, n) for n in always if n not in branches and self._is_sent(n)
        ]
        self._linked_relationships = [renderer.relationships.way(table, n) for n in branches if self._is_sent(n)]
        self._deep_relationships = [
            renderer.relationships.deep_way(table, name, further)
            for name, deeper in branches.items()
            for further in dict.fromkeys(path.split(".")[0] for path in deeper)
            if self._is_sent(further)
        ]
        self._leads: list[tuple[RelationshipEdge, Form, bool]] = []
        for name, deeper in branches.items():
            edge = renderer.world.edge(table, name)
            if edge is not None:
                target = renderer.form(edge.target, edge.wire_type, deeper, fields)
                # Rows that several others may include must be deduplicated; the others are cached
                # joined.
                self._leads.append((edge, target, edge.is_owned and not any(branches.values())))

    def bodies(self, ids: Iterable[int]) -> list[bytes]:
        """Return the bytes of these rows."""
        kept, rows = self._bodies, self._table.rows
        return [kept.get(number) or self._render(rows[number]) for number in ids]

    def body(self, row: Row) -> bytes:
        """Return the bytes of a row without caching them."""
        return self._render_with(row, self._short_links(self._url(row), row))

    def included(self, ids: list[int]) -> list[bytes]:
        """Return the bytes of everything that these rows include, without repeats."""
        bodies: list[bytes] = []
        for edge, target, is_joined in self._leads:
            if is_joined:
                bodies += filter(None, [self._joined(edge, target, number) for number in ids])
        found: Found = {}
        self._collect(ids, found, is_joined_apart=True)
        return bodies + list(found.values())

    def forget(self, number: int) -> None:
        """Drop a row's cached bytes."""
        self._bodies.pop(number, None)
        for name in self._branches:
            self._owned.pop((name, number), None)

    def alone(self, row: Row) -> bytes:
        """Return the bytes of a record that is read alone, with a link for each of its edges."""
        own, relationships = self._url(row), self._renderer.relationships
        links: dict[str, str | None] = {"": f"{own}/"} if self._wire_type in _WITH_A_NAMELESS_EDGE else {}
        links |= {
            name: relationships.way(self._table, name).link(row, own) for name in sorted(self._table.entity.edges)
        }
        return self._render_with(row, links | self._short_links(own, row))

    def _is_sent(self, name: str) -> bool:
        return self._fields is None or name in self._fields

    def _is_shown(self, name: str) -> bool:
        if self._fields is not None:
            return name in self._fields
        return not self._table.entity.attributes[name].sparse

    def _joined(self, edge: RelationshipEdge, target: "Form", number: int) -> bytes:
        key = (edge.name, number)
        joined = self._owned.get(key)
        if joined is None:
            # Cached only here: a second copy of each child would double the memory.
            children = map(edge.target.rows.__getitem__, edge.visible(self._table.rows[number]))
            joined = self._owned[key] = b",".join([target.body(child) for child in children])
            self._renderer.kept_bytes += len(joined)
        return joined

    def _collect(self, ids: Iterable[int], found: Found, *, is_joined_apart: bool = False) -> None:
        ids = list(ids)
        for edge, target, is_joined in self._leads:
            if is_joined and is_joined_apart:
                continue
            rows = self._table.rows
            children = list(dict.fromkeys(child for number in ids for child in edge.visible(rows[number])))
            for child, body in zip(children, target.bodies(children), strict=True):
                found.setdefault((edge.wire_type, str(child)), body)
            target._collect(children, found)  # noqa: SLF001  the same class, one level deeper
        for name in self._branches:
            self._collect_unmodelled(name, ids, found)

    def _collect_unmodelled(self, name: str, ids: Iterable[int], found: Found) -> None:
        declared = self._table.entity.relationships.get(name)
        if declared is None or self._renderer.world.edge(self._table, name) is not None:
            return
        for number in ids:
            identity = self._table.reference(self._table.rows[number], name)
            if identity is not None:
                url = self._renderer.relationships.unmodelled_url(self._table, name, str(identity))
                resource = unmodelled_resource(declared.resource, str(identity), url)
                found.setdefault((declared.resource, str(identity)), orjson.dumps(resource))

    def _render(self, row: Row) -> bytes:
        body = self.body(row)
        # What an include of two levels shows changes with rows that are two steps away.
        if not self._deep_relationships:
            self._bodies[row.id] = body
            self._renderer.kept_bytes += len(body)
        return body

    def _render_with(self, row: Row, links: dict[str, str | None]) -> bytes:
        values = row.values
        relationships: dict[str, Any] = {way.name: {"data": way.data(row)} for way in self._plain_relationships}
        if self._linked_relationships:
            own = self._url(row)
            for way in self._linked_relationships:
                relationships[way.name] = {"links": {"related": way.link(row, own)}, "data": way.data(row)}
            for way in self._deep_relationships:
                data = way.data(row)
                if data:
                    relationships[way.name] = {"links": {"related": None}, "data": data}
        record: dict[str, Any] = {
            "type": self._wire_type,
            "id": str(row.id),
            "attributes": {name: values[place] for name, place in self._shown}
            | {name: f"{name} of {row.id}" for name in self._dropped},
            "relationships": relationships,
            "links": links,
        }
        for name in self._renderer.left_out.intersection(record):
            if not record[name]:
                del record[name]
        # orjson leaves its result in an output buffer of 4 KiB or more; a copy takes only the size of its
        # text.
        return bytes(memoryview(orjson.dumps(record)))

    def _short_links(self, own: str, row: Row) -> dict[str, str | None]:
        return {"self": own, "html": f"{self._page}{row.id}"} if self._page else {"self": own}


class Renderer:
    """The rendered records of one world under one base URL, for every recently used combination."""

    def __init__(self, world: World, base_url: str, left_out: Collection[str]) -> None:
        """Watch the world so that changed rows are rendered again; omit these keys when they are empty."""
        self.left_out = frozenset(left_out)
        self.world, self.relationships = world, RelationshipViews(world, base_url)
        self._forms: dict[tuple[object, ...], Form] = {}
        self._of_table: dict[str, list[Form]] = {name: [] for name in world.tables}
        self.kept_bytes = 0
        for table in world.tables.values():
            table.watchers.append(self._watcher(table))

    def form(self, table: Table, wire_type: str, includes: tuple[str, ...], fields: Fields) -> Form:
        """Return the rendered records of a table for this combination."""
        key = (table.entity.name, wire_type, includes, tuple(fields.items()))
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = Form(self, table, wire_type, includes, fields)
            self._of_table[table.entity.name].append(form)
        return form

    def trim(self) -> None:
        """Drop everything rendered if it grows too large: only between requests, since forms reference each other."""
        if len(self._forms) > _KEPT_FORMS or self.kept_bytes > _KEPT_BYTES:
            self._forms.clear()
            for forms in self._of_table.values():
                forms.clear()
            self.kept_bytes = 0

    def _watcher(self, table: Table) -> Any:
        def forget(row: Row) -> None:
            for form in own:
                form.forget(row.id)
            for edge in edges:
                forms = self._of_table[edge.target.entity.name]
                for number in edge.follow(row) if forms else ():
                    for form in forms:
                        form.forget(number)

        own, edges = self._of_table[table.entity.name], list(self.world.edges(table))
        return forget


def _unnamed_parent(table: Table) -> set[str]:
    """Return the relationship that a nested record shows only in its own URL.

    If the parent lists its members, the record does not name the parent again.
    """
    nested = table.entity.nested
    return {nested.under} if nested and nested.members else set()


def _branches(includes: tuple[str, ...], known: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return the first segments of include paths, each with the rest of its paths."""
    branches: dict[str, tuple[str, ...]] = {}
    for path in includes:
        first, _, rest = path.partition(".")
        if first in known:
            branches[first] = branches.get(first, ()) + ((rest,) if rest else ())
    return branches
