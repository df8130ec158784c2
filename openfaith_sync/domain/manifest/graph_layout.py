"""Where the entities of a drawn graph lie: a column a rank, rows so that few edges cross."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, Edge

Knot: TypeAlias = EntityName | tuple[EntityName, EntityName, int]
"""An entity, or the place in a column where an edge passes it by."""

_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """A column a rank, its knots from top to bottom."""

    columns: tuple[tuple[Knot, ...], ...]
    ways: Mapping[Edge, tuple[Knot, ...]]
    """The knots that each edge runs through, from the dependency to its dependent."""


def lay_out(graph: DependencyGraph) -> Layout:
    """Return each entity its column and row."""
    ranks = dict(graph.ranks)
    columns: list[list[Knot]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name, rank in ranks.items():
        columns[rank].append(name)
    ways: dict[Edge, tuple[Knot, ...]] = {}
    for edge in graph.edges:
        between = range(ranks[edge.dependency] + 1, ranks[edge.dependent])
        passed: list[Knot] = [(edge.dependency, edge.dependent, rank) for rank in between]
        for rank, knot in zip(between, passed, strict=True):
            columns[rank].append(knot)
        ways[edge] = (edge.dependency, *passed, edge.dependent)
    steps = [step for way in ways.values() for step in pairwise(way)]
    return Layout(_untangle([tuple(column) for column in columns], steps), ways)


def _untangle(columns: list[tuple[Knot, ...]], steps: Sequence[tuple[Knot, Knot]]) -> tuple[tuple[Knot, ...], ...]:
    """Order each column by its neighbours' rows, forth and back; keep the order with the fewest crossings."""
    best, fewest = list(columns), _count_crossings(columns, steps)
    for sweep in range(_SWEEPS):
        is_forth = sweep % 2 == 0
        pairs = steps if is_forth else [(after, before) for before, after in steps]
        for place in range(len(columns)) if is_forth else reversed(range(len(columns))):
            columns[place] = _by_neighbours(columns, place, pairs)
        if (crossings := _count_crossings(columns, steps)) < fewest:
            best, fewest = list(columns), crossings
    return tuple(best)


def _by_neighbours(columns: list[tuple[Knot, ...]], place: int, pairs: Sequence[tuple[Knot, Knot]]) -> tuple[Knot, ...]:
    rows = _rows(columns)

    def wish(knot: Knot) -> float:
        near = [rows[other] for other, at in pairs if at == knot]
        return sum(near) / len(near) if near else rows[knot]

    return tuple(sorted(columns[place], key=wish))


def _count_crossings(columns: Sequence[tuple[Knot, ...]], steps: Sequence[tuple[Knot, Knot]]) -> int:
    rows = _rows(columns)
    place_of = {knot: place for place, column in enumerate(columns) for knot in column}
    return sum(
        (rows[a] - rows[c]) * (rows[b] - rows[d]) < 0
        for index, (a, b) in enumerate(steps)
        for c, d in steps[:index]
        if place_of[a] == place_of[c]
    )


def _rows(columns: Sequence[tuple[Knot, ...]]) -> dict[Knot, float]:
    """Return each knot's row, every column centred on 0."""
    return {knot: row - (len(column) - 1) / 2 for column in columns for row, knot in enumerate(column)}
