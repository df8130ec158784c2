"""The living rows of each canonical table, in views of their own schema, and which columns only few may read."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Later migrations make the live view of a new table, or add a new column to one, with: SELECT sync.make_live_view(...)
MAKE = """
CREATE FUNCTION sync.make_live_view(name text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  own oid := format('openfaith.%I', name)::regclass;
  shown text;
  living text := 'deleted_at IS NULL';
  said record;
BEGIN
  SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO shown FROM pg_attribute
  WHERE attrelid = own AND attnum > 0 AND NOT attisdropped
    AND attname <> ALL ('{custom_fields,merged_into_id,deleted_at,source_version,content_hash,is_loss}');
  IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = own AND attname = 'merged_into_id' AND NOT attisdropped) THEN
    living := living || ' AND merged_into_id IS NULL';
  END IF;
  EXECUTE format('CREATE OR REPLACE VIEW openfaith_live.%I WITH (security_invoker = true) AS '
                 'SELECT %s FROM openfaith.%I WHERE %s', name, shown, name, living);
  EXECUTE format('COMMENT ON VIEW openfaith_live.%I IS %L', name,
                 concat_ws(' ', obj_description(own, 'pg_class'), format('Living rows of openfaith.%s.', name)));
  FOR said IN
    SELECT view.attname AS of, col_description(own, kept.attnum) AS comment
    FROM pg_attribute view JOIN pg_attribute kept ON kept.attrelid = own AND kept.attname = view.attname
    WHERE view.attrelid = format('openfaith_live.%I', name)::regclass AND view.attnum > 0
  LOOP
    EXECUTE format('COMMENT ON COLUMN openfaith_live.%I.%I IS %L', name, said.of, said.comment);
  END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION sync.make_live_view(text) FROM PUBLIC;
COMMENT ON FUNCTION sync.make_live_view(text) IS 'Makes the live view of a canonical table, or adds columns to it.';
"""


HIDDEN = """
CREATE TABLE sync.hidden_columns (
  adapter text COLLATE "C" NOT NULL,
  table_schema text COLLATE "C" NOT NULL,
  table_name text COLLATE "C" NOT NULL,
  column_name text COLLATE "C" NOT NULL,
  CONSTRAINT hidden_columns_pkey PRIMARY KEY (adapter, table_schema, table_name, column_name)
);
COMMENT ON TABLE sync.hidden_columns IS
  'The columns that no live view shows, and that no reader may read without asking for them.';
COMMENT ON COLUMN sync.hidden_columns.adapter IS 'The adapter whose manifest calls the column sensitive.';
COMMENT ON COLUMN sync.hidden_columns.table_schema IS 'The schema of a table of records.';
COMMENT ON COLUMN sync.hidden_columns.table_name IS 'The table.';
COMMENT ON COLUMN sync.hidden_columns.column_name IS 'Its column.';
CREATE SCHEMA openfaith_live;
COMMENT ON SCHEMA openfaith_live IS 'The living rows of schema openfaith: a view of each table.';
"""


def upgrade() -> None:
    op.execute(HIDDEN + MAKE)
    op.execute("SELECT sync.make_live_view(tablename) FROM pg_tables WHERE schemaname = 'openfaith' ORDER BY tablename")
