"""The dependency graph as text for a terminal, Mermaid, DOT and SVG.

Every drawing points from what syncs first to what syncs after it, and tells hard
edges from soft ones by their line, never by colour alone.
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
    """Return the order of the entities, under each what it depends on and why."""
    return "\n".join(_text_lines(graph)) + "\n"


def draw_mermaid(graph: DependencyGraph) -> str:
    """Return a Mermaid flowchart, which GitHub draws in Markdown."""
    lines = ["flowchart LR", "    %% solid: hard, cannot sync before; dotted: soft, would rather not"]
    # An entity may be called "end", which Mermaid takes for its own word.
    lines += [f'    entity_{name}["{name}"]' for name in graph.entities]
    lines += [
        f"    entity_{edge.dependency} {_MERMAID_ARROWS[edge.strength]} entity_{edge.dependent}" for edge in graph.edges
    ]
    lines += [f"    %% {_say_dropped(dropped)}" for dropped in graph.dropped]
    return "\n".join(lines) + "\n"


def draw_dot(graph: DependencyGraph) -> str:
    """Return a graph for Graphviz."""
    lines = ["digraph dependencies {", "    rankdir=LR", "    node [shape=box, style=rounded]"]
    lines += ['    label="solid: hard, cannot sync before; dashed: soft, would rather not"']
    lines += [f'    "{name}"' for name in graph.entities]
    lines += [
        f'    "{edge.dependency}" -> "{edge.dependent}" [style={_DOT_STYLES[edge.strength]}, tooltip="{edge.reason}"]'
        for edge in graph.edges
    ]
    lines += [f"    // {_say_dropped(dropped)}" for dropped in graph.dropped]
    return "\n".join([*lines, "}"]) + "\n"


def _text_lines(graph: DependencyGraph) -> Iterator[str]:
    for place, name in enumerate(graph.entities, start=1):
        yield f"{place:>3}. {name}"
        for edge in graph.edges_of(name):
            yield f"       {_say(edge)}"
    yield ""
    yield f"{_ARROWS[_HARD]} hard: cannot sync before    {_ARROWS[_SOFT]} soft: would rather not sync before"
    for dropped in graph.dropped:
        yield _say_dropped(dropped)


def _say(edge: Edge) -> str:
    return f"{_ARROWS[edge.strength]} {edge.dependency} ({edge.reason})"


def _say_dropped(dropped: DroppedEdge) -> str:
    edge = dropped.edge
    return f"dropped: {edge.dependent} after {edge.dependency}, {dropped.reason}"
