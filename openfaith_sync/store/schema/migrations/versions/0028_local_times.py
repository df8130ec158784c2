"""Views read a local time in the custom fields: what the clock shows, whatever time zone the text states."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION sync.json_local_timestamp(value jsonb) RETURNS timestamp IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
SET datestyle = 'ISO, YMD' AS $$
BEGIN
  IF jsonb_typeof(value) <> 'string'
     OR value #>> '{}' !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})?$' THEN
    RETURN NULL;
  END IF;
  -- The cast ignores the time zone.
  RETURN (value #>> '{}')::timestamp;
EXCEPTION WHEN data_exception THEN
  RETURN NULL;
END
$$;
"""


def upgrade() -> None:
    op.execute(FUNCTION)
