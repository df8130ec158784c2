"""Record tables as data: one row a record, keyed by the record's identity at its source.

A canonical table is designed, and the same whatever the source. A source table is made from an entity of a
manifest. Both have the common columns; ``Record.values`` follow ``RecordTable.columns`` exactly.
"""

from dataclasses import dataclass
from enum import StrEnum

CANONICAL_SCHEMA = "openfaith"
"""The schema of the canonical tables; each adapter's source tables lie in a schema of its name."""


class ColumnType(StrEnum):
    """The type of a column that a mapping fills."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    BIGINT = "bigint"
    FLOAT = "float"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"
    REFERENCE = "reference"
    """An entity id of another record, in TypeID form."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a record table."""

    name: str
    type: ColumnType = ColumnType.TEXT
    private: bool = False
    """Personal: never shown in a preview, a log or an event."""


MAPPED_COMMON = (
    Column("status"),
    Column("created_at", ColumnType.TIMESTAMP),
    Column("updated_at", ColumnType.TIMESTAMP),
    Column("inactivated_at", ColumnType.TIMESTAMP),
)
"""Common columns that come from the source. The rest (``id``, ``org_id``, ``type``,
``external_id``, ``adapter``, ``tags``, ``custom_fields``, ``deleted_at`` and others) is the store's."""


@dataclass(frozen=True, slots=True)
class RecordTable:
    """One table of records: its own columns, then the mapped common ones."""

    name: str
    own: tuple[Column, ...]
    indexed: tuple[str, ...] = ()
    """References that readers join on."""
    has_merges: bool = False
    """Whether its records can become part of each other: the table then has ``merged_into_id``."""
    schema: str = CANONICAL_SCHEMA

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that a mapping may fill, in the order of ``Record.values``."""
        return self.own + MAPPED_COMMON

    @property
    def quoted(self) -> str:
        """Its name as SQL: schema and table, quoted."""
        return f'"{self.schema}"."{self.name}"'
