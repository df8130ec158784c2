"""Invitations: a link with which a church connects itself, and connections that a person has yet to confirm."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")

# One statement: the table is rewritten and its rows checked once.
CONFIRMATION = """
ALTER TABLE sync.connections
  ADD COLUMN organization text,
  ADD COLUMN awaits_confirmation boolean NOT NULL DEFAULT false,
  DROP CONSTRAINT connections_status_check,
  ADD CONSTRAINT connections_status_check CHECK (status IN ('active', 'paused', 'reconnect_needed', 'unconfirmed')),
  ADD CONSTRAINT connections_confirmed_check CHECK (NOT (awaits_confirmation AND status = 'active'));
COMMENT ON COLUMN sync.connections.organization IS 'What the source calls the organization, if it says.';
COMMENT ON COLUMN sync.connections.awaits_confirmation IS 'Whether a person must confirm the organization first.';
COMMENT ON COLUMN sync.connections.status IS 'active, paused, reconnect_needed or unconfirmed.'
"""


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of what the link says."),
        sa.Column("asked_by", sa.Text(), nullable=False, comment="Who asks the church, as the page says."),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("scopes", ARRAY(ID), nullable=False, comment="What is asked for."),
        sa.Column("made_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, comment="When an operator withdrew it."),
        sa.Column("used_at", MOMENT, comment="When the church was connected by it; good for nothing from then on."),
        sa.Column("state_hash", sa.LargeBinary(), comment="SHA-256 of the state whose consent used it."),
        sa.PrimaryKeyConstraint("org_id", "adapter", name="invitations_pkey"),
        schema="sync",
        comment="The newest link of each org with which a church connects itself, once.",
    )
    op.add_column(
        "authorizations",
        sa.Column("invitation_hash", sa.LargeBinary(), comment="Of the invitation that it was begun with, if any."),
        schema="sync",
    )
    op.execute(CONFIRMATION)
