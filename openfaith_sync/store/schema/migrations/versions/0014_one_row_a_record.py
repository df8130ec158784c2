"""One row a record: what the links held moves into the records' own rows, and the links go.

Each canonical table is emptied and filled again, which leaves no room behind as an update of every row
would, and keeps the table itself: its grants, policies, comments and the views over it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")

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

# Pages are kept out already. What else writes to records locks tables in this order.
LOCK = "LOCK TABLE sync.redirects, sync.external_links, sync.passes, {tables} IN ACCESS EXCLUSIVE MODE"
COLUMN_NAMES = """
SELECT relname::text, array_agg(attname::text ORDER BY attnum)
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'openfaith'::regnamespace AND relname = ANY (:tables) AND attnum > 0 AND NOT attisdropped
GROUP BY relname
"""
# A redirect's `entity_id` is the removed record's own id, where its link leads to the surviving record's.
OWNED = """
CREATE TEMPORARY TABLE owned ON COMMIT DROP AS
SELECT link.*, COALESCE(gone.entity_id, link.entity_id) AS own_id,
       CASE WHEN link.merged_into IS NOT NULL THEN link.entity_id END AS merged_into_id
FROM sync.external_links link
LEFT JOIN sync.redirects gone USING (org_id, adapter, entity, external_id)
WHERE link.merged_into IS NULL OR gone.entity_id IS NOT NULL;
ANALYZE owned;
CREATE TEMPORARY TABLE placed (adapter text, entity text, table_name text) ON COMMIT DROP
"""
MOVED = """
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS
SELECT {kept}, COALESCE(link.external_id, held.id) AS external_id, COALESCE(link.adapter, 'unknown') AS adapter,
       link.source_version, COALESCE(link.content_hash, '') AS content_hash, COALESCE(link.is_loss, false) AS is_loss
FROM openfaith."{table}" held
LEFT JOIN owned link ON link.org_id = held.org_id AND link.own_id = held.id
"""
PLACED = """
ANALYZE moved;
DELETE FROM owned USING moved WHERE owned.org_id = moved.org_id AND owned.own_id = moved.id;
INSERT INTO placed SELECT DISTINCT adapter, type, '{table}' FROM moved WHERE adapter <> 'unknown'
"""
COLUMNS = ("external_id", "adapter", "source_version", "content_hash", "is_loss")
EMPTY = """
TRUNCATE openfaith."{table}";
ALTER TABLE openfaith."{table}" DROP CONSTRAINT "{table}_pkey",
  ADD COLUMN external_id text COLLATE "C" NOT NULL, ADD COLUMN adapter text COLLATE "C" NOT NULL,
  ADD COLUMN source_version timestamptz, ADD COLUMN content_hash bytea NOT NULL,
  ADD COLUMN is_loss boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN openfaith."{table}".external_id IS 'The source''s id; unique within its entity only.';
COMMENT ON COLUMN openfaith."{table}".adapter IS 'The source.';
COMMENT ON COLUMN openfaith."{table}".source_version IS 'The source''s version; an older one never overwrites.';
COMMENT ON COLUMN openfaith."{table}".content_hash IS 'Of the stored values; equal means nothing to write.';
COMMENT ON COLUMN openfaith."{table}".is_loss IS 'Whether its tombstone counts toward the safety stop.'
"""
INSERT = """
INSERT INTO openfaith."{table}" ({columns}) SELECT {columns} FROM moved ORDER BY org_id, external_id, type, adapter;
DROP TABLE moved
"""
KEYS = """
ALTER TABLE openfaith."{table}" ADD CONSTRAINT "{table}_pkey" PRIMARY KEY (org_id, external_id, type, adapter);
CREATE UNIQUE INDEX "{table}_id_key" ON openfaith."{table}" (org_id, id) WHERE id IS NOT NULL
"""
# The condition keeps an index from queries by org alone, for which the planner would take it where the table was
# empty when the statement was planned.
REFERENCES = """
CREATE INDEX "{table}_org_id_{column}_idx" ON openfaith."{table}" (org_id, {column}) WHERE {column} IS NOT NULL
"""
# A record that was found gone, or merged, before it was ever read has a link and no row. A link that lives
# without a row is what an erasure left that was killed.
INSERT_BARE = """
INSERT INTO openfaith."{table}" (id, org_id, type, deleted_at, synced_at, external_id, adapter, source_version,
  content_hash, is_loss{merged})
