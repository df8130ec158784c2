"""Erasures: what was erased at a person's request, known by keyed hashes only."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
ORG = "The church; every statement is bound to one."
# The planner needs no samples of raw JSON, and statistics would keep those of an erased person: to gather them anew
# changes nothing where a table has become empty. Naming the type again, which rewrites nothing, drops what there is.
WITHOUT_SAMPLES = (("dead_letters", "raw"), ("webhook_events", "payload"), ("superseded_records", "record"))


def upgrade() -> None:
    op.create_table(
        "erasure_keys",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("secret", sa.LargeBinary(), nullable=False, comment="The key of its hashes, encrypted."),
        sa.PrimaryKeyConstraint("org_id", name="erasure_keys_pkey"),
        schema="sync",
        comment="The key of each church's hashes of erased records.",
    )
    op.create_table(
        "erased_records",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("entity", ID, nullable=False),
        sa.Column("record_hash", ID, nullable=False, comment="A keyed hash of the record's id, as hexadecimal."),
        sa.Column("subject_hash", ID, nullable=False, comment="The same of the person for whose sake it was erased."),
        sa.Column("is_listed", sa.Boolean(), nullable=False, comment="Whether the source still has it."),
        sa.PrimaryKeyConstraint("org_id", "record_hash", name="erased_records_pkey"),
        schema="sync",
        comment="Records that were erased and are not stored again.",
    )
    op.create_table(
        "erasures",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("erasure_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("subject_hash", ID, nullable=False, comment="A keyed hash of the person's id."),
        sa.Column("action", sa.Text(), nullable=False, comment="erase, or allow: it may be stored again."),
        sa.Column("requested_by", sa.Text(), nullable=False, comment="Who ran the command."),
        sa.Column("requested_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("rows", sa.Integer(), nullable=False, comment="How many rows were changed or deleted."),
        sa.PrimaryKeyConstraint("org_id", "erasure_id", name="erasures_pkey"),
        sa.CheckConstraint("action IN ('erase', 'allow')", name="erasures_action_check"),
        schema="sync",
        comment="Who erased whom, and when.",
    )
    for table, column in WITHOUT_SAMPLES:
        op.execute(f"ALTER TABLE sync.{table} ALTER {column} TYPE jsonb, ALTER {column} SET STATISTICS 0")
