"""Refusals: judged by what was readable before, and one incident where many orgs are refused at once."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    add_to_disabled_entities()
    create_refusal_incidents()


def add_to_disabled_entities() -> None:
    for column in (
        sa.Column(
            "remedy",
            sa.Text(),
            nullable=False,
            server_default=sa.text("''"),
            comment="What a person can do, where it is known.",
        ),
        sa.Column("read_until", MOMENT, comment="When the org last read it; null: never, so it is no failure."),
        sa.Column(
            "refusals",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("1"),
            comment="In a row, each when it was time to ask.",
        ),
        sa.Column(
            "is_shown",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="Whether a run failed of it.",
        ),
    ):
        op.add_column("disabled_entities", column, schema="sync")
    # They were noted by other rules, for a day each.
    op.execute("UPDATE sync.disabled_entities SET ask_again_at = now()")


def create_refusal_incidents() -> None:
    op.create_table(
        "refusal_incidents",
        sa.Column("adapter", ID, nullable=False),
        sa.Column("entity", ID, nullable=False),
        sa.Column(
            "opened_at",
            MOMENT,
            nullable=False,
            server_default=NOW,
            comment="Since when only probes ask for it, for any org.",
        ),
        sa.Column("probe_at", MOMENT, nullable=False, comment="When the next probe may go out."),
        sa.Column("probes", sa.Integer(), nullable=False, server_default=sa.text("0"), comment="In vain so far."),
        sa.Column("reason", sa.Text(), nullable=False, comment="What the source answered."),
        sa.PrimaryKeyConstraint("adapter", "entity", name="refusal_incidents_pkey"),
        schema="sync",
        comment="Entities that a source refuses to many orgs at once.",
    )
