"""One row a record: what the links held moves into the records' own rows, and the links go."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")
MOMENT = sa.DateTime(timezone=True)

TABLES = {
    "people": (),
    "households": (),
    "household_memberships": ("household_id", "person_id"),
    "addresses": ("person_id",),
    "emails": ("person_id",),
    "phone_numbers": ("person_id",),
    "campuses": (),
    "groups": (),
    "group_memberships": ("group_id", "person_id"),
    "events": ("group_id",),
}
"""The canonical tables of revision 0013, each with its indexed references."""

ENTITIES = {
    "person": "people",
    "household": "households",
    "household_membership": "household_memberships",
    "address": "addresses",
    "email": "emails",
    "phone_number": "phone_numbers",
    "campus": "campuses",
    "group": "groups",
    "group_membership": "group_memberships",
    "event": "events",
}
"""Where the shipped manifests of revision 0013 stored their entities: a tombstone may have no row that says it."""

# A redirect's `entity_id` is the removed record's own id, where its link leads to the surviving record's.
OWNED = """
CREATE TEMPORARY TABLE owned ON COMMIT DROP AS
SELECT link.*, COALESCE(gone.entity_id, link.entity_id) AS own_id,
       CASE WHEN link.merged_into IS NOT NULL THEN link.entity_id END AS merged_into_id,
       COALESCE((SELECT held.table_name FROM pg_temp.kept held
                 WHERE held.org_id = link.org_id AND held.id = COALESCE(gone.entity_id, link.entity_id)),
                (SELECT max(walked.canonical_table) FROM sync.passes walked
                 WHERE (walked.org_id, walked.adapter, walked.entity) = (link.org_id, link.adapter, link.entity)),
                usual.table_name) AS table_name
FROM sync.external_links link
LEFT JOIN sync.redirects gone USING (org_id, adapter, entity, external_id)
LEFT JOIN (VALUES {entities}) AS usual (entity, table_name) ON usual.entity = link.entity
"""
COPY = """
INSERT INTO openfaith."{table}_new" ({shared}, external_id, adapter, source_version, content_hash, is_loss)
SELECT {kept}, COALESCE(link.external_id, held.id), COALESCE(link.adapter, 'unknown'), link.source_version,
       COALESCE(link.content_hash, ''), COALESCE(link.is_loss, false)
FROM openfaith."{table}" held
LEFT JOIN owned link ON link.org_id = held.org_id AND link.own_id = held.id
"""
# A record that was found gone, or merged, before it was ever read has a link and no row.
COPY_BARE = """
INSERT INTO openfaith."{table}_new" (id, org_id, type, deleted_at, synced_at, external_id, adapter, source_version,
  content_hash, is_loss{merged})
SELECT link.own_id, link.org_id, link.entity, link.deleted_at, link.updated_at, link.external_id, link.adapter,
       link.source_version, link.content_hash, link.is_loss{merged_value}
FROM owned link
WHERE link.table_name = '{table}'
  AND NOT EXISTS (SELECT FROM openfaith."{table}" held WHERE held.org_id = link.org_id AND held.id = link.own_id)
"""
FINISH = """
DROP TABLE openfaith."{table}";
ALTER TABLE openfaith."{table}_new" RENAME TO "{table}";
ALTER TABLE openfaith."{table}" ADD CONSTRAINT "{table}_pkey" PRIMARY KEY (org_id, external_id, type, adapter);
ALTER TABLE openfaith."{table}" ADD CONSTRAINT "{table}_id_key" UNIQUE (org_id, id);
ALTER TABLE openfaith."{table}" ADD CONSTRAINT "{table}_status_check" CHECK (status IN ('active', 'inactive'));
"""
SURVIVORS = """
UPDATE sync.redirects gone SET survivor_id = link.merged_into, survivor_entity_id = link.entity_id
FROM sync.external_links link
WHERE (link.org_id, link.adapter, link.entity, link.external_id)
    = (gone.org_id, gone.adapter, gone.entity, gone.external_id) AND link.merged_into IS NOT NULL
