"""The tables as SQLAlchemy metadata: what migrations are compared with, never on the page path.

Canonical tables are built from ``domain/canonical.py``; bookkeeping is written out here.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TextClause,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from openfaith_sync.domain.canonical import CANONICAL_TABLES, CanonicalTable, ColumnType

CANONICAL_SCHEMA = "openfaith"
SYNC_SCHEMA = "sync"
DAGSTER_SCHEMA = "dagster"

# Ids are compared byte by byte: quicker than a language's order, and an index
# on them stays right when the machine's C library changes its sorting.
_ID = Text(collation="C")
_MOMENT = DateTime(timezone=True)
_TYPES: dict[ColumnType, TypeEngine[Any]] = {
    ColumnType.TEXT: Text(),
    ColumnType.BOOLEAN: Boolean(),
    ColumnType.INTEGER: Integer(),
    ColumnType.FLOAT: Double(),
    ColumnType.DATE: Date(),
    ColumnType.TIMESTAMP: _MOMENT,
    ColumnType.REFERENCE: _ID,
}
_NOW = text("now()")
_ZERO = text("0")

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def _required(
    name: str, kind: TypeEngine[Any], comment: str | None = None, default: TextClause | None = None
) -> Column[Any]:
    return Column(name, kind, nullable=False, server_default=default, comment=comment)


def _keyed() -> Iterator[Column[Any]]:
    """Give the columns of a sync key, the org first."""
    yield _required("org_id", _ID, "The church; every statement is bound to one.")
    yield _required("adapter", _ID)
    yield _required("entity", _ID)


def _merged(table: CanonicalTable) -> Iterator[Column[Any]]:
    if table.has_merges:
        yield Column("merged_into_id", _ID, comment="The record that this one became part of, at its source.")


def _canonical(table: CanonicalTable) -> Table:
    return Table(
        table.name,
        metadata,
        _required("id", _ID, "TypeID, derived from the record's identity at its source."),
        _required("org_id", _ID, "The church; every statement is bound to one."),
        _required("type", _ID, "The adapter's entity that the record came as."),
        *(Column(column.name, _TYPES[column.type]) for column in table.own),
        *_merged(table),
        _required("status", Text(), "active or inactive, as the source says.", text("'active'")),
        _required("tags", JSONB(), None, text("'[]'")),
        _required(
            "custom_fields", JSONB(), "What the source sent that has no column, as <adapter>_<attribute>.", text("'{}'")
        ),
        Column("created_at", _MOMENT, comment="The source's."),
        Column("updated_at", _MOMENT, comment="The source's."),
        Column("inactivated_at", _MOMENT, comment="The source's."),
        Column("deleted_at", _MOMENT, comment="When we learnt that the source has it no more; null while it lives."),
        _required("synced_at", _MOMENT, "When this row last changed here.", _NOW),
        PrimaryKeyConstraint("org_id", "id"),
        CheckConstraint("status IN ('active', 'inactive')", name="status"),
        *(Index(None, "org_id", column) for column in table.indexed),
        schema=CANONICAL_SCHEMA,
    )


for _table in CANONICAL_TABLES.values():
    _canonical(_table)

Table(
    "connections",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    _required("adapter", _ID),
    _required("base_url", Text()),
    _required("auth_method", Text(), "basic, bearer or oauth2."),
    _required("secret", LargeBinary(), "The credentials, encrypted with the newest of OPENFAITH_SECRET_KEYS."),
    _required("status", Text(), "active, paused or reconnect_needed.", text("'active'")),
    Column("status_reason", Text()),
    _required("created_at", _MOMENT, None, _NOW),
    _required("updated_at", _MOMENT, None, _NOW),
    PrimaryKeyConstraint("org_id", "adapter"),
    CheckConstraint("status IN ('active', 'paused', 'reconnect_needed')", name="status"),
    schema=SYNC_SCHEMA,
    comment="An org's authorised links to external systems.",
)

Table(
    "external_links",
    metadata,
    *_keyed(),
    _required("external_id", _ID, "The source's id; unique within its entity only."),
    _required("entity_id", _ID, "Ours: the id in the canonical table. Another one after a merge."),
    _required("content_hash", LargeBinary(), "Of the stored values; equal means nothing to write."),
    Column("source_version", _MOMENT, comment="The source's version; an older one never overwrites."),
    Column("deleted_at", _MOMENT, comment="When it was tombstoned; null while it lives."),
    Column("merged_into", _ID, comment="The source's id of the record that this one became part of."),
    _required("first_seen_at", _MOMENT, None, _NOW),
    _required("updated_at", _MOMENT, "When a write last went through this link.", _NOW),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    schema=SYNC_SCHEMA,
    comment="Ties the source's ids to ours.",
)

Table(
    "checkpoints",
    metadata,
    *_keyed(),
    Column("watermark", _MOMENT, comment="Newest source version that a complete pass covers; never goes back."),
    Column("completed_at", _MOMENT, comment="When the last complete pass ended; for people, never for the sync."),
    Column("completed_pass_id", BigInteger()),
    Column("manifest_version", Text(), comment="What everything stored was mapped by; null when by more than one."),
    Column("checked_at", _MOMENT, comment="When the source was last asked for changes; for people and cadences only."),
    PrimaryKeyConstraint("org_id", "adapter", "entity"),
    schema=SYNC_SCHEMA,
    comment="How far each entity is synced. The place inside an unfinished pass lies with that pass.",
)

_passes = Table(
    "passes",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    Column("pass_id", BigInteger(), Identity(always=True), nullable=False),
    _required("adapter", _ID),
    _required("entity", _ID),
    Column("parent_pass_id", BigInteger(), comment="The pass whose pages these records rode along with."),
    Column("canonical_table", Text(), comment="Where its records went."),
    _required("mode", Text(), "full, delta, reconciliation or sideload."),
    _required("trigger", Text(), "Who asked: cli, dagster, sensor."),
    _required("status", Text(), "open, complete or abandoned.", text("'open'")),
    _required("place", JSONB(), "Where an open pass goes on.", text("'[]'")),
    *(_required(name, Integer(), None, _ZERO) for name in ("created", "updated", "unchanged", "tombstoned", "dead")),
    _required("pages", Integer(), None, _ZERO),
    _required("requests", Integer(), None, _ZERO),
    _required("waited", Interval(), "How long the provider's budget held it back.", text("'0'")),
    Column("watermark_from", _MOMENT, comment="What a delta started from."),
    Column("watermark_to", _MOMENT, comment="What it covers once complete."),
    Column("newest", _MOMENT, comment="Newest source version committed so far."),
    _required("manifest_version", Text()),
    Column("run_id", Text(), comment="The Dagster run."),
    Column("report", JSONB(), comment="What else it found: what, how many, why."),
    _required("started_at", _MOMENT, None, _NOW),
    Column("ended_at", _MOMENT),
    PrimaryKeyConstraint("org_id", "pass_id"),
    CheckConstraint("status IN ('open', 'complete', 'abandoned')", name="status"),
    schema=SYNC_SCHEMA,
    comment="One row a walk through one entity's listing.",
)
_IS_RIDER = _passes.c.parent_pass_id.is_not(None)
Index(
    "passes_open_key",
    *(_passes.c.org_id, _passes.c.adapter, _passes.c.entity),
    unique=True,
    postgresql_where=text("status = 'open' AND parent_pass_id IS NULL"),
)
Index("passes_key_idx", _passes.c.org_id, _passes.c.adapter, _passes.c.entity, _passes.c.pass_id)
Index("passes_rider_idx", _passes.c.org_id, _passes.c.parent_pass_id, postgresql_where=_IS_RIDER)

_dead_letters = Table(
    "dead_letters",
    metadata,
    *_keyed(),
    _required("external_id", _ID),
    _required("raw", JSONB(), "The record as the source sent it."),
    _required("field", Text()),
    _required("value_type", Text(), "The type found there; never the value."),
    _required("reason", Text()),
    _required("manifest_version", Text(), "What could not map it."),
    _required("first_seen_at", _MOMENT, None, _NOW),
    _required("last_seen_at", _MOMENT, None, _NOW),
    _required("occurrences", Integer(), None, text("1")),
    Column("resolved_at", _MOMENT, comment="When the record was stored after all; null while it waits."),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    schema=SYNC_SCHEMA,
    comment="Records set aside, each with the reason.",
)
Index(
    "dead_letters_waiting_idx",
    *(_dead_letters.c.org_id, _dead_letters.c.adapter, _dead_letters.c.entity, _dead_letters.c.external_id),
    postgresql_where=_dead_letters.c.resolved_at.is_(None),
)

Table(
    "leases",
    metadata,
    *_keyed(),
    _required("token", BigInteger(), "Grows with every holder; a commit under an older one is refused."),
    _required("holder", Text()),
    _required("held_since", _MOMENT, None, _NOW),
    Column("released_at", _MOMENT),
    PrimaryKeyConstraint("org_id", "adapter", "entity"),
    schema=SYNC_SCHEMA,
    comment="Who may write under a sync key. The lock itself is a session's advisory lock.",
)

Table(
    "redirects",
    metadata,
    *_keyed(),
    _required("external_id", _ID, "The source's id that is gone."),
    _required("entity_id", _ID, "What references to it hold until they follow the merge."),
    _required("kept_id", _ID, "The source's id that it became part of; may be gone itself by now."),
    Column("merged_at", _MOMENT, comment="By the source's clock."),
    _required("seen_at", _MOMENT, None, _NOW),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    Index("redirects_kept_idx", "org_id", "adapter", "entity", "kept_id"),
    schema=SYNC_SCHEMA,
    comment="Merges as the source told of them; followed to their ends in external_links.",
)

Table(
    "listed_ids",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    _required("pass_id", BigInteger()),
    _required("external_id", _ID),
    Column("held_hash", LargeBinary(), comment="The content that we held when it was listed."),
    Column("held_version", _MOMENT, comment="The version that we held then."),
    _required("was_deleted", Boolean(), "Whether it was tombstoned then.", text("false")),
    PrimaryKeyConstraint("org_id", "pass_id", "external_id"),
    schema=SYNC_SCHEMA,
    comment="What a reconciliation under way has found at the source; emptied when it ends.",
)

Table(
    "deletion_candidates",
    metadata,
    *_keyed(),
    _required("external_id", _ID),
    Column("parent_id", _ID, comment="The parent whose listing lacks it, where it is nested."),
    _required("first_pass_id", BigInteger()),
    _required("last_pass_id", BigInteger()),
    _required("times_missed", Integer(), "Complete listings in a row that lacked it.", text("1")),
    _required("first_missed_at", _MOMENT, None, _NOW),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    schema=SYNC_SCHEMA,
    comment="Live records that a complete listing lacked and that are not proven gone yet.",
)

_holds = Table(
    "holds",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    Column("hold_id", BigInteger(), Identity(always=True), nullable=False),
    _required("adapter", _ID),
    _required("entity", _ID),
    _required("pass_id", BigInteger(), "The pass that stopped."),
    _required("missing", Integer(), "Records that would be tombstoned."),
    _required("live", Integer(), "Records that we held then."),
    _required("reason", Text()),
    _required("status", Text(), "open, approved, rejected or settled.", text("'open'")),
    Column("approved_up_to", Integer(), comment="So many may go when the check is run again."),
    _required("created_at", _MOMENT, None, _NOW),
    Column("decided_at", _MOMENT),
    PrimaryKeyConstraint("org_id", "hold_id"),
    CheckConstraint("status IN ('open', 'approved', 'rejected', 'settled')", name="status"),
    schema=SYNC_SCHEMA,
    comment="Safety stops: deletions that wait for a person.",
)
Index(
    "holds_open_key",
    *(_holds.c.org_id, _holds.c.adapter, _holds.c.entity),
    unique=True,
    postgresql_where=text("status IN ('open', 'approved')"),
)

Table(
    "parent_listings",
    metadata,
    *_keyed(),
    _required("parent_id", _ID, "The source's id of the parent."),
    Column("parent_hash", LargeBinary(), comment="The parent's content when its list was read."),
    _required("listed", ARRAY(Text(collation="C")), "The source's ids that the list held."),
    _required("pass_id", BigInteger()),
    _required("listed_at", _MOMENT, None, _NOW),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "parent_id"),
    schema=SYNC_SCHEMA,
    comment="The checkpoint of each parent whose nested records were listed.",
)

_events = Table(
    "webhook_events",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    _required("adapter", _ID),
    _required("event_id", _ID, "The source's id of the event; the same one is stored once."),
    _required("name", Text(), "The event's name, or why we ask ourselves."),
    _required("entity", _ID),
    _required("external_id", _ID),
    Column("parent_id", _ID, comment="The parent's external id, where the record is nested."),
    _required("action", Text(), "created, updated, destroyed, merged or check."),
    Column("payload", JSONB(), comment="The resource as the event shows it."),
    Column("event_time", _MOMENT, comment="By the source's clock."),
    _required("received_at", _MOMENT, None, _NOW),
    _required("not_before", _MOMENT, "When it is looked at next.", _NOW),
    _required("attempts", Integer(), None, _ZERO),
    Column("done_at", _MOMENT, comment="When it was applied; null while it waits."),
    Column("outcome", Text()),
    PrimaryKeyConstraint("org_id", "adapter", "event_id"),
    Index("webhook_events_record_idx", "org_id", "adapter", "entity", "external_id", "received_at"),
    schema=SYNC_SCHEMA,
    comment="The inbox: records that are to be read fresh by id, because the source or a conflict said so.",
)
Index(
    "webhook_events_waiting_idx",
    *(_events.c.org_id, _events.c.adapter, _events.c.not_before),
    postgresql_where=_events.c.done_at.is_(None),
)

Table(
    "webhook_subscriptions",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    _required("adapter", _ID),
    _required("name", _ID, "The event's name."),
    _required("subscription_id", _ID, "The source's id of the subscription."),
    _required("url", Text()),
    _required("secret", LargeBinary(), "Encrypted with the newest of OPENFAITH_SECRET_KEYS."),
    Column("previous_secret", LargeBinary(), comment="Still believed for a while after a rotation."),
    Column("previous_until", _MOMENT),
    _required("is_active", Boolean(), "As the source said when last asked.", text("true")),
    _required("created_at", _MOMENT, None, _NOW),
    _required("checked_at", _MOMENT, None, _NOW),
    PrimaryKeyConstraint("org_id", "adapter", "name"),
    schema=SYNC_SCHEMA,
    comment="What the source was asked to announce, and with which secret it signs.",
)

Table(
    "orgs",
    metadata,
    _required("org_id", _ID, "The church; every statement is bound to one."),
    _required("time_zone", Text(), "An IANA name; nights are counted in it.", text("'UTC'")),
    _required("deletion_count", Integer(), "So many may vanish at once without a person.", text("10")),
    _required("deletion_share", Double(), "Or this share of what we hold.", text("0.1")),
    _required("created_at", _MOMENT, None, _NOW),
    PrimaryKeyConstraint("org_id"),
    schema=SYNC_SCHEMA,
    comment="What is set for one org; an org without a row has the defaults.",
)

Table(
    "cadences",
    metadata,
    *_keyed(),
    _required("mode", Text(), "delta, reconciliation or full."),
    _required("every", Interval()),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "mode"),
    schema=SYNC_SCHEMA,
    comment="How often an entity of an org is looked at, where it is not the default. Entity * is all of them.",
)

Table(
    "work",
    metadata,
    *_keyed(),
    _required("mode", Text(), "full, delta, reconciliation, records or subscriptions."),
    Column("not_before", _MOMENT, server_default=_NOW, comment="When it is due; null until somebody asks for it."),
    _required("reason", Text()),
    Column("run_key", Text(), comment="What a run was last asked for with."),
    Column("run_id", Text(), comment="The Dagster run that answers."),
    Column("asked_at", _MOMENT),
    _required("attempts", Integer(), "Runs in a row that failed or were lost.", _ZERO),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "mode"),
    Index("work_due_idx", "mode", "not_before"),
    schema=SYNC_SCHEMA,
    comment="What is to be done and when, one row for each; waiting is a row, never a process. Entity * is all.",
)
