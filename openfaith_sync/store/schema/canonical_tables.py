"""Record tables as SQLAlchemy metadata: the canonical ones, and any source table."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from openfaith_sync.domain.canonical_tables import CANONICAL_TABLES
from openfaith_sync.domain.record_tables import ColumnType, RecordTable
from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, metadata, required

_TYPES: dict[ColumnType, TypeEngine[Any]] = {
    ColumnType.TEXT: Text(),
    ColumnType.BOOLEAN: Boolean(),
    ColumnType.INTEGER: Integer(),
    ColumnType.BIGINT: BigInteger(),
    ColumnType.JSON: JSONB(),
    ColumnType.FLOAT: Double(),
    ColumnType.DATE: Date(),
    ColumnType.TIMESTAMP: MOMENT,
    ColumnType.REFERENCE: ID,
}


def add_canonical_tables() -> None:
    """Add all canonical tables to the metadata."""
    for table in CANONICAL_TABLES.values():
        build_table(table, metadata)


def _merged(table: RecordTable) -> Iterator[Column[Any]]:
    if table.has_merges:
        yield Column("merged_into_id", ID, comment="The record that this one became part of, at its source.")


def build_table(table: RecordTable, within: MetaData) -> Table:
    """Return a record table, added to the metadata: its common columns and its own."""
    return Table(
        table.name,
        within,
        required("id", ID, "TypeID, derived from the record's identity at its source."),
        required("org_id", ID, "The church; every statement is bound to one."),
        required("external_id", ID, "The source's id; unique within its entity only."),
        required("adapter", ID, "The source."),
        required("type", ID, "The adapter's entity that the record came as."),
        *(Column(column.name, _TYPES[column.type], comment=column.comment or None) for column in table.own),
        *_merged(table),
        required("status", Text(), "active or inactive, as the source says.", text("'active'")),
        required("tags", JSONB(), None, text("'[]'")),
        required(
            "custom_fields", JSONB(), "What the source sent that has no column, as <adapter>_<attribute>.", text("'{}'")
        ),
        Column("created_at", MOMENT, comment="The source's."),
        Column("updated_at", MOMENT, comment="The source's."),
        Column("inactivated_at", MOMENT, comment="The source's."),
        Column("deleted_at", MOMENT, comment="When we learnt that the source has it no more; null while it lives."),
        required("synced_at", MOMENT, "When this row last changed here.", NOW),
        Column("source_version", MOMENT, comment="The source's version; an older one never overwrites."),
        required("content_hash", LargeBinary(), "Of the stored values; equal means nothing to write."),
        required("is_loss", Boolean(), "Whether its tombstone counts toward the safety stop.", text("false")),
        PrimaryKeyConstraint("org_id", "external_id", "type", "adapter"),
        UniqueConstraint("org_id", "id", name=f"{table.name}_id_key"),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
        *(Index(None, "org_id", column) for column in table.indexed),
        schema=table.schema,
        comment=table.comment or None,
    )
