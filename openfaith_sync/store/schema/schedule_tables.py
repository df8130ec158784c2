"""The tables of the schedule as SQLAlchemy metadata."""

from sqlalchemy import Column, Double, Index, Integer, Interval, PrimaryKeyConstraint, Table, Text, text

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, ZERO, keyed, metadata, required


def add_schedule_tables() -> None:
    """Write the tables of the schedule: orgs, cadences and due work."""
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
