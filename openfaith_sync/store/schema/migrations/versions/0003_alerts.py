"""Alerts: one row for each cause, and the orgs that it concerns."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("cause", ID, nullable=False, comment="What went wrong, in a word."),
        sa.Column("detail", sa.Text(), nullable=False, comment="What happened last and what to do, for a person."),
        sa.Column(
            "is_general",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="Whether it concerns every org of the adapter.",
        ),
        sa.Column("first_seen_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("last_seen_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("closed_at", MOMENT, comment="When it was over; null while it lasts."),
        sa.PrimaryKeyConstraint("alert_id", name="alerts_pkey"),
        schema="sync",
        comment="What people were told of: one row for each cause, however many orgs it hits.",
    )
    op.create_index(
        "alerts_open_key",
        "alerts",
        ["adapter", "cause"],
        schema="sync",
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "alert_orgs",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("since", MOMENT, nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint("org_id", "alert_id", name="alert_orgs_pkey"),
        schema="sync",
        comment="Whom an open alert concerns.",
    )
    op.create_index("alert_orgs_alert_idx", "alert_orgs", ["alert_id"], schema="sync")
