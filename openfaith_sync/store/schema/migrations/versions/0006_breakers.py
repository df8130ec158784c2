"""Breakers: connections whose source does not answer, and providers that are away for every org."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
ZERO = sa.text("0")
ORG = "The church; every statement is bound to one."


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("failing", ARRAY(ID), nullable=False, comment="Different requests that found nobody, in a row."),
        sa.Column("first_failed_at", MOMENT, nullable=False, comment="When the first of them was tried first."),
        sa.Column("last_failed_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="What the last one met."),
        sa.Column("opened_at", MOMENT, comment="Since when only probes are sent; null while it is suspected."),
        sa.Column("probe_at", MOMENT, comment="When the next probe may go out."),
        sa.Column("probes", sa.Integer(), nullable=False, server_default=ZERO, comment="In vain so far."),
        sa.PrimaryKeyConstraint("org_id", "adapter", name="breakers_pkey"),
        schema="sync",
        comment="Connections whose source did not answer lately; a row goes with the first answer.",
    )
    op.create_index("breakers_adapter_idx", "breakers", ["adapter"], schema="sync")
    op.create_table(
        "adapter_breakers",
        sa.Column("adapter", ID, nullable=False),
        sa.Column(
            "opened_at",
            MOMENT,
            nullable=False,
            server_default=sa.text("now()"),
            comment="Since when only probes are sent, for any org.",
        ),
        sa.Column("probe_at", MOMENT, nullable=False, comment="When the next probe may go out."),
        sa.Column("probes", sa.Integer(), nullable=False, server_default=ZERO, comment="In vain so far."),
        sa.Column("reason", sa.Text(), nullable=False, comment="What the last request met."),
        sa.PrimaryKeyConstraint("adapter", name="adapter_breakers_pkey"),
        schema="sync",
        comment="Providers that are away for every org.",
    )
