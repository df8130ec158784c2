"""Selections: the modules and entities that an org chose to sync."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "selections",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False),
        sa.Column(
            "only_these", ARRAY(ID), nullable=False, comment="Modules and entities of the manifest, as they were named."
        ),
        sa.Column("chosen_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.PrimaryKeyConstraint("org_id", "adapter", name="selections_pkey"),
        schema="sync",
        comment="What orgs chose to sync, where that is not everything; outlives the connection.",
    )
