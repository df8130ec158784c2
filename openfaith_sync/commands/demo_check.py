"""Compare the stored rows with the simulator's data, field by field.

This deliberately does not use the mapping, which must not check itself. Fields that need a
parser (gender, phone, country) are covered by the mapping's golden table.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, derive_entity_id
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.ground_truth import TrueRecord

Row: TypeAlias = Mapping[str, Any]
Query: TypeAlias = Callable[[str], list[Row]]
"""Runs a read-only statement."""

_AS_STORED: dict[AttributeType, Callable[[Any], object]] = {
    AttributeType.STRING: str,
    AttributeType.BOOLEAN: bool,
    AttributeType.INTEGER: int,
    AttributeType.DATE: date.fromisoformat,
    AttributeType.DATE_TIME: datetime.fromisoformat,
    AttributeType.LOCAL_DATE_TIME: lambda text: datetime.fromisoformat(text).replace(tzinfo=None),
    AttributeType.CURRENCY: str,
}


@dataclass(frozen=True, slots=True)
class DemoChurch:
    """The org whose rows are compared, and the query that reads them."""

    org: OrgId
    adapter: AdapterName
    query: Query

    def stored(self, entity: Entity) -> dict[str, Row]:
        """Return our live rows by entity id."""
        columns = ", ".join(f'"{column}"' for column in ("id", *_compared(entity)))
        rows = self.query(
            f"select {columns} from {entity.record_table.quoted} "  # noqa: S608  names from the manifest, an org name of ours
            f"where org_id = '{self.org}' and adapter = '{self.adapter}' and type = '{entity.name}' "
            "and deleted_at is null"
        )
        return {row["id"]: row for row in rows}

    def dead_letters(self, entity: EntityName) -> int:
        """Return the number of dead letters."""
        (row,) = self.query(
            f"select count(*) as dead from sync.dead_letters "  # noqa: S608
            f"where org_id = '{self.org}' and entity = '{entity}' and resolved_at is null"
        )
        return int(row["dead"])

    def disagreements(
        self,
        entity: Entity,
        truth: Mapping[str, TrueRecord],
        stored: Mapping[str, Row],
        dead_letters: int,
        left_out: Collection[str] = (),
    ) -> list[str]:
        """Return the differences between our rows and the source; at most a few of each kind.

        Rows may be missing for the records in ``left_out``, which the manifest does not have read.
        """
        expected_records = {
            derive_entity_id(self.org, self.adapter, entity.name, id_): record for id_, record in truth.items()
        }
        missing = {id_ for id_ in expected_records.keys() - stored.keys() if expected_records[id_].id not in left_out}
        extra = stored.keys() - expected_records.keys()
        differences = []
        if len(missing) != dead_letters:
            examples = ", ".join(sorted(expected_records[id_].id for id_ in missing)[:5])
            differences.append(
                f"{entity.name}: {len(missing)} records are not stored ({examples}); dead letters: {dead_letters}"
            )
        if extra:
            differences.append(
                f"{entity.name}: {len(extra)} rows are not at the source ({', '.join(sorted(extra)[:5])})"
            )
        differing = [
            f"{entity.name} {expected_records[id_].id}: {column} differs from the source"
            for id_ in sorted(expected_records.keys() & stored.keys())
            for column, value in self._expected(entity, expected_records[id_]).items()
            if stored[id_][column] != value
        ]
        return differences + differing[:5]

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
    # Of a reference that may lead to several entities, the truth has the id only.
    return columns | {part.to: name for name, part in entity.relationships.items() if part.to and not part.others}


def _is_plain(attribute: Attribute) -> bool:
    is_as_sent = attribute.parse is None and attribute.prefer is None and attribute.wire is None
    return is_as_sent and not attribute.sparse and attribute.type in _AS_STORED
