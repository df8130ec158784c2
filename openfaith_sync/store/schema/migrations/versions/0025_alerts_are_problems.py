"""Alerts follow from problems: each has the name of its problems' kind, and says what is wrong with each org."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# What is open is found again under its new name within seconds.
ALERTS = """
DELETE FROM sync.alert_orgs;
DELETE FROM sync.alerts;
ALTER TABLE sync.alerts ALTER COLUMN command SET NOT NULL;
ALTER TABLE sync.alert_orgs ADD COLUMN detail text NOT NULL, ADD COLUMN command text NOT NULL;
COMMENT ON COLUMN sync.alerts.cause IS 'The kind of the problems that it tells of.';
COMMENT ON COLUMN sync.alerts.command IS 'The command that helps.';
COMMENT ON COLUMN sync.alert_orgs.detail IS 'What is wrong, for a person.';
COMMENT ON COLUMN sync.alert_orgs.command IS 'The command that helps.'
"""


def upgrade() -> None:
    op.execute(ALERTS)
