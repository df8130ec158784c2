"""OAuth: versions of credentials, the journal of refreshes, authorizations under way, entities that are refused."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
ORG = "The church; every statement is bound to one."


def upgrade() -> None:
    add_to_connections()
    create_token_refreshes()
    create_authorizations()
    create_disabled_entities()


def add_to_connections() -> None:
    for column in (
        sa.Column(
            "credentials_version",
            sa.BigInteger(),
            nullable=False,
            server_default=sa.text("1"),
            comment="One more with each credentials that are stored.",
        ),
        sa.Column("expires_at", MOMENT, comment="When the access token ends, by the database's clock."),
        sa.Column(
            "scopes", ARRAY(sa.Text(collation="C")), comment="What was granted; null where nothing is ever said."
        ),
        sa.Column("status_since", MOMENT, nullable=False, server_default=NOW),
    ):
        op.add_column("connections", column, schema="sync")


def create_token_refreshes() -> None:
    op.create_table(
        "token_refreshes",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("adapter", ID, nullable=False),
        sa.Column(
            "version", sa.BigInteger(), nullable=False, comment="Of the credentials whose refresh token is spent."
        ),
        sa.Column(
            "outcome",
            sa.Text(),
            nullable=False,
            server_default=sa.text("'begun'"),
            comment="begun, unspent, stored, refused or lost.",
        ),
        sa.Column("detail", sa.Text(), comment="Why it was not stored."),
        sa.Column("holder", sa.Text(), nullable=False, comment="Who sends it."),
        sa.Column(
            "begun_at",
            MOMENT,
            nullable=False,
            server_default=NOW,
            comment="When it was about to be sent; the new token's life counts from here.",
        ),
        sa.Column("ended_at", MOMENT),
        sa.PrimaryKeyConstraint("org_id", "adapter", "version", name="token_refreshes_pkey"),
        sa.CheckConstraint(
            "outcome IN ('begun', 'unspent', 'stored', 'refused', 'lost')", name=op.f("token_refreshes_outcome_check")
        ),
        schema="sync",
        comment="The journal of refresh tokens: one that may be spent is never sent again.",
    )


def create_authorizations() -> None:
    op.create_table(
        "authorizations",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("adapter", ID, nullable=False),
        sa.Column(
            "state_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the state that the source hands back."
        ),
        sa.Column(
            "verifier",
            sa.LargeBinary(),
            nullable=False,
            comment="The PKCE verifier, encrypted with the newest of OPENFAITH_SECRET_KEYS.",
        ),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text(collation="C")), nullable=False, comment="What was asked for."),
        sa.Column("begun_at", MOMENT, nullable=False, server_default=NOW),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, comment="When its state came back; it is good for nothing from then on."),
        sa.Column("finished_at", MOMENT, comment="When the connection was stored, or could not be."),
        sa.Column("failure", sa.Text(), comment="Why there is no connection."),
        sa.PrimaryKeyConstraint("org_id", "adapter", "state_hash", name="authorizations_pkey"),
        schema="sync",
        comment="Orgs that were sent to a source to agree, each once.",
    )


def create_disabled_entities() -> None:
    op.create_table(
        "disabled_entities",
        sa.Column("org_id", ID, nullable=False, comment=ORG),
        sa.Column("adapter", ID, nullable=False),
        sa.Column("entity", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False, server_default=NOW),
        sa.Column(
            "ask_again_at", MOMENT, nullable=False, comment="Until then nothing asks the source for it by itself."
        ),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", name="disabled_entities_pkey"),
        schema="sync",
        comment="Entities that a source refuses to an org, while it lets it read others.",
    )
