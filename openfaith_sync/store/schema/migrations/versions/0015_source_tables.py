"""A manifest makes its tables: what was applied is recorded, and views read custom fields safely."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")

# A view must not break on one row's value, so that each function returns null for what is no value of its type.
# Dates and times are immutable under a fixed DateStyle and time zone only; both are settings of the function.
FUNCTIONS = """
CREATE FUNCTION sync.json_text(value jsonb) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN jsonb_typeof(value) IN ('string', 'number') THEN value #>> '{}' END;

CREATE FUNCTION sync.json_boolean(value jsonb) RETURNS boolean IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE lower(CASE WHEN jsonb_typeof(value) IN ('boolean', 'string') THEN value #>> '{}' END)
  WHEN 'true' THEN true WHEN '1' THEN true WHEN 'yes' THEN true
  WHEN 'false' THEN false WHEN '0' THEN false WHEN 'no' THEN false END;

CREATE FUNCTION sync.json_bigint(value jsonb) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN jsonb_typeof(value) IN ('number', 'string') AND value #>> '{}' ~ '^-?[0-9]{1,18}(\\.0+)?$'
  THEN trunc((value #>> '{}')::numeric)::bigint END;

CREATE FUNCTION sync.json_float(value jsonb) RETURNS double precision IMMUTABLE PARALLEL SAFE LANGUAGE sql
RETURN CASE WHEN jsonb_typeof(value) IN ('number', 'string') AND value #>> '{}' ~ '^-?[0-9]{1,300}(\\.[0-9]{1,300})?$'
  THEN (value #>> '{}')::double precision END;

CREATE FUNCTION sync.json_date(value jsonb) RETURNS date IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' AS $$
BEGIN
  IF jsonb_typeof(value) <> 'string' OR value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
    RETURN NULL;
  END IF;
  RETURN (value #>> '{}')::date;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$$;

CREATE FUNCTION sync.json_timestamp(value jsonb) RETURNS timestamptz IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $$
BEGIN
  IF jsonb_typeof(value) <> 'string'
     OR value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})$' THEN
    RETURN NULL;
  END IF;
  RETURN (value #>> '{}')::timestamptz;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$$;
"""


TABLES = (
    *("people", "households", "household_memberships", "addresses", "emails", "phone_numbers", "campuses"),
    *("groups", "group_memberships", "events"),
)


def upgrade() -> None:
    for table in TABLES:
        op.execute(f"COMMENT ON COLUMN openfaith.{table}.tags IS 'Set by OpenFaith, never by a sync.'")
    op.create_table(
        "applied_manifests",
        sa.Column("adapter", ID, nullable=False, comment="The adapter; its tables lie in the schema of this name."),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="Of the manifest and of how tables are made."),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column(
            "applied_at", sa.DateTime(timezone=True), comment="When every table was there; null while some are not."
        ),
        sa.PrimaryKeyConstraint("adapter", "fingerprint", name="applied_manifests_pkey"),
        schema="sync",
        comment="The manifests whose tables were made here. A worker with any of them finds its tables.",
    )
    op.execute(FUNCTIONS)