SELECT own_id, org_id, entity, deleted_at, updated_at, external_id, adapter, source_version, content_hash, is_loss
  {merged}
FROM owned
WHERE deleted_at IS NOT NULL AND '{table}' = COALESCE(
  (SELECT max(known.table_name) FROM placed known WHERE (known.adapter, known.entity) = (owned.adapter, owned.entity)),
  (SELECT max(walked.canonical_table) FROM sync.passes walked
   WHERE (walked.adapter, walked.entity) = (owned.adapter, owned.entity)),
  (SELECT usual.table_name FROM (VALUES {entities}) AS usual (entity, table_name) WHERE usual.entity = owned.entity))
"""
REGISTER = """
INSERT INTO sync.record_tables (adapter, entity, table_schema, table_name, has_merges)
SELECT DISTINCT adapter, type, 'openfaith', '{table}', {has_merges}
FROM openfaith."{table}" WHERE adapter <> 'unknown' ON CONFLICT DO NOTHING
"""
SURVIVORS = """
UPDATE sync.redirects gone SET survivor_id = link.merged_into, survivor_entity_id = link.entity_id
FROM sync.external_links link
WHERE (link.org_id, link.adapter, link.entity, link.external_id)
    = (gone.org_id, gone.adapter, gone.entity, gone.external_id) AND link.merged_into IS NOT NULL
"""
# Of the sessions that are open now, none names its revision, since the code before this one does not: its next page
# is refused by this message, as an error that it knows.
CHECK_REVISION = """
CREATE FUNCTION sync.check_revision() RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    migrated text := (SELECT version_num FROM sync.alembic_version);
BEGIN
    IF current_setting('openfaith.revision', true) IS DISTINCT FROM migrated THEN
        RAISE EXCEPTION USING ERRCODE = 'OF002', MESSAGE = format(
            'the database was migrated to revision %s while this process was running code for %s; '
            'nothing was written: stop it and start the version that is installed now',
            migrated, COALESCE('revision ' || NULLIF(current_setting('openfaith.revision', true), ''),
                               'an earlier revision'));
    END IF;
END $$
"""
# The revision is compared after the lock on the lease, which a migration keeps from being taken: what began to wait
# before the migration sees its end.
CHECK_LEASE = """
CREATE OR REPLACE FUNCTION sync.check_lease(
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
    PERFORM sync.check_revision();
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


def upgrade() -> None:
    op.execute(LOCK.format(tables=", ".join(f'openfaith."{table}"' for table in TABLES)))
    op.execute(OWNED)
    found = op.get_bind().execute(sa.text(COLUMN_NAMES), {"tables": list(TABLES)})
    columns: dict[str, list[str]] = dict(found.all())
    for table, indexed in TABLES.items():
        move_links(table, columns[table], indexed)
    for table in TABLES:
        insert_bare(table)
    create_registry()
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
    op.execute(CHECK_REVISION)
    op.execute(CHECK_LEASE)


def move_links(table: str, names: list[str], indexed: tuple[str, ...]) -> None:
    """Fill a table again, each row with the columns of its link."""
    merged = {
        "synced_at": "GREATEST(held.synced_at, link.updated_at) AS synced_at",
        "deleted_at": "COALESCE(link.deleted_at, held.deleted_at) AS deleted_at",
        "merged_into_id": "COALESCE(link.merged_into_id, held.merged_into_id) AS merged_into_id",
    }
    op.execute(MOVED.format(table=table, kept=", ".join(merged.get(name, f'held."{name}"') for name in names)))
    op.execute(PLACED.format(table=table))
    dropped = "".join(f'; DROP INDEX openfaith."{table}_org_id_{column}_idx"' for column in indexed)
    op.execute(EMPTY.format(table=table) + dropped)
    op.execute(INSERT.format(table=table, columns=", ".join(f'"{name}"' for name in (*names, *COLUMNS))))
    op.execute(";".join([KEYS.format(table=table), *(REFERENCES.format(table=table, column=one) for one in indexed)]))


def insert_bare(table: str) -> None:
    entities = ", ".join(f"('{entity}', '{usual}')" for entity, usual in ENTITIES.items())
    merged = ", merged_into_id" if table == "people" else ""
    op.execute(INSERT_BARE.format(table=table, merged=merged, entities=entities))


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
    op.execute(";".join(REGISTER.format(table=table, has_merges=table == "people") for table in TABLES))
