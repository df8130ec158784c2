from pathlib import Path

import pytest

from openfaith_sync_tests.commands.conftest import Run

BEGINNINGS = {"text": "  1. campus", "mermaid": "flowchart", "dot": "digraph", "svg": "<svg"}


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_the_graph_is_drawn_in_each_format(run: Run, kind: str) -> None:
    answer = run("graph", "--adapter", "pco", "--format", kind)
    assert answer.exit_code == 0
    assert BEGINNINGS[kind] in answer.stdout
    assert "phone_number" in answer.stdout


def test_the_graph_is_written_to_a_file(run: Run, tmp_path: Path) -> None:
    answer = run("graph", "--adapter", "pco", "--format", "svg", "-o", str(tmp_path / "graph.svg"))
    assert answer.exit_code == 0
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").lstrip().startswith("<svg")


def test_a_file_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    answer = run("graph", "--adapter", "pco", "-o", str(tmp_path / "missing" / "graph.txt"))
    assert answer.exit_code == 1
    assert "missing/graph.txt" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_one_module_can_be_drawn(run: Run) -> None:
    drawn = run("graph", "--adapter", "pco", "--module", "groups").stdout
    assert "group_membership" in drawn
    assert "person" not in drawn
    refused = run("graph", "--adapter", "pco", "--module", "nope")
    assert refused.exit_code == 2
    assert "expected one of groups, people" in refused.stderr
