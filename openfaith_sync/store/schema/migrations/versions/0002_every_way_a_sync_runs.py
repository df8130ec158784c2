"""Memberships, merges, deletions with evidence, the inbox of webhooks, and work that waits."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
ZERO = sa.text("0")
ORG = "The church; every statement is bound to one."


def required(
    name: str, kind: sa.types.TypeEngine[Any], comment: str | None = None, default: sa.TextClause | None = None
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, comment=comment, server_default=default)


def moment(name: str, comment: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, comment=comment)


def keyed() -> list[sa.Column[Any]]:
    return [required("org_id", ID, ORG), required("adapter", ID), required("entity", ID)]


def create_canonical(name: str, *own: sa.Column[Any], indexed: tuple[str, ...]) -> None:
    op.create_table(
        name,
        required("id", ID, "TypeID, derived from the record's identity at its source."),
        required("org_id", ID, ORG),
        required("type", ID, "The adapter's entity that the record came as."),
        *own,
        required("status", sa.Text(), "active or inactive, as the source says.", sa.text("'active'")),
        required("tags", JSONB(), None, sa.text("'[]'")),
        required(
            "custom_fields",
            JSONB(),
            "What the source sent that has no column, as <adapter>_<attribute>.",
            sa.text("'{}'"),
        ),
        moment("created_at", "The source's."),
        moment("updated_at", "The source's."),
        moment("inactivated_at", "The source's."),
        moment("deleted_at", "When we learnt that the source has it no more; null while it lives."),
        required("synced_at", MOMENT, "When this row last changed here.", NOW),
        sa.PrimaryKeyConstraint("org_id", "id", name=f"{name}_pkey"),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f(f"{name}_status_check")),
        schema="openfaith",
    )
    for column in indexed:
        op.create_index(f"{name}_org_id_{column}_idx", name, ["org_id", column], schema="openfaith")


def upgrade() -> None:
    create_memberships()
    add_columns()
    create_deletion_tables()
    create_inbox_tables()
    create_work_tables()


def create_memberships() -> None:
    create_canonical(
        "household_memberships",
        sa.Column("household_id", ID),
        sa.Column("person_id", ID),
        sa.Column("role", sa.Text()),
        sa.Column("pending", sa.Boolean()),
        indexed=("household_id", "person_id"),
    )
    create_canonical(
        "group_memberships",
        sa.Column("group_id", ID),
        sa.Column("person_id", ID),
        sa.Column("role", sa.Text()),
        moment("joined_at"),
        indexed=("group_id", "person_id"),
    )


def add_columns() -> None:
    op.add_column(
        "people",
        sa.Column("merged_into_id", ID, comment="The record that this one became part of, at its source."),
        schema="openfaith",
    )
    op.add_column(
        "external_links",
        sa.Column("merged_into", ID, comment="The source's id of the record that this one became part of."),
        schema="sync",
    )
    op.add_column(
        "checkpoints",
        moment("checked_at", "When the source was last asked for changes; for people and cadences only."),
        schema="sync",
    )
    op.add_column(
        "passes", sa.Column("report", JSONB(), comment="What else it found: what, how many, why."), schema="sync"
    )


def create_deletion_tables() -> None:
    op.create_table(
        "redirects",
        *keyed(),
        required("external_id", ID, "The source's id that is gone."),
        required("entity_id", ID, "What references to it hold until they follow the merge."),
        required("kept_id", ID, "The source's id that it became part of; may be gone itself by now."),
        moment("merged_at", "By the source's clock."),
        required("seen_at", MOMENT, None, NOW),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id", name="redirects_pkey"),
        schema="sync",
        comment="Merges as the source told of them; followed to their ends in external_links.",
    )
    op.create_index("redirects_kept_idx", "redirects", ["org_id", "adapter", "entity", "kept_id"], schema="sync")
    op.create_table(
        "listed_ids",
        required("org_id", ID, ORG),
        required("pass_id", sa.BigInteger()),
        required("external_id", ID),
        sa.Column("held_hash", sa.LargeBinary(), comment="The content that we held when it was listed."),
        moment("held_version", "The version that we held then."),
        required("was_deleted", sa.Boolean(), "Whether it was tombstoned then.", sa.text("false")),
        sa.PrimaryKeyConstraint("org_id", "pass_id", "external_id", name="listed_ids_pkey"),
        schema="sync",
        comment="What a reconciliation under way has found at the source; emptied when it ends.",
    )
    op.create_table(
        "deletion_candidates",
        *keyed(),
        required("external_id", ID),
        sa.Column("parent_id", ID, comment="The parent whose listing lacks it, where it is nested."),
        required("first_pass_id", sa.BigInteger()),
        required("last_pass_id", sa.BigInteger()),
        required("times_missed", sa.Integer(), "Complete listings in a row that lacked it.", sa.text("1")),
        required("first_missed_at", MOMENT, None, NOW),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id", name="deletion_candidates_pkey"),
        schema="sync",
        comment="Live records that a complete listing lacked and that are not proven gone yet.",
    )
    op.create_table(
        "holds",
        required("org_id", ID, ORG),
        sa.Column("hold_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        required("adapter", ID),
        required("entity", ID),
        required("pass_id", sa.BigInteger(), "The pass that stopped."),
        required("missing", sa.Integer(), "Records that would be tombstoned."),
        required("live", sa.Integer(), "Records that we held then."),
        required("reason", sa.Text()),
        required("status", sa.Text(), "open, approved, rejected or settled.", sa.text("'open'")),
        sa.Column("approved_up_to", sa.Integer(), comment="So many may go when the check is run again."),
        required("created_at", MOMENT, None, NOW),
        moment("decided_at"),
        sa.PrimaryKeyConstraint("org_id", "hold_id", name="holds_pkey"),
        sa.CheckConstraint("status IN ('open', 'approved', 'rejected', 'settled')", name=op.f("holds_status_check")),
        schema="sync",
        comment="Safety stops: deletions that wait for a person.",
    )
    op.create_index(
        "holds_open_key",
        "holds",
        ["org_id", "adapter", "entity"],
        unique=True,
        schema="sync",
        postgresql_where=sa.text("status IN ('open', 'approved')"),
    )
    op.create_table(
        "parent_listings",
        *keyed(),
        required("parent_id", ID, "The source's id of the parent."),
        sa.Column("parent_hash", sa.LargeBinary(), comment="The parent's content when its list was read."),
        required("listed", ARRAY(sa.Text(collation="C")), "The source's ids that the list held."),
        required("pass_id", sa.BigInteger()),
        required("listed_at", MOMENT, None, NOW),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "parent_id", name="parent_listings_pkey"),
        schema="sync",
        comment="The checkpoint of each parent whose nested records were listed.",
    )


def create_inbox_tables() -> None:
    op.create_table(
        "webhook_events",
        required("org_id", ID, ORG),
        required("adapter", ID),
        required("event_id", ID, "The source's id of the event; the same one is stored once."),
        required("name", sa.Text(), "The event's name, or why we ask ourselves."),
        required("entity", ID),
        required("external_id", ID),
        sa.Column("parent_id", ID, comment="The parent's external id, where the record is nested."),
        required("action", sa.Text(), "created, updated, destroyed, merged or check."),
        sa.Column("payload", JSONB(), comment="The resource as the event shows it."),
        moment("event_time", "By the source's clock."),
        required("received_at", MOMENT, None, NOW),
        required("not_before", MOMENT, "When it is looked at next.", NOW),
        required("attempts", sa.Integer(), None, ZERO),
        moment("done_at", "When it was applied; null while it waits."),
        sa.Column("outcome", sa.Text()),
        sa.PrimaryKeyConstraint("org_id", "adapter", "event_id", name="webhook_events_pkey"),
        schema="sync",
        comment="The inbox: records that are to be read fresh by id, because the source or a conflict said so.",
    )
    op.create_index(
        "webhook_events_waiting_idx",
        "webhook_events",
        ["org_id", "adapter", "not_before"],
        schema="sync",
        postgresql_where=sa.text("done_at IS NULL"),
    )
    op.create_index(
        "webhook_events_record_idx",
        "webhook_events",
        ["org_id", "adapter", "entity", "external_id", "received_at"],
        schema="sync",
    )
    op.create_table(
        "webhook_subscriptions",
        required("org_id", ID, ORG),
        required("adapter", ID),
        required("name", ID, "The event's name."),
        required("subscription_id", ID, "The source's id of the subscription."),
        required("url", sa.Text()),
        required("secret", sa.LargeBinary(), "Encrypted with the newest of OPENFAITH_SECRET_KEYS."),
        sa.Column("previous_secret", sa.LargeBinary(), comment="Still believed for a while after a rotation."),
        moment("previous_until"),
        required("is_active", sa.Boolean(), "As the source said when last asked.", sa.text("true")),
        required("created_at", MOMENT, None, NOW),
        required("checked_at", MOMENT, None, NOW),
        sa.PrimaryKeyConstraint("org_id", "adapter", "name", name="webhook_subscriptions_pkey"),
        schema="sync",
        comment="What the source was asked to announce, and with which secret it signs.",
    )


def create_work_tables() -> None:
    op.create_table(
        "orgs",
        required("org_id", ID, ORG),
        required("time_zone", sa.Text(), "An IANA name; nights are counted in it.", sa.text("'UTC'")),
        required("deletion_count", sa.Integer(), "So many may vanish at once without a person.", sa.text("10")),
        required("deletion_share", sa.Double(), "Or this share of what we hold.", sa.text("0.1")),
        required("created_at", MOMENT, None, NOW),
        sa.PrimaryKeyConstraint("org_id", name="orgs_pkey"),
        schema="sync",
        comment="What is set for one org; an org without a row has the defaults.",
    )
    op.create_table(
        "cadences",
        *keyed(),
        required("mode", sa.Text(), "delta, reconciliation or full."),
        required("every", sa.Interval()),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "mode", name="cadences_pkey"),
        schema="sync",
        comment="How often an entity of an org is looked at, where it is not the default. Entity * is all of them.",
    )
    op.create_table(
        "work",
        *keyed(),
        required("mode", sa.Text(), "full, delta, reconciliation, records or subscriptions."),
        sa.Column("not_before", MOMENT, server_default=NOW, comment="When it is due; null until somebody asks for it."),
        required("reason", sa.Text()),
        sa.Column("run_key", sa.Text(), comment="What a run was last asked for with."),
        sa.Column("run_id", sa.Text(), comment="The Dagster run that answers."),
        moment("asked_at"),
        required("attempts", sa.Integer(), "Runs in a row that failed or were lost.", ZERO),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "mode", name="work_pkey"),
        schema="sync",
        comment="What is to be done and when, one row for each; waiting is a row, never a process. Entity * is all.",
    )
    op.create_index("work_due_idx", "work", ["mode", "not_before"], schema="sync")
