"""The tables of passes as SQLAlchemy metadata."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Interval,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, ZERO, keyed, metadata, required


def add_pass_tables() -> None:
    """Write the tables of passes: record tables, checkpoints, passes, dead letters, leases and redirects."""
    Table(
        "record_tables",
        metadata,
        required("adapter", ID),
        required("entity", ID),
        required("table_schema", Text(), "openfaith, or the adapter's own schema."),
        required("table_name", Text()),
        required("has_merges", Boolean(), "Whether it has merged_into_id."),
        PrimaryKeyConstraint("adapter", "entity"),
        schema=SYNC_SCHEMA,
        comment="Which table holds the records of each entity.",
    )

    Table(
        "checkpoints",
        metadata,
        *keyed(),
        Column("watermark", MOMENT, comment="Newest source version that a complete pass covers; never goes back."),
        Column("completed_at", MOMENT, comment="When the last complete pass ended; for people, never for the sync."),
        Column("completed_pass_id", BigInteger()),
        Column("manifest_version", Text(), comment="What everything stored was mapped by; null when by more than one."),
        Column(
            "checked_at", MOMENT, comment="When the source was last asked for changes; for people and cadences only."
        ),
        PrimaryKeyConstraint("org_id", "adapter", "entity"),
        schema=SYNC_SCHEMA,
        comment="How far each entity is synced. The place inside an unfinished pass lies with that pass.",
    )

    passes = Table(
        "passes",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        Column("pass_id", BigInteger(), Identity(always=True), nullable=False),
        required("adapter", ID),
        required("entity", ID),
        Column("parent_pass_id", BigInteger(), comment="The pass whose pages these records rode along with."),
        required("mode", Text(), "full, delta, reconciliation or sideload."),
        required("trigger", Text(), "Who asked: cli, dagster, sensor."),
        required("status", Text(), "open, complete or abandoned.", text("'open'")),
        required("place", JSONB(), "Where an open pass goes on.", text("'[]'")),
        *(required(name, Integer(), None, ZERO) for name in ("created", "updated", "unchanged", "tombstoned", "dead")),
        required("pages", Integer(), None, ZERO),
        required("requests", Integer(), None, ZERO),
        required("waited", Interval(), "How long the provider's budget held it back.", text("'0'")),
        Column("watermark_from", MOMENT, comment="What a delta started from."),
        Column("watermark_to", MOMENT, comment="What it covers once complete."),
        Column("newest", MOMENT, comment="Newest source version committed so far."),
        required("manifest_version", Text()),
        Column("run_id", Text(), comment="The Dagster run."),
        Column("report", JSONB(), comment="What else it found: what, how many, why."),
        required("started_at", MOMENT, None, NOW),
        Column("ended_at", MOMENT),
        PrimaryKeyConstraint("org_id", "pass_id"),
        CheckConstraint("status IN ('open', 'complete', 'abandoned')", name="status"),
        schema=SYNC_SCHEMA,
        comment="One row a walk through one entity's listing.",
    )
    is_rider = passes.c.parent_pass_id.is_not(None)
    Index(
        "passes_open_key",
        *(passes.c.org_id, passes.c.adapter, passes.c.entity),
        unique=True,
        postgresql_where=text("status = 'open' AND parent_pass_id IS NULL"),
    )
    Index("passes_key_idx", passes.c.org_id, passes.c.adapter, passes.c.entity, passes.c.pass_id)
    Index("passes_rider_idx", passes.c.org_id, passes.c.parent_pass_id, postgresql_where=is_rider)

    dead_letters = Table(
        "dead_letters",
        metadata,
        *keyed(),
        required("external_id", ID),
        required("raw", JSONB(), "The record as the source sent it."),
        required("field", Text()),
        required("value_type", Text(), "The type found there; never the value."),
        required("reason", Text()),
        required("manifest_version", Text(), "What could not map it."),
        required("first_seen_at", MOMENT, None, NOW),
        required("last_seen_at", MOMENT, None, NOW),
        required("occurrences", Integer(), None, text("1")),
        Column("resolved_at", MOMENT, comment="When the record was stored after all; null while it waits."),
        PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
        schema=SYNC_SCHEMA,
        comment="Records set aside, each with the reason.",
    )
    Index(
        "dead_letters_waiting_idx",
        *(dead_letters.c.org_id, dead_letters.c.adapter, dead_letters.c.entity, dead_letters.c.external_id),
        postgresql_where=dead_letters.c.resolved_at.is_(None),
    )

    Table(
        "leases",
        metadata,
        *keyed(),
        required("token", BigInteger(), "Grows with every holder; a commit under an older one is refused."),
        required("holder", Text()),
        required("held_since", MOMENT, None, NOW),
        Column("released_at", MOMENT),
        PrimaryKeyConstraint("org_id", "adapter", "entity"),
        schema=SYNC_SCHEMA,
        comment="Who may write under a sync key. The lock itself is a session's advisory lock.",
    )

    Table(
        "redirects",
        metadata,
        *keyed(),
        required("external_id", ID, "The source's id that is gone."),
        required("entity_id", ID, "What references to it hold until they follow the merge."),
        required("kept_id", ID, "The source's id that it became part of; may be gone itself by now."),
        Column("survivor_id", ID, comment="The source's id at the end of the chain; null in a cycle."),
        Column("survivor_entity_id", ID, comment="Ours of the surviving record."),
        Column("merged_at", MOMENT, comment="By the source's clock."),
        required("seen_at", MOMENT, None, NOW),
        PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
        Index("redirects_kept_idx", "org_id", "adapter", "entity", "kept_id"),
        schema=SYNC_SCHEMA,
        comment="Merges as the source told of them, each with the record at the end of its chain.",
    )
