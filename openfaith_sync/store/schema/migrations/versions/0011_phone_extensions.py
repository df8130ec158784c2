"""Phone extensions: a column of their own beside the number."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("phone_numbers", sa.Column("extension", sa.Text()), schema="openfaith")


def downgrade() -> None:
    op.drop_column("phone_numbers", "extension", schema="openfaith")
