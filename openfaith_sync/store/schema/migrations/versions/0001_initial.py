"""The canonical tables and the bookkeeping of walks."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
ZERO = sa.text("0")
ORG = "The church; every statement is bound to one."

# The page path's only function: one round trip both refuses and keeps the lease
# from being taken over until the page is committed.
CHECK_LEASE = """
CREATE FUNCTION sync.check_lease(
    for_org text, for_adapter text, for_entity text, held_token bigint, for_pass bigint DEFAULT NULL
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM sync.leases
      WHERE org_id = for_org AND adapter = for_adapter AND entity = for_entity AND token = held_token
      FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'OF001',
            MESSAGE = format('another worker took over %s/%s/%s', for_org, for_adapter, for_entity);
    END IF;
    IF for_pass IS NOT NULL THEN
        PERFORM 1 FROM sync.passes
          WHERE org_id = for_org AND pass_id = for_pass
            AND adapter = for_adapter AND entity = for_entity AND status = 'open';
        IF NOT FOUND THEN
            RAISE EXCEPTION USING ERRCODE = 'OF002',
                MESSAGE = format('%s/%s/%s has no open pass %s', for_org, for_adapter, for_entity, for_pass);
        END IF;
    END IF;
END $$
"""


def required(
    name: str, kind: sa.types.TypeEngine[Any], comment: str | None = None, default: sa.TextClause | None = None
) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, comment=comment, server_default=default)


def moment(name: str, comment: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, MOMENT, comment=comment)


def texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text()) for name in names]


def keyed() -> list[sa.Column[Any]]:
    return [required("org_id", ID, ORG), required("adapter", ID), required("entity", ID)]


def create_canonical(name: str, *own: sa.Column[Any], indexed: str | None = None) -> None:
    op.create_table(
        name,
        required("id", ID, "TypeID, derived from the record's identity at its source."),
        required("org_id", ID, ORG),
        required("type", ID, "The adapter's entity that the record came as."),
        *own,
        required("status", sa.Text(), "active or inactive, as the source says.", sa.text("'active'")),
        required("tags", JSONB(), None, sa.text("'[]'")),
        required(
            "custom_fields",
            JSONB(),
            "What the source sent that has no column, as <adapter>_<attribute>.",
            sa.text("'{}'"),
        ),
        moment("created_at", "The source's."),
        moment("updated_at", "The source's."),
        moment("inactivated_at", "The source's."),
        moment("deleted_at", "When we learnt that the source has it no more; null while it lives."),
        required("synced_at", MOMENT, "When this row last changed here.", NOW),
        sa.PrimaryKeyConstraint("org_id", "id", name=f"{name}_pkey"),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f(f"{name}_status_check")),
        schema="openfaith",
    )
    if indexed:
        op.create_index(f"{name}_org_id_{indexed}_idx", name, ["org_id", indexed], schema="openfaith")


def upgrade() -> None:
    op.execute("CREATE SCHEMA openfaith")
    op.execute(
        "COMMENT ON SCHEMA openfaith IS 'The canonical tables: every church''s data, one shape for all sources.'"
    )
    op.execute("COMMENT ON SCHEMA sync IS 'How the canonical tables came about: the sync''s bookkeeping.'")
    op.execute("CREATE SCHEMA IF NOT EXISTS dagster")
    create_canonical_tables()
    create_key_tables()
    create_walk_tables()
    op.execute(CHECK_LEASE)


def create_canonical_tables() -> None:
    create_canonical(
        "people",
        *texts("first_name", "middle_name", "last_name", "nickname", "name", "gender"),
        sa.Column("birthdate", sa.Date()),
        sa.Column("anniversary", sa.Date()),
        *texts("membership", "avatar"),
        sa.Column("primary_campus_id", ID),
    )
    create_canonical(
        "households",
        *texts("name"),
        sa.Column("member_count", sa.Integer()),
        sa.Column("primary_contact_id", ID),
    )
    create_canonical(
        "addresses",
        sa.Column("person_id", ID),
        *texts("street_line_1", "street_line_2", "city", "state", "zip", "country_code", "location"),
        sa.Column("primary", sa.Boolean()),
        indexed="person_id",
    )
    create_canonical(
        "emails",
        sa.Column("person_id", ID),
        *texts("address", "location"),
        sa.Column("primary", sa.Boolean()),
        sa.Column("blocked", sa.Boolean()),
        indexed="person_id",
    )
    create_canonical(
        "phone_numbers",
        sa.Column("person_id", ID),
        *texts("number", "country_code", "location"),
        sa.Column("primary", sa.Boolean()),
        indexed="person_id",
    )
    create_canonical(
        "campuses",
        *texts("name", "description", "street", "city", "state", "zip", "country_code"),
        sa.Column("latitude", sa.Double()),
        sa.Column("longitude", sa.Double()),
        *texts("url", "avatar"),
    )
    create_canonical(
        "groups",
        *texts("name", "description", "schedule", "location_type"),
        sa.Column("memberships_count", sa.Integer()),
        *texts("contact_email", "url", "virtual_location_url"),
        sa.Column("group_type_id", ID),
    )
    create_canonical(
        "events",
        sa.Column("group_id", ID),
        *texts("name", "description"),
        moment("starts_at"),
        moment("ends_at"),
        sa.Column("canceled", sa.Boolean()),
        moment("canceled_at"),
        *texts("location_type", "virtual_location_url"),
        indexed="group_id",
    )


def create_key_tables() -> None:
    op.create_table(
        "connections",
        required("org_id", ID, ORG),
        required("adapter", ID),
        required("base_url", sa.Text()),
        required("auth_method", sa.Text(), "basic, bearer or oauth2."),
        required("secret", sa.LargeBinary(), "The credentials, encrypted with the newest of OPENFAITH_SECRET_KEYS."),
        required("status", sa.Text(), "active, paused or reconnect_needed.", sa.text("'active'")),
        *texts("status_reason"),
        required("created_at", MOMENT, None, NOW),
        required("updated_at", MOMENT, None, NOW),
        sa.PrimaryKeyConstraint("org_id", "adapter", name="connections_pkey"),
        sa.CheckConstraint("status IN ('active', 'paused', 'reconnect_needed')", name=op.f("connections_status_check")),
        schema="sync",
        comment="An org's authorised links to external systems.",
    )
    op.create_table(
        "external_links",
        *keyed(),
        required("external_id", ID, "The source's id; unique within its entity only."),
        required("entity_id", ID, "Ours: the id in the canonical table. Another one after a merge."),
        required("content_hash", sa.LargeBinary(), "Of the stored values; equal means nothing to write."),
        moment("source_version", "The source's version; an older one never overwrites."),
        moment("deleted_at", "When it was tombstoned; null while it lives."),
        required("first_seen_at", MOMENT, None, NOW),
        required("updated_at", MOMENT, "When a write last went through this link.", NOW),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", "external_id", name="external_links_pkey"),
        schema="sync",
        comment="Ties the source's ids to ours.",
    )
    op.create_table(
        "checkpoints",
        *keyed(),
        moment("watermark", "Newest source version that a complete pass covers; never goes back."),
        moment("completed_at", "When the last complete pass ended; for people, never for the sync."),
        sa.Column("completed_pass_id", sa.BigInteger()),
        sa.Column(
            "manifest_version", sa.Text(), comment="What everything stored was mapped by; null when by more than one."
        ),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", name="checkpoints_pkey"),
        schema="sync",
        comment="How far each entity is synced. The place inside an unfinished pass lies with that pass.",
    )
    op.create_table(
        "leases",
        *keyed(),
        required("token", sa.BigInteger(), "Grows with every holder; a commit under an older one is refused."),
        required("holder", sa.Text()),
        required("held_since", MOMENT, None, NOW),
        moment("released_at"),
        sa.PrimaryKeyConstraint("org_id", "adapter", "entity", name="leases_pkey"),
        schema="sync",
        comment="Who may write under a sync key. The lock itself is a session's advisory lock.",
    )


def create_walk_tables() -> None:
    op.create_table(
        "passes",
        required("org_id", ID, ORG),
        sa.Column("pass_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        required("adapter", ID),
        required("entity", ID),
        sa.Column("parent_pass_id", sa.BigInteger(), comment="The pass whose pages these records rode along with."),
        sa.Column("canonical_table", sa.Text(), comment="Where its records went."),
        required("mode", sa.Text(), "full, delta, reconciliation or sideload."),
        required("trigger", sa.Text(), "Who asked: cli, dagster, sensor."),
        required("status", sa.Text(), "open, complete or abandoned.", sa.text("'open'")),
        required("place", JSONB(), "Where an open pass goes on.", sa.text("'[]'")),
        *(
            required(name, sa.Integer(), None, ZERO)
            for name in ("created", "updated", "unchanged", "tombstoned", "dead")
        ),
        required("pages", sa.Integer(), None, ZERO),
        required("requests", sa.Integer(), None, ZERO),
        required("waited", sa.Interval(), "How long the provider's budget held it back.", sa.text("'0'")),
        moment("watermark_from", "What a delta started from."),
        moment("watermark_to", "What it covers once complete."),
        moment("newest", "Newest source version committed so far."),
        required("manifest_version", sa.Text()),
        sa.Column("run_id", sa.Text(), comment="The Dagster run."),
        required("started_at", MOMENT, None, NOW),
        moment("ended_at"),
        sa.PrimaryKeyConstraint("org_id", "pass_id", name="passes_pkey"),
        sa.CheckConstraint("status IN ('open', 'complete', 'abandoned')", name=op.f("passes_status_check")),
        schema="sync",
        comment="One row a walk through one entity's listing.",
        # Each page updates its pass's row; with room beside it no index is touched.
        postgresql_with={"fillfactor": 50},
    )
    key = ["org_id", "adapter", "entity"]
    is_walk = sa.text("status = 'open' AND parent_pass_id IS NULL")
    is_rider = sa.text("parent_pass_id IS NOT NULL")
    op.create_index("passes_open_key", "passes", key, unique=True, schema="sync", postgresql_where=is_walk)
    op.create_index("passes_key_idx", "passes", [*key, "pass_id"], schema="sync")
    op.create_index(
        "passes_rider_idx", "passes", ["org_id", "parent_pass_id"], schema="sync", postgresql_where=is_rider
    )
    op.create_table(
        "dead_letters",
        *keyed(),
        required("external_id", ID),
        required("raw", JSONB(), "The record as the source sent it."),
        required("field", sa.Text()),
        required("value_type", sa.Text(), "The type found there; never the value."),
        required("reason", sa.Text()),
        required("manifest_version", sa.Text(), "What could not map it."),
        required("first_seen_at", MOMENT, None, NOW),
        required("last_seen_at", MOMENT, None, NOW),
        required("occurrences", sa.Integer(), None, sa.text("1")),
        moment("resolved_at", "When the record was stored after all; null while it waits."),
        sa.PrimaryKeyConstraint(*key, "external_id", name="dead_letters_pkey"),
        schema="sync",
        comment="Records set aside, each with the reason.",
    )
    is_waiting = sa.text("resolved_at IS NULL")
    op.create_index(
        "dead_letters_waiting_idx", "dead_letters", [*key, "external_id"], schema="sync", postgresql_where=is_waiting
    )
