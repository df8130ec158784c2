"""The tables of trouble with sources, as SQLAlchemy metadata: who was told of it."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, PrimaryKeyConstraint, Table, Text, text

from openfaith_sync.store.columns import ID, MOMENT, NOW, SYNC_SCHEMA, metadata, required


def add_trouble_tables() -> None:
    """Write them all into the metadata."""
    alerts = Table(
        "alerts",
        metadata,
        Column("alert_id", BigInteger(), Identity(always=True), nullable=False),
        required("adapter", ID),
        required("cause", ID, "What went wrong, in a word."),
        required("detail", Text(), "What happened last and what to do, for a person."),
        required("is_general", Boolean(), "Whether it concerns every org of the adapter.", text("false")),
        required("first_seen_at", MOMENT, None, NOW),
        required("last_seen_at", MOMENT, None, NOW),
        Column("closed_at", MOMENT, comment="When it was over; null while it lasts."),
        PrimaryKeyConstraint("alert_id"),
        schema=SYNC_SCHEMA,
        comment="What people were told of: one row for each cause, however many orgs it hits.",
    )
    Index(
        "alerts_open_key", alerts.c.adapter, alerts.c.cause, unique=True, postgresql_where=alerts.c.closed_at.is_(None)
    )
    Table(
        "alert_orgs",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("alert_id", BigInteger()),
        required("since", MOMENT, None, NOW),
        PrimaryKeyConstraint("org_id", "alert_id"),
        Index("alert_orgs_alert_idx", "alert_id"),
        schema=SYNC_SCHEMA,
        comment="Whom an open alert concerns.",
    )
