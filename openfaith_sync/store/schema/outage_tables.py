"""The tables of outages as SQLAlchemy metadata: alerts, breakers and incidents."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, PrimaryKeyConstraint, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, ZERO, metadata, required


def add_outage_tables() -> None:
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
    Table(
        "breakers",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("adapter", ID),
        required("failing", ARRAY(Text(collation="C")), "Different requests that found nobody, in a row."),
        required("first_failed_at", MOMENT, "When the first of them was tried first."),
        required("last_failed_at", MOMENT),
        required("reason", Text(), "What the last one met."),
        Column("opened_at", MOMENT, comment="Since when only probes are sent; null while it is suspected."),
        Column("probe_at", MOMENT, comment="When the next probe may go out."),
        required("probes", Integer(), "In vain so far.", ZERO),
        PrimaryKeyConstraint("org_id", "adapter"),
        Index("breakers_adapter_idx", "adapter"),
        schema=SYNC_SCHEMA,
        comment="Connections whose source did not answer lately; a row goes with the first answer.",
    )
    Table(
        "adapter_breakers",
        metadata,
        required("adapter", ID),
        required("opened_at", MOMENT, "Since when only probes are sent, for any org.", NOW),
        required("probe_at", MOMENT, "When the next probe may go out."),
        required("probes", Integer(), "In vain so far.", ZERO),
        required("reason", Text(), "What the last request met."),
        PrimaryKeyConstraint("adapter"),
        schema=SYNC_SCHEMA,
        comment="Providers that are away for every org.",
    )
    Table(
        "refusal_incidents",
        metadata,
        required("adapter", ID),
        required("entity", ID),
        required("opened_at", MOMENT, "Since when only probes ask for it, for any org.", NOW),
        required("probe_at", MOMENT, "When the next probe may go out."),
        required("probes", Integer(), "In vain so far.", ZERO),
        required("reason", Text(), "What the source answered."),
        PrimaryKeyConstraint("adapter", "entity"),
        schema=SYNC_SCHEMA,
        comment="Entities that a source refuses to many orgs at once.",
    )
