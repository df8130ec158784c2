import re
import xml.etree.ElementTree as ET

import pytest

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, Edge, Strength
from openfaith_sync.domain.manifest.graph_drawing import draw_dot, draw_mermaid, draw_svg, draw_text
from openfaith_sync.domain.manifest.graph_layout import lay_out
from openfaith_sync_tests.domain.church import manifest

GRAPH = manifest().graph
SVG = "{http://www.w3.org/2000/svg}"
LETTER = 13 * 0.602
"""What a letter of the widest usual monospaced font takes at 13 pixels."""


def tree(graph: DependencyGraph) -> ET.Element:
    return ET.fromstring(draw_svg(graph))


def number(element: ET.Element, name: str) -> float:
    return float(element.attrib[name])


def lines(kind: str) -> set[tuple[str, str]]:
    """Return dependent and dependency of the lines of one kind, as their titles tell them."""
    found = set()
    for group in tree(GRAPH).iter(f"{SVG}g"):
        (path,) = group.iter(f"{SVG}path")
        title = re.match(r"(\w+) after (\w+) ", group.findtext(f"{SVG}title") or "")
        assert title
        if path.attrib["class"] == kind:
            found.add((title[1], title[2]))
    return found


def expected(strength: Strength) -> set[tuple[str, str]]:
    return {(edge.dependent, edge.dependency) for edge in GRAPH.edges if edge.strength is strength}


def test_the_text_tells_the_order_and_under_each_entity_what_it_waits_for() -> None:
    text = draw_text(GRAPH)
    assert re.findall(r"^ +\d+\. (\w+)$", text, re.MULTILINE) == list(GRAPH.entities)
    assert "<== person (person is required)" in text
    assert "<-- campus (primary_campus may be unset)" in text
    assert "dropped: household after person, the weakest of the cycle" in text


def test_mermaid_draws_hard_edges_solid_and_soft_ones_dotted() -> None:
    drawn = draw_mermaid(GRAPH)
    assert drawn.startswith("flowchart LR\n")
    for strength, arrow in ((Strength.HARD, "-->"), (Strength.SOFT, r"-\.->")):
        found = re.findall(rf"entity_(\w+) {arrow} entity_(\w+)", drawn)
        assert {(dependent, dependency) for dependency, dependent in found} == expected(strength)


def test_dot_draws_hard_edges_solid_and_soft_ones_dashed() -> None:
    for strength, style in ((Strength.HARD, "solid"), (Strength.SOFT, "dashed")):
        found = re.findall(rf'"(\w+)" -> "(\w+)" \[style={style}', draw_dot(GRAPH))
        assert {(dependent, dependency) for dependency, dependent in found} == expected(strength)


def test_svg_draws_every_edge_in_its_kind_of_line() -> None:
    assert lines("hard") == expected(Strength.HARD)
    assert lines("soft") == expected(Strength.SOFT)


def test_svg_tells_the_kinds_of_line_apart_without_colour_and_explains_them() -> None:
    drawn = draw_svg(GRAPH)
    assert re.search(r"\.soft \{[^}]*stroke-dasharray", drawn)
    assert not re.search(r"\.hard \{[^}]*stroke-dasharray", drawn)
    assert "hard: must sync first" in drawn
    assert "soft: should sync first" in drawn


def test_svg_paints_its_own_ground_light_or_dark() -> None:
    root = tree(GRAPH)
    ground = next(root.iter(f"{SVG}rect"))
    assert ground.attrib["class"] == "ground"
    assert "prefers-color-scheme: dark" in draw_svg(GRAPH)


LONG = DependencyGraph(
    tuple(EntityName(name) for name in ("a", "an_entity_with_quite_a_long_name_of_40_chars", "b", "c")),
    (
        Edge(EntityName("c"), EntityName("a"), Strength.SOFT, 'a "reason" <here>'),
        Edge(EntityName("c"), EntityName("b"), Strength.HARD, "b & b"),
        Edge(EntityName("b"), EntityName("a"), Strength.HARD, "a"),
    ),
)


@pytest.mark.parametrize("graph", [GRAPH, LONG, DependencyGraph((), ())], ids=["pco", "long names", "empty"])
def test_svg_clips_no_text(graph: DependencyGraph) -> None:
    root = tree(graph)
    width, height = number(root, "width"), number(root, "height")
    texts = list(root.iter(f"{SVG}text"))
    assert all(number(text, "x") + LETTER * len(text.text or "") <= width for text in texts)
    assert all(13 <= number(text, "y") <= height - 4 for text in texts)


@pytest.mark.parametrize("graph", [GRAPH, LONG], ids=["pco", "long names"])
def test_svg_keeps_names_in_their_boxes_and_boxes_apart(graph: DependencyGraph) -> None:
    boxes = [
        tuple(number(rect, side) for side in ("x", "y", "width", "height"))
        for rect in tree(graph).iter(f"{SVG}rect")
        if rect.attrib["class"] == "box"
    ]
    names = [text for text in tree(graph).iter(f"{SVG}text") if text.text in graph.entities]
    assert len(boxes) == len(names) == len(graph.entities)
    for (x, y, width, height), text in zip(boxes, names, strict=True):
        assert x < number(text, "x")
        assert number(text, "x") + LETTER * len(text.text or "") < x + width
        assert y < number(text, "y") < y + height
    for index, (x, y, width, height) in enumerate(boxes):
        assert all(x + width < a or a + c < x or y + height < b or b + d < y for a, b, c, d in boxes[:index])


def test_an_edge_over_several_columns_passes_beside_the_boxes_between() -> None:
    layout = lay_out(LONG)
    (path,) = [path for edge, path in layout.paths.items() if (edge.dependent, edge.dependency) == ("c", "a")]
    assert len(path) == 3
    assert path[1] in layout.columns[1]
    assert path[1] != "b"
