"""The tables of deletions and their evidence as SQLAlchemy metadata."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, keyed, metadata, required


def add_deletion_tables() -> None:
    """Write the tables of deletions: listed ids, candidates, older versions, holds and parent listings."""
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

    holds = Table(
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
        *(holds.c.org_id, holds.c.adapter, holds.c.entity, holds.c.kind),
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
