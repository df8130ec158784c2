"""The tables of connections and their credentials, as SQLAlchemy metadata."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from openfaith_sync.store.schema.columns import ID, MOMENT, NOW, SYNC_SCHEMA, keyed, metadata, required


def add_connection_tables() -> None:
    """Add the tables to the metadata."""
    Table(
        "connections",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("adapter", ID),
        required("base_url", Text()),
        required("auth_method", Text(), "basic, bearer or oauth2."),
        required("secret", LargeBinary(), "The credentials, encrypted with the newest of OPENFAITH_SECRET_KEYS."),
        required("credentials_version", BigInteger(), "One more with each credentials that are stored.", text("1")),
        Column("expires_at", MOMENT, comment="When the access token ends, by the database's clock."),
        Column("scopes", ARRAY(Text(collation="C")), comment="What was granted; null where nothing is ever said."),
        required("status", Text(), "active, paused or reconnect_needed.", text("'active'")),
        Column("status_reason", Text()),
        required("status_since", MOMENT, None, NOW),
        required("created_at", MOMENT, None, NOW),
        required("updated_at", MOMENT, None, NOW),
        PrimaryKeyConstraint("org_id", "adapter"),
        CheckConstraint("status IN ('active', 'paused', 'reconnect_needed')", name="status"),
        schema=SYNC_SCHEMA,
        comment="An org's authorised links to external systems.",
    )
    Table(
        "accounts",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("adapter", ID),
        required("account_id", ID, "The source's id of it, as first stated."),
        required("learnt_at", MOMENT, None, NOW),
        PrimaryKeyConstraint("org_id", "adapter"),
        schema=SYNC_SCHEMA,
        comment="The source's accounts that orgs' records come from; outlives the connection.",
    )
    Table(
        "token_refreshes",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("adapter", ID),
        required("version", BigInteger(), "Of the credentials whose refresh token is spent."),
        required("outcome", Text(), "begun, unspent, stored, refused or lost.", text("'begun'")),
        Column("detail", Text(), comment="Why it was not stored."),
        required("holder", Text(), "Who sends it."),
        required("begun_at", MOMENT, "When it was about to be sent; the new token's life counts from here.", NOW),
        Column("ended_at", MOMENT),
        PrimaryKeyConstraint("org_id", "adapter", "version"),
        CheckConstraint("outcome IN ('begun', 'unspent', 'stored', 'refused', 'lost')", name="outcome"),
        schema=SYNC_SCHEMA,
        comment="The journal of refresh tokens: one that may be spent is never sent again.",
    )
    Table(
        "authorizations",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("adapter", ID),
        required("state_hash", LargeBinary(), "SHA-256 of the state that the source hands back."),
        required("verifier", LargeBinary(), "The PKCE verifier, encrypted with the newest of OPENFAITH_SECRET_KEYS."),
        required("redirect_uri", Text()),
        required("base_url", Text()),
        required("scopes", ARRAY(Text(collation="C")), "What was asked for."),
        required("begun_at", MOMENT, None, NOW),
        required("expires_at", MOMENT),
        Column("used_at", MOMENT, comment="When its state came back; it is good for nothing from then on."),
        Column("finished_at", MOMENT, comment="When the connection was stored, or could not be."),
        Column("failure", Text(), comment="Why there is no connection."),
        PrimaryKeyConstraint("org_id", "adapter", "state_hash"),
        schema=SYNC_SCHEMA,
        comment="Orgs that were sent to a source to agree, each once.",
    )
    Table(
        "budgets",
        metadata,
        required("org_id", ID, "The church; every statement is bound to one."),
        required("adapter", ID),
        required("bucket", ID, "common, or deep for requests far into a listing."),
        required("version", BigInteger(), "One more with each visit."),
        required("budget", JSONB(), "The limit, what is spent and held of it, and who waits."),
        required("updated_at", MOMENT, None, NOW),
        PrimaryKeyConstraint("org_id", "adapter", "bucket"),
        schema=SYNC_SCHEMA,
        comment="How many requests a connection may still make, for all processes that use it.",
    )
    Table(
        "disabled_entities",
        metadata,
        *keyed(),
        required("reason", Text()),
        required("since", MOMENT, None, NOW),
        required("ask_again_at", MOMENT, "Until then nothing asks the source for it by itself."),
        required("remedy", Text(), "What a person can do, where it is known.", text("''")),
        Column("read_until", MOMENT, comment="When the org last read it; null: never, so it is no failure."),
        required("refusals", Integer(), "In a row, each when it was time to ask.", text("1")),
        required("is_shown", Boolean(), "Whether a run failed of it.", text("false")),
        PrimaryKeyConstraint("org_id", "adapter", "entity"),
        schema=SYNC_SCHEMA,
        comment="Entities that a source refuses to an org, while it lets it read others.",
    )
