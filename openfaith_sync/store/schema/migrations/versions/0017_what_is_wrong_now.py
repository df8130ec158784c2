"""What is wrong now: what the source counted, when data last changed, and references that lead nowhere."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

CHECKPOINTS = """
ALTER TABLE sync.checkpoints
  ADD COLUMN changed_at timestamptz, ADD COLUMN source_count integer, ADD COLUMN stored_count integer,
  ADD COLUMN set_aside_count integer, ADD COLUMN counted_at timestamptz, ADD COLUMN dangling_references integer,
  ADD COLUMN references_checked_at timestamptz;
COMMENT ON COLUMN sync.checkpoints.changed_at IS 'When a pass last wrote a record; null until one did.';
COMMENT ON COLUMN sync.checkpoints.source_count IS 'What the source counted when a pass was last counted.';
COMMENT ON COLUMN sync.checkpoints.stored_count IS 'Live records at that time.';
COMMENT ON COLUMN sync.checkpoints.set_aside_count IS 'Records with a dead letter and no stored version then.';
COMMENT ON COLUMN sync.checkpoints.counted_at IS 'When the source was last counted; null where it counts nothing.';
COMMENT ON COLUMN sync.checkpoints.dangling_references IS
  'References to records that are not stored, though their entity was completely read since.';
COMMENT ON COLUMN sync.checkpoints.references_checked_at IS 'When these were last looked for.';
UPDATE sync.checkpoints held SET changed_at = (
  SELECT max(done.ended_at) FROM sync.passes done
  WHERE (done.org_id, done.adapter, done.entity) = (held.org_id, held.adapter, held.entity)
    AND done.created + done.updated + done.tombstoned > 0)
"""


def upgrade() -> None:
    op.execute(CHECKPOINTS)
