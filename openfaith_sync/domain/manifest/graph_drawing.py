"""Draws the dependency graph as text for a terminal, Mermaid, DOT and SVG.

Edges point from the entity that syncs first to the one that depends on it. Hard and soft edges
differ in their line style, never by colour alone.
"""

from collections.abc import Iterator

from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, DroppedEdge, Edge, Strength
from openfaith_sync.domain.manifest.graph_svg import draw_svg

__all__ = ["draw_dot", "draw_mermaid", "draw_svg", "draw_text"]

_HARD, _SOFT = Strength.HARD, Strength.SOFT
_ARROWS = {_HARD: "<==", _SOFT: "<--"}
_MERMAID_ARROWS = {_HARD: "-->", _SOFT: "-.->"}
_DOT_STYLES = {_HARD: "solid", _SOFT: "dashed"}


def draw_text(graph: DependencyGraph) -> str:
    """Return the entities in sync order, each with its dependencies and the reasons for them."""
    return "\n".join(_text_lines(graph)) + "\n"


def draw_mermaid(graph: DependencyGraph) -> str:
    """Return a Mermaid flowchart, which GitHub renders in Markdown."""
    lines = ["flowchart LR", "    %% solid: hard, must sync first; dotted: soft, should sync first"]
    # An entity may be called "end", which is a keyword in Mermaid.
    lines += [f'    entity_{name}["{name}"]' for name in graph.entities]
    lines += [
        f"    entity_{edge.dependency} {_MERMAID_ARROWS[edge.strength]} entity_{edge.dependent}" for edge in graph.edges
    ]
    lines += [f"    %% {_describe_dropped(dropped)}" for dropped in graph.dropped]
    return "\n".join(lines) + "\n"


def draw_dot(graph: DependencyGraph) -> str:
    """Return a graph for Graphviz."""
    lines = ["digraph dependencies {", "    rankdir=LR", "    node [shape=box, style=rounded]"]
    lines += ['    label="solid: hard, must sync first; dashed: soft, should sync first"']
    lines += [f'    "{name}"' for name in graph.entities]
    lines += [
        f'    "{edge.dependency}" -> "{edge.dependent}" [style={_DOT_STYLES[edge.strength]}, tooltip="{edge.reason}"]'
        for edge in graph.edges
    ]
    lines += [f"    // {_describe_dropped(dropped)}" for dropped in graph.dropped]
    return "\n".join([*lines, "}"]) + "\n"


def _text_lines(graph: DependencyGraph) -> Iterator[str]:
    for place, name in enumerate(graph.entities, start=1):
        yield f"{place:>3}. {name}"
        for edge in graph.edges_of(name):
            yield f"       {_describe(edge)}"
    yield ""
    yield f"{_ARROWS[_HARD]} hard: must sync first    {_ARROWS[_SOFT]} soft: should sync first"
    for dropped in graph.dropped:
        yield _describe_dropped(dropped)


def _describe(edge: Edge) -> str:
    return f"{_ARROWS[edge.strength]} {edge.dependency} ({edge.reason})"


def _describe_dropped(dropped: DroppedEdge) -> str:
    edge = dropped.edge
    return f"dropped: {edge.dependent} after {edge.dependency}, {dropped.reason}"
