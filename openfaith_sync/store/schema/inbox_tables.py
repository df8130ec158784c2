"""The tables of webhooks as SQLAlchemy metadata."""

from sqlalchemy import Boolean, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, ZERO, metadata, required


def add_inbox_tables() -> None:
    """Write the tables of webhooks: the inbox and the subscriptions."""
    events = Table(
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
        *(events.c.org_id, events.c.adapter, events.c.not_before),
        postgresql_where=events.c.done_at.is_(None),
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
