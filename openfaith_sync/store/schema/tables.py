"""The tables as SQLAlchemy metadata: what migrations are compared with, never on the page path.

The bookkeeping of syncs is written out here; the other tables are added from their own files.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from openfaith_sync.store.schema.canonical_tables import add_canonical_tables
from openfaith_sync.store.schema.columns import (
    CANONICAL_SCHEMA,
    ID,
    MOMENT,
    NOW,
    SYNC_SCHEMA,
    ZERO,
    keyed,
    metadata,
    required,
)
from openfaith_sync.store.schema.connection_tables import add_connection_tables
from openfaith_sync.store.schema.outage_tables import add_trouble_tables

__all__ = ["CANONICAL_SCHEMA", "SYNC_SCHEMA", "metadata"]

add_canonical_tables()
add_trouble_tables()
add_connection_tables()

Table(
    "external_links",
    metadata,
    *keyed(),
    required("external_id", ID, "The source's id; unique within its entity only."),
    required("entity_id", ID, "Ours: the id in the canonical table. Another one after a merge."),
    required("content_hash", LargeBinary(), "Of the stored values; equal means nothing to write."),
    Column("source_version", MOMENT, comment="The source's version; an older one never overwrites."),
    Column("deleted_at", MOMENT, comment="When it was tombstoned; null while it lives."),
    Column("merged_into", ID, comment="The source's id of the record that this one became part of."),
    required("first_seen_at", MOMENT, None, NOW),
    required("updated_at", MOMENT, "When a write last went through this link.", NOW),
    required("is_loss", Boolean(), "Whether its tombstone counts toward the safety stop.", text("false")),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    Index("external_links_entity_id_idx", "entity_id"),
    schema=SYNC_SCHEMA,
    comment="Ties the source's ids to ours.",
)

Table(
    "checkpoints",
    metadata,
    *keyed(),
    Column("watermark", MOMENT, comment="Newest source version that a complete pass covers; never goes back."),
    Column("completed_at", MOMENT, comment="When the last complete pass ended; for people, never for the sync."),
    Column("completed_pass_id", BigInteger()),
    Column("manifest_version", Text(), comment="What everything stored was mapped by; null when by more than one."),
    Column("checked_at", MOMENT, comment="When the source was last asked for changes; for people and cadences only."),
    PrimaryKeyConstraint("org_id", "adapter", "entity"),
    schema=SYNC_SCHEMA,
    comment="How far each entity is synced. The place inside an unfinished pass lies with that pass.",
)

_passes = Table(
    "passes",
    metadata,
    required("org_id", ID, "The church; every statement is bound to one."),
    Column("pass_id", BigInteger(), Identity(always=True), nullable=False),
    required("adapter", ID),
    required("entity", ID),
    Column("parent_pass_id", BigInteger(), comment="The pass whose pages these records rode along with."),
    Column("canonical_table", Text(), comment="Where its records went."),
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
    *(_dead_letters.c.org_id, _dead_letters.c.adapter, _dead_letters.c.entity, _dead_letters.c.external_id),
    postgresql_where=_dead_letters.c.resolved_at.is_(None),
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
    Column("merged_at", MOMENT, comment="By the source's clock."),
    required("seen_at", MOMENT, None, NOW),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    Index("redirects_kept_idx", "org_id", "adapter", "entity", "kept_id"),
    schema=SYNC_SCHEMA,
    comment="Merges as the source told of them; followed to their ends in external_links.",
)

Table(
    "listed_ids",
    metadata,
    required("org_id", ID, "The church; every statement is bound to one."),
    required("pass_id", BigInteger()),
    required("external_id", ID),
    Column("listed_version", MOMENT, comment="The version that the listing shows."),
    Column("held_hash", LargeBinary(), comment="The content that we held when it was listed."),
    Column("held_version", MOMENT, comment="The version that we held then."),
    required("was_deleted", Boolean(), "Whether it was tombstoned then.", text("false")),
    PrimaryKeyConstraint("org_id", "pass_id", "external_id"),
    schema=SYNC_SCHEMA,
    comment="What a reconciliation under way has found at the source; emptied when it ends.",
)

Table(
    "deletion_candidates",
    metadata,
    *keyed(),
    required("external_id", ID),
    Column("parent_id", ID, comment="The parent whose listing lacks it, where it is nested."),
    required("first_pass_id", BigInteger()),
    required("last_pass_id", BigInteger()),
    required("times_missed", Integer(), "Complete listings in a row that lacked it.", text("1")),
    required("first_missed_at", MOMENT, None, NOW),
    Column("read_at", MOMENT, comment="When it was last read by its id; null if never."),
    Column("read_pass_id", BigInteger(), comment="The pass that read it last."),
    Column("answer", Text(), comment="What the source said then: alive or refused."),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    schema=SYNC_SCHEMA,
    comment="Live records that a complete listing lacked and that are not proven gone yet.",
)

Table(
    "older_versions",
    metadata,
    *keyed(),
    required("external_id", ID),
    required("version", MOMENT, "The version that the source shows."),
    required("held_version", MOMENT, "The newer version that we hold."),
    required("first_pass_id", BigInteger(), "The reconciliation that found it first."),
    required("first_seen_at", MOMENT, None, NOW),
    Column("agreed_at", MOMENT, comment="When a listing and a reading by id first agreed on it."),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id"),
    schema=SYNC_SCHEMA,
    comment="Records that the last complete listing showed in an older version than ours.",
)

Table(
    "superseded_records",
    metadata,
    *keyed(),
    required("external_id", ID),
    required("entity_id", ID, "Ours: the id in the canonical table."),
    required("version", MOMENT, "The newer version, which is kept here."),
    required("taken_version", MOMENT, "The older version that was stored over it."),
    Column("deleted_at", MOMENT, comment="When the newer version was tombstoned; null when it lived."),
    required("pass_id", BigInteger(), "The reconciliation that stored the older version."),
    Column("record", JSONB(), comment="The canonical row as it was, custom fields included."),
    required("superseded_at", MOMENT, None, NOW),
    PrimaryKeyConstraint("org_id", "pass_id", "adapter", "entity", "external_id"),
    schema=SYNC_SCHEMA,
    comment="Newer versions of records whose source went back to an older one: nothing is lost.",
)

_holds = Table(
    "holds",
    metadata,
    required("org_id", ID, "The church; every statement is bound to one."),
    Column("hold_id", BigInteger(), Identity(always=True), nullable=False),
    required("adapter", ID),
    required("entity", ID),
    required("kind", Text(), "What waits: deletions or older.", text("'deletions'")),
    required("pass_id", BigInteger(), "The pass that stopped."),
    required("missing", Integer(), "Records that would be tombstoned, or stored in an older version."),
    required("live", Integer(), "Records that we held then."),
    required("reason", Text()),
    required("status", Text(), "open, approved, rejected or settled.", text("'open'")),
    Column("approved_up_to", Integer(), comment="So many may go when the check is run again."),
    required("created_at", MOMENT, None, NOW),
    Column("decided_at", MOMENT),
    PrimaryKeyConstraint("org_id", "hold_id"),
    CheckConstraint("status IN ('open', 'approved', 'rejected', 'settled')", name="status"),
    schema=SYNC_SCHEMA,
    comment="Safety stops: deletions and older versions that wait for a person.",
)
Index(
    "holds_open_key",
    *(_holds.c.org_id, _holds.c.adapter, _holds.c.entity, _holds.c.kind),
    unique=True,
    postgresql_where=text("status IN ('open', 'approved')"),
)

Table(
    "parent_listings",
    metadata,
    *keyed(),
    required("parent_id", ID, "The source's id of the parent."),
    Column("parent_hash", LargeBinary(), comment="The parent's content when its list was read."),
    required("listed", ARRAY(Text(collation="C")), "The source's ids that the list held."),
    required("pass_id", BigInteger()),
    required("listed_at", MOMENT, None, NOW),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "parent_id"),
    schema=SYNC_SCHEMA,
    comment="The checkpoint of each parent whose nested records were listed.",
)

_events = Table(
    "webhook_events",
    metadata,
    required("org_id", ID, "The church; every statement is bound to one."),
    required("adapter", ID),
    required("event_id", ID, "The source's id of the event; the same one is stored once."),
    required("name", Text(), "The event's name, or why we ask ourselves."),
    required("entity", ID),
    required("external_id", ID),
    Column("parent_id", ID, comment="The parent's external id, where the record is nested."),
    required("action", Text(), "created, updated, destroyed, merged or check."),
    Column("payload", JSONB(), comment="The resource as the event shows it."),
    Column("event_time", MOMENT, comment="By the source's clock."),
    required("received_at", MOMENT, None, NOW),
    required("not_before", MOMENT, "When it is looked at next.", NOW),
    required("attempts", Integer(), None, ZERO),
    Column("done_at", MOMENT, comment="When it was applied; null while it waits."),
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
    required("org_id", ID, "The church; every statement is bound to one."),
    required("adapter", ID),
    required("name", ID, "The event's name."),
    required("subscription_id", ID, "The source's id of the subscription."),
    required("url", Text()),
    required("secret", LargeBinary(), "Encrypted with the newest of OPENFAITH_SECRET_KEYS."),
    Column("previous_secret", LargeBinary(), comment="Still believed for a while after a rotation."),
    Column("previous_until", MOMENT),
    required("is_active", Boolean(), "As the source said when last asked.", text("true")),
    required("created_at", MOMENT, None, NOW),
    required("checked_at", MOMENT, None, NOW),
    PrimaryKeyConstraint("org_id", "adapter", "name"),
    schema=SYNC_SCHEMA,
    comment="What the source was asked to announce, and with which secret it signs.",
)

Table(
    "orgs",
    metadata,
    required("org_id", ID, "The church; every statement is bound to one."),
    required("time_zone", Text(), "An IANA name; nights are counted in it.", text("'UTC'")),
    required("deletion_count", Integer(), "So many may vanish at once without a person.", text("10")),
    required("deletion_share", Double(), "Or this share of what we hold.", text("0.1")),
    required("rejected_share", Double(), "A sync fails when a larger share was set aside.", text("0.2")),
    required("created_at", MOMENT, None, NOW),
    PrimaryKeyConstraint("org_id"),
    schema=SYNC_SCHEMA,
    comment="What is set for one org; an org without a row has the defaults.",
)

Table(
    "cadences",
    metadata,
    *keyed(),
    required("mode", Text(), "delta, reconciliation or full."),
    required("every", Interval()),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "mode"),
    schema=SYNC_SCHEMA,
    comment="How often an entity of an org is looked at, where it is not the default. Entity * is all of them.",
)

Table(
    "work",
    metadata,
    *keyed(),
    required("mode", Text(), "full, delta, reconciliation, records or subscriptions."),
    Column("not_before", MOMENT, server_default=NOW, comment="When it is due; null until somebody asks for it."),
    required("reason", Text()),
    Column("run_key", Text(), comment="What a run was last asked for with."),
    Column("run_id", Text(), comment="The Dagster run that answers."),
    Column("asked_at", MOMENT),
    required("attempts", Integer(), "Runs in a row that failed or were lost.", ZERO),
    PrimaryKeyConstraint("org_id", "adapter", "entity", "mode"),
    Index("work_due_idx", "mode", "not_before"),
    schema=SYNC_SCHEMA,
    comment="What is to be done and when, one row for each; waiting is a row, never a process. Entity * is all.",
)
