"""Sensitive entities: synced only for orgs that turn them on."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "sensitive_entities",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("entity", ID, nullable=False),
        sa.Column("turned_on_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", name="sensitive_entities_pkey"),
        schema="sync",
        comment="The sensitive entities that orgs have synced; outlives the connection.",
    )
