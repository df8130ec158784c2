"""Passes are found by their end: for metrics, and to delete old ones."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX passes_ended_idx ON sync.passes (ended_at) WHERE ended_at IS NOT NULL")
