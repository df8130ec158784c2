"""Readers: the roles of analysts, and the orgs that each may read."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

READERS = """
CREATE TABLE sync.readers (
  role text COLLATE "C" NOT NULL,
  org_id text COLLATE "C" NOT NULL,
  granted_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT readers_pkey PRIMARY KEY (role, org_id)
);
COMMENT ON TABLE sync.readers IS
  'The orgs that each reader''s role may read; policies of the record tables look here.';
COMMENT ON COLUMN sync.readers.role IS 'The operator''s role; it reads the records of the org.';
COMMENT ON COLUMN sync.readers.org_id IS 'The church; every statement is bound to one.';
COMMENT ON COLUMN sync.readers.granted_at IS 'When it was granted.';
"""

# Policies call it for a reader without any org, whom an empty table would tell nothing.
REFUSE = """
CREATE FUNCTION sync.refuse_reader() RETURNS text[] STABLE PARALLEL SAFE LANGUAGE plpgsql SET search_path = pg_catalog
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
    MESSAGE = format('the role %I was granted no org', current_user),
    HINT = format('An operator grants one with: openfaith-sync db grant %s --org ORG', current_user);
END
$$;
COMMENT ON FUNCTION sync.refuse_reader() IS
  'Raises an error: the role that asks may read records, and was granted no org.';
"""


def upgrade() -> None:
    op.execute(READERS + REFUSE)
