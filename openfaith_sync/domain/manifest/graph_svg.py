"""Draws the dependency graph as one self-contained SVG file.

It has its own background, so it is readable on light and dark pages, and it is dark
if the viewer prefers a dark colour scheme.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, DroppedEdge, Edge
from openfaith_sync.domain.manifest.graph_layout import Layout, LayoutNode, lay_out

_MARGIN, _GAP = 28.0, 96.0
_BOX_HEIGHT, _PITCH = 34.0, 56.0
_LINE = 22.0
# The widest monospaced letters (Courier, DejaVu) are 0.602 times their size wide.
_LETTER = 13 * 0.61
_PADDING = 28.0
_ARROW, _PORT = 8.0, 10.0

_STYLE = """
.ground { fill: #ffffff; stroke: #d0d7de; }
.box { fill: #f6f8fa; stroke: #57606a; }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; }
.place, .note { fill: #57606a; }
path { fill: none; stroke-width: 1.6; }
.hard { stroke: #0550ae; } .hard-head { fill: #0550ae; }
.soft { stroke: #8250df; stroke-dasharray: 5 4; } .soft-head { fill: #8250df; }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117; stroke: #30363d; }
.box { fill: #161b22; stroke: #8b949e; }
text { fill: #e6edf3; }
.place, .note { fill: #9198a1; }
.hard { stroke: #58a6ff; } .hard-head { fill: #58a6ff; }
.soft { stroke: #bc8cff; } .soft-head { fill: #bc8cff; }
}
"""


@dataclass(frozen=True, slots=True)
class _Position:
    """The position of a node: its left and right end, and its middle line."""

    left: float
    right: float
    y: float


def draw_svg(graph: DependencyGraph) -> str:
    """Return the SVG: one column per rank, boxes numbered in sync order, hard edges solid, soft ones dashed."""
    layout = lay_out(graph)
    positions = _place(graph, layout)
    notes = [_describe_dropped(dropped) for dropped in graph.dropped]
    legend_y = max((position.y for position in positions.values()), default=_MARGIN) + _BOX_HEIGHT / 2 + 2 * _LINE
    needed = (
        [position.right for position in positions.values()]
        + [_MARGIN + _text_width(note) for note in notes]
        + [_legend_end()]
    )
    width, height = max(needed) + _MARGIN, legend_y + _LINE * len(notes) + _MARGIN
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Dependencies between entities">',
        f"<style>{_STYLE}</style>",
        f"<defs>{_marker('hard')}{_marker('soft')}</defs>",
        f'<rect class="ground" x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1:.0f}" rx="10"/>',
        *(
            _draw_edge(edge, [positions[node] for node in layout.paths[edge]], y)
            for edge, y in _ends(layout, positions).items()
        ),
        *(_draw_box(place, name, positions[name]) for place, name in enumerate(graph.entities, start=1)),
        *_draw_legend(legend_y),
        *(
            f'<text class="note" x="{_MARGIN:g}" y="{legend_y + _LINE * row:g}">{escape(note)}</text>'
            for row, note in enumerate(notes, start=1)
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _place(graph: DependencyGraph, layout: Layout) -> dict[LayoutNode, _Position]:
    """Return the position of each node; columns are as wide as their widest name, and centred on one line."""
    middle = _MARGIN + _BOX_HEIGHT / 2 + _PITCH * (max(map(len, layout.columns), default=1) - 1) / 2
    numbers = {name: f"{place} {name}" for place, name in enumerate(graph.entities, start=1)}
    positions: dict[LayoutNode, _Position] = {}
    left = _MARGIN
    for column in layout.columns:
        right = left + max(_text_width(numbers[node]) for node in column if isinstance(node, str)) + _PADDING
        top = middle - _PITCH * (len(column) - 1) / 2
        positions |= {node: _Position(left, right, top + _PITCH * row) for row, node in enumerate(column)}
        left = right + _GAP
    return positions


def _ends(layout: Layout, positions: dict[LayoutNode, _Position]) -> dict[Edge, float]:
    """Return the height at which each edge ends, so that no two arrowheads overlap."""
    ends: dict[Edge, float] = {}
    for name in dict.fromkeys(edge.dependent for edge in layout.paths):
        arriving = [edge for edge in layout.paths if edge.dependent == name]
        arriving.sort(key=lambda edge: positions[layout.paths[edge][-2]].y)
        step = min(_PORT, (_BOX_HEIGHT - _PORT) / len(arriving))
        for place, edge in enumerate(arriving):
            ends[edge] = positions[name].y + step * (place - (len(arriving) - 1) / 2)
    return ends


def _draw_edge(edge: Edge, points: list[_Position], end_y: float) -> str:
    # The arrowhead is drawn at the end of the line, so the line ends before the box.
    last = _Position(points[-1].left - _ARROW, points[-1].right, end_y)
    path = [f"M{points[0].right:g} {points[0].y:g}"]
    for before, after in pairwise([*points[:-1], last]):
        bend = (before.right + after.left) / 2
        path.append(f"C{bend:g} {before.y:g} {bend:g} {after.y:g} {after.left:g} {after.y:g}")
        if after is not last:
            path.append(f"L{after.right:g} {after.y:g}")
    title = escape(f"{edge.dependent} after {edge.dependency} ({edge.strength}): {edge.reason}")
    return f"<g><title>{title}</title>{_line(edge.strength.value, ' '.join(path))}</g>"


def _draw_box(place: int, name: str, position: _Position) -> str:
    x, y = position.left + _PADDING / 2, position.y + 4.5
    return (
        f'<rect class="box" x="{position.left:g}" y="{position.y - _BOX_HEIGHT / 2:g}" '
        f'width="{position.right - position.left:g}" height="{_BOX_HEIGHT:g}" rx="7"/>'
        f'<text class="place" x="{x:g}" y="{y:g}">{place}</text>'
        f'<text x="{x + _text_width(f"{place} "):g}" y="{y:g}">{escape(name)}</text>'
    )


_LEGEND = (("hard", "hard: must sync first"), ("soft", "soft: should sync first"))


def _draw_legend(y: float) -> Iterator[str]:
    x = _MARGIN
    for kind, label in _LEGEND:
        yield _line(kind, f"M{x:g} {y - 4.5:g} L{x + 40:g} {y - 4.5:g}")
        yield f'<text x="{x + 56:g}" y="{y:g}">{label}</text>'
        x += 56 + _text_width(label) + _PADDING


def _legend_end() -> float:
    return _MARGIN + sum(56 + _text_width(label) + _PADDING for _, label in _LEGEND) - _PADDING


def _line(kind: str, path: str) -> str:
    return f'<path class="{kind}" d="{path}" marker-end="url(#{kind})"/>'


def _marker(kind: str) -> str:
    return (
        f'<marker id="{kind}" viewBox="0 0 8 8" refX="0" refY="4" markerWidth="{_ARROW:g}" markerHeight="{_ARROW:g}" '
        f'markerUnits="userSpaceOnUse" orient="auto"><polygon class="{kind}-head" points="0,0 8,4 0,8"/></marker>'
    )


def _text_width(text: str) -> float:
    return len(text) * _LETTER


def _describe_dropped(dropped: DroppedEdge) -> str:
    return f"dropped: {dropped.edge.dependent} after {dropped.edge.dependency}, which would close a cycle"
