"""The true contents of the church at this moment, to compare a copy with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from openfaith_sync.simulator.data.edges import RelationshipEdge, World
from openfaith_sync.simulator.data.tables import Reference, Row, Table


@dataclass(frozen=True, slots=True)
class TrueRecord:
    """One live record, without the attributes that are sent only on request and that no client requests."""

    id: str
    attributes: dict[str, Any]
    relationships: dict[str, Any]
    """By name: the referenced id, a list of ids for a to-many, None when unset."""


def truth_lines(world: World, table: Table) -> Iterator[bytes]:
    """Yield every live record of a table as a line of JSON, ordered by id."""
    entity = table.entity
    shown = [(n, p) for n, p in table.position.items() if entity.fieldset or not entity.attributes[n].sparse]
    mirrors = {name: edge for name in table.links if world.is_mirror(table, name) and (edge := world.edge(table, name))}
    for number in table.index(()).ids(0, len(table.rows)):
        row = table.rows[number]
        record = TrueRecord(
            str(number),
            {name: row.values[place] for name, place in shown},
            {
                name: _shown(mirrors[name], row) if name in mirrors else _wire(table.reference(row, name))
                for name in table.links
            },
        )
        yield orjson.dumps(record)


def parse_truth(text: bytes) -> dict[str, TrueRecord]:
    """Parse such lines into records by id."""
    records = [TrueRecord(**orjson.loads(line)) for line in text.splitlines() if line]
    return {record.id: record for record in records}


def _shown(edge: RelationshipEdge, row: Row) -> Any:
    ids = [str(number) for number in edge.follow(row)]
    return ids if edge.is_many else next(iter(ids), None)


def _wire(reference: Reference) -> Any:
    if isinstance(reference, list):
        return [str(number) for number in reference]
    return None if reference is None else str(reference)
