"""What Dagster was last told of each org, so that it is told only what differs."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "dagster_reports",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False, comment="The source."),
        sa.Column("entity", ID, nullable=False, comment="The entity; * for the connection as a whole."),
        sa.Column("name", ID, nullable=False, comment="The check, or materialization."),
        sa.Column("is_ok", sa.Boolean(), nullable=False, comment="Whether Dagster was told that all is well."),
        sa.Column(
            "digest",
            sa.Text(),
            nullable=False,
            server_default=sa.text("''"),
            comment="Changes with what Dagster was told.",
        ),
        sa.Column(
            "reported_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
            comment="When Dagster was told.",
        ),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "name", name="dagster_reports_pkey"),
        schema="sync",
        comment="What Dagster was last told of each org: it is told only what differs, and everything once a day.",
    )
    # Of healthy orgs nothing is read: what is to be told again is found by its time, the rest by what was told.
    op.create_index(
        "dagster_reports_problems_idx",
        "dagster_reports",
        ["adapter"],
        schema="sync",
        postgresql_where=sa.text("NOT is_ok OR digest <> ''"),
    )
    op.create_index(
        "dagster_reports_due_idx",
        "dagster_reports",
        ["adapter", "reported_at"],
        schema="sync",
        postgresql_where=sa.text("entity = '*'"),
    )
