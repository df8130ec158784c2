"""Where the records of an org differ from what the manifest says of them."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")


def _now(comment: str, name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()"), comment=comment)


def upgrade() -> None:
    op.create_table(
        "schema_drift",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False, comment="The source."),
        sa.Column("entity", ID, nullable=False, comment="The adapter's entity."),
        sa.Column("kind", ID, nullable=False, comment="How it differs: appeared, vanished, retyped or version."),
        sa.Column("name", ID, nullable=False, comment="The attribute, or the API version that was asked for."),
        sa.Column("found", sa.Text(), nullable=False, comment="The type of its values, or the version answered in."),
        _now("When a sync first met it.", "first_seen_at"),
        _now("When a sync last met it.", "last_seen_at"),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "kind", "name", name="schema_drift_pkey"),
        schema="sync",
        comment="Where the records of an org differ from what the manifest says of them; no value of a record.",
    )
