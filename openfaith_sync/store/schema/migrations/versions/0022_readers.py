"""Readers: the roles of analysts, and the orgs that each may read."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ID = sa.Text(collation="C")

# Policies call it for a reader without any org, whom an empty table would tell nothing.
REFUSE = """
CREATE FUNCTION sync.refuse_reader() RETURNS text[] STABLE PARALLEL SAFE LANGUAGE plpgsql SET search_path = pg_catalog
AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
    MESSAGE = format('the role %I was granted no org', current_user),
    HINT = format('An operator grants one with: openfaith-sync db grant %s --org ORG', current_user);
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "readers",
        sa.Column("role", ID, nullable=False, comment="The operator's role; it reads the records of the org."),
        sa.Column("org_id", ID, nullable=False, comment="The church; every statement is bound to one."),
        sa.Column(
            "granted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
            comment="When it was granted.",
        ),
        sa.PrimaryKeyConstraint("role", "org_id", name="readers_pkey"),
        schema="sync",
        comment="The orgs that each reader's role may read; policies of the record tables look here.",
    )
    op.execute(REFUSE)
    op.execute(
        "COMMENT ON FUNCTION sync.refuse_reader() IS "
        "'Raises an error: the role that asks may read records, and was granted no org.'"
    )
