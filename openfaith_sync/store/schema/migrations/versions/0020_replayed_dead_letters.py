"""Replayed dead letters: what a dead letter was read of, and whether it can be mapped again."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

COMMENTS = {
    "dead_letter_id": "The number by which people name it.",
    "is_whole": "Whether raw is the whole record, which can be mapped again; null if an earlier version stored it.",
    "parent_id": "The source''s id of the parent below which a nested record was read.",
    "pass_id": "The pass that set it aside last; passes are pruned by age.",
    "page": "Which page of that pass; null for a record that was read by its id.",
    "read_since": "The source was asked for it after this: what was written to its record since then may be newer.",
}


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE sync.dead_letters
          ADD COLUMN dead_letter_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT dead_letters_id_key UNIQUE,
          ADD COLUMN is_whole boolean,
          ADD COLUMN parent_id text COLLATE "C",
          ADD COLUMN pass_id bigint,
          ADD COLUMN page integer,
          ADD COLUMN read_since timestamp with time zone
        """
    )
    for column, said in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN sync.dead_letters.{column} IS '{said}'")
