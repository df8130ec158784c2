"""Older versions: what the source went back to, what was stored over for it, and holds of two kinds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
ORG = "The church; every statement is bound to one."


def _keyed() -> tuple[sa.Column, ...]:  # type: ignore[type-arg]
    return (
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("entity", ID, nullable=False),
        sa.Column("external_id", ID, nullable=False),
    )


def upgrade() -> None:
    op.add_column(
        "listed_ids",
        sa.Column("listed_version", MOMENT, comment="The version that the listing shows."),
        schema="sync",
    )
    op.create_table(
        "older_versions",
        *_keyed(),
        sa.Column("version", MOMENT, nullable=False, comment="The version that the source shows."),
        sa.Column("held_version", MOMENT, nullable=False, comment="The newer version that we hold."),
        sa.Column("first_pass_id", sa.BigInteger(), nullable=False, comment="The reconciliation that found it first."),
        sa.Column("first_seen_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("agreed_at", MOMENT, comment="When a listing and a reading by id first agreed on it."),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id", name="older_versions_pkey"),
        schema="sync",
        comment="Records that the last complete listing showed in an older version than ours.",
    )
    op.create_table(
        "superseded_records",
        *_keyed(),
        sa.Column("entity_id", ID, nullable=False, comment="Ours: the id in the canonical table."),
        sa.Column("version", MOMENT, nullable=False, comment="The newer version, which is kept here."),
        sa.Column("taken_version", MOMENT, nullable=False, comment="The older version that was stored over it."),
        sa.Column("deleted_at", MOMENT, comment="When the newer version was tombstoned; null when it lived."),
        sa.Column(
            "pass_id", sa.BigInteger(), nullable=False, comment="The reconciliation that stored the older version."
        ),
        sa.Column("record", JSONB(), comment="The canonical row as it was, custom fields included."),
        sa.Column("superseded_at", MOMENT, nullable=False, server_default=NOW),
        sa.PrimaryKeyConstraint(
            "org_id", "pass_id", "adapter", "entity", "external_id", name="superseded_records_pkey"
        ),
        schema="sync",
        comment="Newer versions of records whose source went back to an older one: nothing is lost.",
    )
    op.add_column(
        "holds",
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            server_default=sa.text("'deletions'"),
            comment="What waits: deletions or older.",
        ),
        schema="sync",
    )
    op.alter_column(
        "holds",
        "missing",
        schema="sync",
        existing_type=sa.Integer(),
        existing_nullable=False,
        comment="Records that would be tombstoned, or stored in an older version.",
        existing_comment="Records that would be tombstoned.",
    )
    op.create_table_comment(
        "holds",
        "Safety stops: deletions and older versions that wait for a person.",
        schema="sync",
        existing_comment="Safety stops: deletions that wait for a person.",
    )
    op.drop_index("holds_open_key", "holds", schema="sync")
    op.create_index(
        "holds_open_key",
        "holds",
        ["org_id", "adapter", "entity", "kind"],
        unique=True,
        schema="sync",
        postgresql_where=sa.text("status IN ('open', 'approved')"),
    )
