"""Compares what is stored with the simulator's truth, field by field.

On purpose it does not use the mapping: what is checked must not check itself.
Fields that need a parser of their own (gender, phone, country) are left to the
mapping's golden table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.ground_truth import TrueRecord

Row: TypeAlias = Mapping[str, Any]
Query: TypeAlias = Callable[[str], list[Row]]
"""Runs a statement that only reads."""

_AS_STORED: dict[AttributeType, Callable[[Any], object]] = {
    AttributeType.STRING: str,
    AttributeType.BOOLEAN: bool,
    AttributeType.INTEGER: int,
    AttributeType.DATE: date.fromisoformat,
    AttributeType.DATE_TIME: datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Church:
    """Whose records are compared, and where ours are read."""

    org: OrgId
    adapter: AdapterName
    query: Query

    def stored(self, entity: Entity) -> dict[str, Row]:
        """Return our live rows by entity id."""
        columns = ", ".join(f'"{column}"' for column in ("id", *_compared(entity)))
        rows = self.query(
            f"select {columns} from openfaith.{entity.table} "  # noqa: S608  names from the manifest, an org name of ours
            f"where org_id = '{self.org}' and deleted_at is null"
        )
        return {row["id"]: row for row in rows}

    def dead_letters(self, entity: EntityName) -> int:
        """Count the records that are set aside."""
        (row,) = self.query(
            f"select count(*) as dead from sync.dead_letters "  # noqa: S608
            f"where org_id = '{self.org}' and entity = '{entity}' and resolved_at is null"
        )
        return int(row["dead"])

    def disagreements(
        self, entity: Entity, truth: Mapping[str, TrueRecord], stored: Mapping[str, Row], dead_letters: int
    ) -> list[str]:
        """Say everything in which our rows differ from the truth; at most a few of each kind."""
        true = {derive_entity_id(self.org, self.adapter, entity.name, id_): record for id_, record in truth.items()}
        missing, extra = true.keys() - stored.keys(), stored.keys() - true.keys()
        said = []
        if len(missing) != dead_letters:
            some = ", ".join(sorted(true[id_].id for id_ in missing)[:5])
            said.append(f"{entity.name}: {len(missing)} records are not stored ({some}); dead letters: {dead_letters}")
        if extra:
            said.append(f"{entity.name}: {len(extra)} rows are not at the source ({', '.join(sorted(extra)[:5])})")
        differing = [
            f"{entity.name} {true[id_].id}: {column} differs from the source"
            for id_ in sorted(true.keys() & stored.keys())
            for column, value in self._expected(entity, true[id_]).items()
            if stored[id_][column] != value
        ]
        return said + differing[:5]

    def _expected(self, entity: Entity, record: TrueRecord) -> dict[str, object]:
        expected: dict[str, object] = {}
        for column, name in _compared(entity).items():
            if name in entity.attributes:
                value = record.attributes[name]
                expected[column] = None if value is None else _AS_STORED[entity.attributes[name].type](value)
                continue
            value, target = record.relationships[name], EntityName(entity.relationships[name].target)
            expected[column] = None if value is None else derive_entity_id(self.org, self.adapter, target, value)
        return expected


def _compared(entity: Entity) -> dict[str, str]:
    """Return the columns that are compared, each with its attribute or relationship."""
    columns = {
        attribute.to: name for name, attribute in entity.attributes.items() if attribute.to and _is_plain(attribute)
    }
    return columns | {part.to: name for name, part in entity.relationships.items() if part.to}


def _is_plain(attribute: Attribute) -> bool:
    is_as_sent = attribute.parse is None and attribute.prefer is None and attribute.wire is None
    return is_as_sent and not attribute.sparse and attribute.type in _AS_STORED
