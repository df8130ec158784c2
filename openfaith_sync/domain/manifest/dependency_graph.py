"""The dependency graph: which entity syncs before which, and why.

Dependencies follow from relationships: a required to-one is hard, a nullable one is soft, and a
to-many adds none. ``depends_on`` in the manifest adds dependencies and overrides derived ones.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from graphlib import TopologicalSorter
from heapq import heapify, heappop, heappush

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.entity import Entity

Entities = Mapping[EntityName, Entity]


class Strength(StrEnum):
    """Whether a dependency is required or preferred."""

    HARD = "hard"
    """The dependency must sync first."""
    SOFT = "soft"
    """The dependency should sync first, if possible."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One dependency of one entity on another."""

    dependent: EntityName
    dependency: EntityName
    strength: Strength
    reason: str


@dataclass(frozen=True, slots=True)
class DroppedEdge:
    """A soft dependency that was dropped because it would close a cycle."""

    edge: Edge
    cycle: tuple[EntityName, ...]
    """Each depends on the next, the last on the first."""

    @property
    def reason(self) -> str:
        """Return why this edge was dropped, and no other one of the cycle."""
        return f"the weakest of the cycle {_format_cycle(self.cycle)}: {self.edge.reason}"


@dataclass(frozen=True)
class DependencyGraph:
    """The entities in the order they sync, without cycles."""

    entities: tuple[EntityName, ...]
    """Each entity after all its dependencies, hard or soft; otherwise in the order of the manifest, those that are
    listed below each parent last."""
    edges: tuple[Edge, ...]
    """Sorted by dependent, then by dependency, in the order of ``entities``."""
    dropped: tuple[DroppedEdge, ...] = ()

    @cached_property
    def hard(self) -> Mapping[EntityName, frozenset[EntityName]]:
        """Return the hard dependencies of each entity."""
        return {
            name: frozenset(edge.dependency for edge in self.edges_of(name) if edge.strength is Strength.HARD)
            for name in self.entities
        }

    @cached_property
    def ranks(self) -> Mapping[EntityName, int]:
        """Return the length of each entity's longest dependency chain; entities of equal rank are independent."""
        ranks: dict[EntityName, int] = {}
        for name in self.entities:
            ranks[name] = max((ranks[edge.dependency] + 1 for edge in self.edges_of(name)), default=0)
        return ranks

    def edges_of(self, entity: EntityName) -> tuple[Edge, ...]:
        """Return the dependencies of one entity."""
        return tuple(edge for edge in self.edges if edge.dependent == entity)

    def among(self, names: Collection[EntityName]) -> "DependencyGraph":
        """Return the part of the graph that has these entities only."""
        return DependencyGraph(
            tuple(name for name in self.entities if name in names),
            tuple(edge for edge in self.edges if edge.dependent in names and edge.dependency in names),
            tuple(one for one in self.dropped if one.edge.dependent in names and one.edge.dependency in names),
        )


def build_graph(adapter_file: AdapterFile, entities: Entities) -> DependencyGraph:
    """Return the graph of all entities of a manifest; ``Manifest.graph`` caches it.

    Raises:
        DefinitionError: Hard dependencies form a cycle; the message names it.
    """
    # Strongest first: an edge that closes a cycle is then its weakest one. Of equally strong
    # edges, the one whose name sorts last is dropped, so that the result is deterministic.
    candidates = sorted(
        _candidate_edges(entities), key=lambda found: (found[0], found[1].dependent, found[1].dependency)
    )
    below: dict[EntityName, set[EntityName]] = {name: set() for name in entities}
    kept: list[Edge] = []
    dropped: list[DroppedEdge] = []
    for _, edge in candidates:
        path = _find_path(below, edge.dependency, edge.dependent)
        if path is None:
            below[edge.dependent].add(edge.dependency)
            kept.append(edge)
        elif edge.strength is Strength.HARD:
            raise DefinitionError(
                f"hard dependencies form the cycle {_format_cycle(path)}; declare one of them soft under 'depends_on'"
            )
        else:
            dropped.append(DroppedEdge(edge, path))
    order = _order(adapter_file, entities, below)
    places = {name: place for place, name in enumerate(order)}
    kept.sort(key=lambda edge: (places[edge.dependent], places[edge.dependency]))
    return DependencyGraph(order, tuple(kept), tuple(dropped))


