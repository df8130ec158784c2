"""Reads what a statement did, node by node, from PostgreSQL's own account of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openfaith_sync.store.postgres.statements import Connection


@dataclass(frozen=True)
class Node:
    """One step of a plan that was executed."""

    kind: str
    relation: str | None
    loops: int
    rows: float
    """Rows that it gave or looked at and dropped, over all loops."""


def explain(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> list[Node]:
    """Execute a statement and return every node of its plan."""
    options = "ANALYZE, TIMING OFF, FORMAT JSON"
    row = connection.execute(f"EXPLAIN ({options}) {statement}".encode(), parameters).fetchone()
    assert row is not None
    return list(_nodes(row[0][0]["Plan"]))


def rows_handled(nodes: list[Node]) -> float:
    """Return how many rows all nodes together looked at: the work, whatever the machine."""
    return sum(node.rows for node in nodes)


def _nodes(plan: dict[str, Any]) -> Iterator[Node]:
    each = plan["Actual Rows"] + sum(count for name, count in plan.items() if name.startswith("Rows Removed by"))
    yield Node(plan["Node Type"], plan.get("Relation Name"), plan["Actual Loops"], each * plan["Actual Loops"])
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
