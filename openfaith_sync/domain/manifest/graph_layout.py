"""Lays out the graph for drawing: one column per rank, with rows ordered to reduce crossings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, Edge

LayoutNode: TypeAlias = EntityName | tuple[EntityName, EntityName, int]
"""An entity, or a waypoint of an edge that passes through a column."""

_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """One column per rank, with its nodes from top to bottom."""

    columns: tuple[tuple[LayoutNode, ...], ...]
    paths: Mapping[Edge, tuple[LayoutNode, ...]]
    """The nodes that each edge passes through, from the dependency to its dependent."""


def lay_out(graph: DependencyGraph) -> Layout:
    """Return the column and row of each entity, and the path of each edge."""
    ranks = dict(graph.ranks)
    columns: list[list[LayoutNode]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name, rank in ranks.items():
        columns[rank].append(name)
    paths: dict[Edge, tuple[LayoutNode, ...]] = {}
    for edge in graph.edges:
        between = range(ranks[edge.dependency] + 1, ranks[edge.dependent])
        passed: list[LayoutNode] = [(edge.dependency, edge.dependent, rank) for rank in between]
        for rank, node in zip(between, passed, strict=True):
            columns[rank].append(node)
        paths[edge] = (edge.dependency, *passed, edge.dependent)
    steps = [step for path in paths.values() for step in pairwise(path)]
    return Layout(_reduce_crossings([tuple(column) for column in columns], steps), paths)


def _reduce_crossings(
    columns: list[tuple[LayoutNode, ...]], steps: Sequence[tuple[LayoutNode, LayoutNode]]
) -> tuple[tuple[LayoutNode, ...], ...]:
    """Return columns ordered by their neighbours' rows, sweeping in both directions; the best order is kept."""
    best, fewest = list(columns), _count_crossings(columns, steps)
    for sweep in range(_SWEEPS):
        is_forward = sweep % 2 == 0
        pairs = steps if is_forward else [(after, before) for before, after in steps]
        for place in range(len(columns)) if is_forward else reversed(range(len(columns))):
            columns[place] = _by_neighbours(columns, place, pairs)
        if (crossings := _count_crossings(columns, steps)) < fewest:
            best, fewest = list(columns), crossings
    return tuple(best)


def _by_neighbours(
    columns: list[tuple[LayoutNode, ...]], place: int, pairs: Sequence[tuple[LayoutNode, LayoutNode]]
) -> tuple[LayoutNode, ...]:
    rows = _rows(columns)

    def desired_row(node: LayoutNode) -> float:
        near = [rows[other] for other, at in pairs if at == node]
        return sum(near) / len(near) if near else rows[node]

    return tuple(sorted(columns[place], key=desired_row))


def _count_crossings(columns: Sequence[tuple[LayoutNode, ...]], steps: Sequence[tuple[LayoutNode, LayoutNode]]) -> int:
    rows = _rows(columns)
    place_of = {node: place for place, column in enumerate(columns) for node in column}
    return sum(
        (rows[a] - rows[c]) * (rows[b] - rows[d]) < 0
        for index, (a, b) in enumerate(steps)
        for c, d in steps[:index]
        if place_of[a] == place_of[c]
    )


def _rows(columns: Sequence[tuple[LayoutNode, ...]]) -> dict[LayoutNode, float]:
    """Return each node's row, with every column centred on 0."""
    return {node: row - (len(column) - 1) / 2 for column in columns for row, node in enumerate(column)}
