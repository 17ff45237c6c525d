"""Runs, their sources, events and commands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    _runs()
    _events()
    op.create_table(
        "command",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), nullable=False),
        *(_text(name) for name in ("key", "verb", "who", "why", "step", "whence", "data", "at")),
        sa.Column("accepted", sa.Boolean),
        _text("answer"),
        sa.UniqueConstraint("run", "key", name="command_once"),
    )


def _runs() -> None:
    texts = ("runbook", "title", "environment", "mode", "runner", "created_at", "digest", "file", "values", "inputs")
    op.create_table(
        "run",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        *(_text(name) for name in texts),
        sa.Column("schema", sa.Integer, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        _text("head"),
        sa.Column("last_command", sa.Integer, nullable=False),
        sa.Column("lease_epoch", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_host", sa.Text),
        sa.Column("lease_pid", sa.Integer),
        sa.Column("lease_place", sa.Text),
        sa.Column("lease_locked", sa.Boolean),
        sa.Column("lease_since", sa.Text),
        sa.Column("lease_until", sa.Float),
    )
    op.create_table(
        "source",
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        _text("path"),
        _text("text"),
    )


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("run", sa.Text, sa.ForeignKey("run.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        _text("at"),
        sa.Column("epoch", sa.Integer, nullable=False),
        _text("kind"),
        _text("step"),
        sa.Column("attempt", sa.Integer, nullable=False),
        _text("who"),
        _text("data"),
        _text("hash"),
        sqlite_with_rowid=False,
    )
    passed = sa.text("kind = 'step_passed'")
    op.create_index("event_passed_once", "event", ["run", "step"], unique=True, sqlite_where=passed, postgresql_where=passed)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)
