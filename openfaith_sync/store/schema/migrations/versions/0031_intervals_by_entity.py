"""Entities are checked and compared at intervals of their own."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE sync.work ADD COLUMN every interval")
    op.execute("COMMENT ON COLUMN sync.work.every IS 'How often it is due, if that is by itself; null for never.'")
    op.execute("COMMENT ON COLUMN sync.cadences.every IS 'How often; 0 for never.'")
    op.execute("ALTER TABLE sync.connections ADD COLUMN planned text")
    op.execute(
        "COMMENT ON COLUMN sync.connections.planned IS "
        "'The fingerprint of the entities and intervals that its due work was planned from.'"
    )
    op.execute("ALTER TABLE sync.checkpoints ADD COLUMN compared_at timestamptz, ADD COLUMN whole_at timestamptz")
    op.execute("COMMENT ON COLUMN sync.checkpoints.compared_at IS 'When its records were last compared.'")
    op.execute("COMMENT ON COLUMN sync.checkpoints.whole_at IS 'When all of them were last read and compared.'")
    # Of 700,000 rows of 5,000 churches, those that a run has or that did not end well: a few.
    op.execute(
        "CREATE INDEX work_unsettled_idx ON sync.work (org_id, adapter) WHERE run_key IS NOT NULL "
        "OR (not_before IS NOT NULL AND reason NOT IN ('no changes', 'done'))"
    )
    op.execute(
        "CREATE INDEX checkpoints_incomplete_idx ON sync.checkpoints (org_id, adapter) "
        "WHERE source_count > stored_count + set_aside_count OR dangling_references > 0"
    )