def _candidate_edges(entities: Entities) -> Iterator[tuple[int, Edge]]:
    """Yield each edge once, with its weakness: 0 for hard, 1 for declared soft, 2 for derived soft."""
    for name, entity in entities.items():
        derived = _derived_edges(entities, name, entity)
        declared = _declared_edges(name, entity)
        for dependency in {**derived, **declared}:
            edge = declared.get(dependency) or derived[dependency]
            weakness = 0 if edge.strength is Strength.HARD else 1 if dependency in declared else 2
            if dependency in entities:
                yield weakness, edge


def _derived_edges(entities: Entities, name: EntityName, entity: Entity) -> dict[EntityName, Edge]:
    """Return the strongest edge to each entity that follows from relationships and sideloads."""
    edges: dict[EntityName, Edge] = {}
    for relationship, part in entity.relationships.items():
        if part.cardinality == "many":
            continue
        targets = set(part.targets.values())
        for target in map(EntityName, sorted(targets)):
            if target == name:
                continue
            if not part.nullable and len(targets) == 1:
                edges[target] = Edge(name, target, Strength.HARD, f"{relationship} is required")
            elif target not in edges:
                why = "may refer to another entity" if len(targets) > 1 else "may be unset"
                edges[target] = Edge(name, target, Strength.SOFT, f"{relationship} {why}")
    for parent, other in entities.items():
        if name in other.sideload.values() and (parent not in edges or edges[parent].strength is Strength.SOFT):
            edges[parent] = Edge(name, parent, Strength.HARD, f"is sideloaded with {parent}")
    return edges


def _declared_edges(name: EntityName, entity: Entity) -> dict[EntityName, Edge]:
    declared = entity.depends_on
    if both := sorted(set(declared.hard) & set(declared.soft)):
        raise DefinitionError(f"{name}.depends_on: found {both[0]!r} as hard and as soft, expected one of them")
    edges = [Edge(name, EntityName(other), Strength.HARD, "declared hard") for other in declared.hard]
    edges += [Edge(name, EntityName(other), Strength.SOFT, "declared soft") for other in declared.soft]
    watch = entity.nested.triggers.watch if entity.nested else None
    if watch is not None and watch not in {*declared.hard, *declared.soft}:
        # What it watches comes first, so that one run reads the lists that changes there make due.
        edges.append(Edge(name, EntityName(watch), Strength.SOFT, "is watched for changes"))
    return {edge.dependency: edge for edge in edges}


def _find_path(
    below: Mapping[EntityName, set[EntityName]], start: EntityName, end: EntityName
) -> tuple[EntityName, ...] | None:
    """Return the path from ``start`` to ``end``, beginning with ``end``; ``None`` if there is none."""
    paths: list[tuple[EntityName, ...]] = [(start,)]
    seen = {start}
    for path in paths:
        if path[-1] == end:
            return (end, *path[:-1])
        for following in sorted(below[path[-1]] - seen):
            seen.add(following)
            paths.append((*path, following))
    return None


def _order(
    adapter_file: AdapterFile, entities: Entities, below: Mapping[EntityName, set[EntityName]]
) -> tuple[EntityName, ...]:
    """Return the topological order closest to the order of the manifest: product by product, as written.

    What costs a request for each parent comes last: a church sees everything else within minutes.
    """
    paths = [product.path for product in adapter_file.products.values()]
    priority = {
        name: (_costs_each_parent(entity), paths.index(entity.path), place)
        for place, (name, entity) in enumerate(entities.items())
    }
    sorter = TopologicalSorter(below)
    sorter.prepare()
    order: list[EntityName] = []
    ready = [(priority[name], name) for name in sorter.get_ready()]
    heapify(ready)
    while ready:
        _, name = heappop(ready)
        order.append(name)
        sorter.done(name)
        for freed in sorter.get_ready():
            heappush(ready, (priority[freed], freed))
    return tuple(order)


def _costs_each_parent(entity: Entity) -> bool:
    return entity.nested is not None and not entity.nested.rides


def _format_cycle(cycle: tuple[EntityName, ...]) -> str:
    return " → ".join((*cycle, cycle[0]))
