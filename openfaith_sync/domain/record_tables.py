"""Record tables as data: one row a record, keyed by the record's identity at its source.

A canonical table is designed, and the same whatever the source. A source table is made from an entity of a
manifest. Both have the common columns; ``Record.values`` follow ``RecordTable.columns`` exactly.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from openfaith_sync.domain.sensitivity import Sensitivity

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
    LOCAL_TIMESTAMP = "local_timestamp"
    """A time on the church's clock, without a time zone."""
    JSON = "json"
    REFERENCE = "reference"
    """An entity id of another record, in TypeID form."""


SQL_TYPES: Mapping[ColumnType, str] = {
    ColumnType.TEXT: "text",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.INTEGER: "integer",
    ColumnType.BIGINT: "bigint",
    ColumnType.FLOAT: "double precision",
    ColumnType.DATE: "date",
    ColumnType.TIMESTAMP: "timestamp with time zone",
    ColumnType.LOCAL_TIMESTAMP: "timestamp without time zone",
    ColumnType.JSON: "jsonb",
    ColumnType.REFERENCE: "text",
}
"""Each type as PostgreSQL writes it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a record table."""

    name: str
    type: ColumnType = ColumnType.TEXT
    sensitivity: Sensitivity = Sensitivity.PERSONAL
    """Who may see it."""
    is_owner: bool = False
    """Whether it refers to what the row belongs to: the row is erased with that."""
    is_severed: bool = False
    """Whether it is emptied when what it refers to is erased: the row stays, without it."""
    comment: str = field(default="", compare=False)
    """What it holds, for readers of the database."""


MAPPED_COMMON = (
    Column("status", sensitivity=Sensitivity.PUBLIC),
    Column("created_at", ColumnType.TIMESTAMP, Sensitivity.PUBLIC),
    Column("updated_at", ColumnType.TIMESTAMP, Sensitivity.PUBLIC),
    Column("inactivated_at", ColumnType.TIMESTAMP, Sensitivity.PUBLIC),
)
"""Common columns that come from the source. The rest (``id``, ``org_id``, ``type``,
``external_id``, ``adapter``, ``tags``, ``custom_fields``, ``deleted_at`` and others) is the store's."""

COMMON_COMMENTS: Mapping[str, str] = {
    "id": "TypeID, derived from the record's identity at its source.",
    "org_id": "The church; every statement is bound to one.",
    "external_id": "The source's id; unique within its entity only.",
    "adapter": "The source.",
    "type": "The adapter's entity that the record came as.",
    "merged_into_id": "The record that this one became part of, at its source.",
    "status": "active or inactive, as the source says.",
    "tags": "Set by OpenFaith, never by a sync.",
    "custom_fields": "What the source sent that has no column, as <adapter>_<attribute>.",
    "created_at": "The source's.",
    "updated_at": "The source's.",
    "inactivated_at": "The source's.",
    "deleted_at": "When we learnt that the source has it no more; null while it lives.",
    "synced_at": "When this row last changed here.",
    "source_version": "The source's version; an older one never overwrites.",
    "content_hash": "Of the stored values; equal means nothing to write.",
    "is_loss": "Whether its tombstone counts toward the safety stop.",
}
"""What the columns hold that all record tables have."""

STORE_COLUMNS = frozenset(
    {
        *("id", "org_id", "external_id", "adapter", "type", "merged_into_id", "tags", "custom_fields"),
        *("deleted_at", "synced_at", "source_version", "content_hash", "is_loss"),
    }
)
"""The common columns that the store fills."""

SYNC_COLUMNS = ("merged_into_id", "deleted_at", "source_version", "content_hash", "is_loss")
"""The common columns that are null in every living row, or that only a sync needs; live views leave them out."""

RESERVED_COLUMNS = (
    STORE_COLUMNS | {column.name for column in MAPPED_COMMON} | {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
)
"""The names that no column of an entity's own may have; the last ones are PostgreSQL's in every table."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,54}")
"""A table's or column's name: PostgreSQL cuts names at 63 bytes, and a column of another type adds a suffix."""

RESERVED_SCHEMAS = frozenset({"openfaith", "sync", "dagster", "public", "information_schema"})

LIVE_SUFFIX = "_live"


def live_schema(schema: str) -> str:
    """Return the schema of the live views of a schema's tables: the same names, the living rows only."""
    return schema + LIVE_SUFFIX


def is_reserved_schema(name: str) -> bool:
    """Return whether a schema belongs to us or to PostgreSQL, so that no adapter may be called so."""
    return name in RESERVED_SCHEMAS or name.startswith("pg_") or name.endswith(LIVE_SUFFIX)


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
    sensitivity: Sensitivity = Sensitivity.PERSONAL
    """Of its records as a whole; a sensitive table has sensitive columns only."""
    comment: str = field(default="", compare=False)
    """What it holds, for readers of the database."""

    @property
    def is_canonical(self) -> bool:
        """Return whether it is designed and migrated, and not made from a manifest."""
        return self.schema == CANONICAL_SCHEMA

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns that a mapping may fill, in the order of ``Record.values``."""
        return self.own + MAPPED_COMMON

    @property
    def quoted(self) -> str:
        """Its name as SQL: schema and table, quoted."""
        return f'"{self.schema}"."{self.name}"'
