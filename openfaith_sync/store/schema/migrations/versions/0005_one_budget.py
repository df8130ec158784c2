"""The ledger of budgets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("bucket", ID, nullable=False, comment="common, or deep for requests far into a listing."),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="One more with each visit."),
        sa.Column("budget", JSONB(), nullable=False, comment="The limit, what is spent and held of it, and who waits."),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("org_id", "adapter", "bucket", name="budgets_pkey"),
        schema="sync",
        comment="How many requests a connection may still make, for all processes that use it.",
    )
