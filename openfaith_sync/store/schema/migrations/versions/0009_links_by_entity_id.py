"""An index that finds the source's id of a row."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("external_links_entity_id_idx", "external_links", ["entity_id"], schema="sync")
