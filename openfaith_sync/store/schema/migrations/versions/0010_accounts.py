"""Accounts: which of the source's accounts an org's records come from."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("account_id", ID, nullable=False, comment="The source's id of it, as first stated."),
        sa.Column("learnt_at", MOMENT, nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("org_id", "adapter", name="accounts_pkey"),
        schema="sync",
        comment="The source's accounts that orgs' records come from; outlives the connection.",
    )
