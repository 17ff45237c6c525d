"""What readers such as chat remember."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of cursors."""
    op.create_table(
        "cursor",
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("reader", sa.Text, primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
    )
