"""Deletions over time: which tombstones count toward the safety stop, and what each candidate answered."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "external_links",
        sa.Column(
            "is_loss",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="Whether its tombstone counts toward the safety stop.",
        ),
        schema="sync",
    )
    for column in (
        sa.Column("read_at", sa.DateTime(timezone=True), comment="When it was last read by its id; null if never."),
        sa.Column("read_pass_id", sa.BigInteger(), comment="The pass that read it last."),
        sa.Column("answer", sa.Text(), comment="What the source said then: alive or refused."),
    ):
        op.add_column("deletion_candidates", column, schema="sync")
