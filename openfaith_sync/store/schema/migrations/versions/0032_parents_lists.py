"""Lists of parents: what makes one due, how far its changes were read, and how far back an org reads them."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    due_at = sa.Column("due_at", moment, comment="Since when an event makes the list due; null for none.")
    op.add_column("parent_listings", due_at, schema="sync")
    watermark = sa.Column("watermark", moment, comment="The newest version of the list that was read, by the source.")
    op.add_column("parent_listings", watermark, schema="sync")
    history = sa.Column(
        "history_months",
        sa.Integer(),
        nullable=False,
        server_default="24",
        comment="How far back records are read that cost a request for each parent.",
    )
    op.add_column("orgs", history, schema="sync")