"""
REGISTER = """
INSERT INTO sync.record_tables (adapter, entity, table_schema, table_name, has_merges)
SELECT DISTINCT adapter, type, 'openfaith', '{table}', {has_merges} FROM openfaith."{table}" WHERE adapter <> 'unknown'
ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    create_registry()
    entities = ", ".join(f"('{entity}', '{table}')" for entity, table in ENTITIES.items())
    kept = " UNION ALL ".join(
        f"SELECT org_id, id, '{table}' AS table_name FROM openfaith.\"{table}\""  # noqa: S608  our own constants
        for table in TABLES
    )
    op.execute(f"CREATE TEMPORARY TABLE kept ON COMMIT DROP AS {kept}")
    op.execute("CREATE INDEX ON pg_temp.kept (org_id, id)")
    op.execute("ANALYZE pg_temp.kept")
    op.execute(OWNED.format(entities=entities))
    op.execute("CREATE INDEX ON owned (org_id, own_id)")
    op.execute("ANALYZE owned")
    for table, indexed in TABLES.items():
        rebuild(table, indexed)
        op.execute(REGISTER.format(table=table, has_merges=str(table == "people").lower()))
    op.add_column(
        "redirects",
        sa.Column("survivor_id", ID, comment="The source's id at the end of the chain; null in a cycle."),
        schema="sync",
    )
    op.add_column(
        "redirects", sa.Column("survivor_entity_id", ID, comment="Ours of the surviving record."), schema="sync"
    )
    op.execute(SURVIVORS)
    op.create_table_comment(
        "redirects",
        "Merges as the source told of them, each with the record at the end of its chain.",
        schema="sync",
        existing_comment="Merges as the source told of them; followed to their ends in external_links.",
    )
    op.drop_column("passes", "canonical_table", schema="sync")
    op.drop_table("external_links", schema="sync")


def create_registry() -> None:
    op.create_table(
        "record_tables",
        sa.Column("adapter", ID, nullable=False),
        sa.Column("entity", ID, nullable=False),
        sa.Column("table_schema", sa.Text(), nullable=False, comment="openfaith, or the adapter's own schema."),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("has_merges", sa.Boolean(), nullable=False, comment="Whether it has merged_into_id."),
        sa.PrimaryKeyConstraint("adapter", "entity", name="record_tables_pkey"),
        schema="sync",
        comment="Which table holds the records of each entity.",
    )


def rebuild(table: str, indexed: tuple[str, ...]) -> None:
    """Copy a table into one with the columns of the links: it has no room that an update of every row would leave."""
    columns: list[sa.Column[Any]] = [
        sa.Column(
            found["name"],
            found["type"],
            nullable=found["nullable"],
            server_default=sa.text(found["default"]) if found["default"] else None,
            comment=found["comment"],
        )
        for found in sa.inspect(op.get_bind()).get_columns(table, schema="openfaith")
    ]
    names = [column.name for column in columns]
    identity: list[sa.Column[Any]] = [
        sa.Column("external_id", ID, nullable=False, comment="The source's id; unique within its entity only."),
        sa.Column("adapter", ID, nullable=False, comment="The source."),
    ]
    version: list[sa.Column[Any]] = [
        sa.Column("source_version", MOMENT, comment="The source's version; an older one never overwrites."),
        sa.Column(
            "content_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="Of the stored values; equal means nothing to write.",
        ),
        sa.Column(
            "is_loss",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="Whether its tombstone counts toward the safety stop.",
        ),
    ]
    place = names.index("org_id") + 1
    ordered: list[sa.Column[Any]] = [*columns[:place], *identity, *columns[place:], *version]
    op.create_table(f"{table}_new", *ordered, schema="openfaith")
    shared = ", ".join(f'"{name}"' for name in names)
    kept = ", ".join(
        "GREATEST(held.synced_at, link.updated_at)" if name == "synced_at" else f'held."{name}"' for name in names
    )
    has_merges = "merged_into_id" in names
    op.execute(COPY.format(table=table, shared=shared, kept=kept))
    op.execute(
        COPY_BARE.format(
            table=table,
            merged=", merged_into_id" if has_merges else "",
            merged_value=", link.merged_into_id" if has_merges else "",
        )
    )
    op.execute(FINISH.format(table=table))
    for column in indexed:
        op.create_index(f"{table}_org_id_{column}_idx", table, ["org_id", column], schema="openfaith")
