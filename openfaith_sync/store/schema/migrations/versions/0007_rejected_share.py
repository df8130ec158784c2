"""Which share of an org's records may be set aside before a sync fails."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "orgs",
        sa.Column(
            "rejected_share",
            sa.Double(),
            nullable=False,
            server_default=sa.text("0.2"),
            comment="A sync fails when a larger share was set aside.",
        ),
        schema="sync",
    )
