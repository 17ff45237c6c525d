"""The journal's tables, the same on SQLite and PostgreSQL. Texts that are hashed are kept byte for byte as text, not as JSON.

What only one of the two databases understands is added by :func:`schema` where tables are made: SQLAlchemy loads a whole
dialect for it, and a reader needs only that of its own database.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

import sqlalchemy as sa

_ONCE: Final = threading.Lock()
METADATA: Final = sa.MetaData()

#: Where Alembic keeps the schema's version; a name of our own, for a database that other programs use too.
VERSION_TABLE: Final = "changeover_version"

RUN: Final = sa.Table(
    "run",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("runbook", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("environment", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("runner", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("values", sa.Text, nullable=False),
    sa.Column("inputs", sa.Text, nullable=False),
    sa.Column("schema", sa.Integer, nullable=False),
    # from here on the row changes: the end of the journal, and who owns the run
    sa.Column("last_seq", sa.Integer, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("last_command", sa.Integer, nullable=False),
    sa.Column("lease_epoch", sa.Integer, nullable=False),
    sa.Column("lease_owner", sa.Text),  # NULL: nobody's
    sa.Column("lease_host", sa.Text),
    sa.Column("lease_pid", sa.Integer),
    sa.Column("lease_place", sa.Text),  # boot and process namespace: whether a pid of here means anything
    sa.Column("lease_locked", sa.Boolean),  # whether the owner also holds the lock that dies with it
    sa.Column("lease_since", sa.Text),
    sa.Column("lease_until", sa.Float),  # seconds on the database's clock
)

#: The texts a run was loaded from. Apart from the run's row, which is written with every commit.
SOURCE: Final = sa.Table(
    "source",
    METADATA,
    sa.Column("run", sa.ForeignKey("run.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

EVENT: Final = sa.Table(
    "event",
    METADATA,
    sa.Column("run", sa.ForeignKey("run.id"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

COMMAND: Final = sa.Table(
    "command",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run", sa.ForeignKey("run.id"), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("whence", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("accepted", sa.Boolean),  # NULL: not answered yet
    sa.Column("answer", sa.Text, nullable=False),
    sa.UniqueConstraint("run", "key", name="command_once"),
)

CURSOR: Final = sa.Table(
    "cursor",
    METADATA,
    sa.Column("run", sa.ForeignKey("run.id"), primary_key=True),
    sa.Column("reader", sa.Text, primary_key=True),
    sa.Column("data", sa.Text, nullable=False),
)


def schema() -> sa.MetaData:
    """The tables as they are made, with what belongs to one database only."""
    with _ONCE:  # several threads may open their first journals at the same time
        return _schema()


@cache
def _schema() -> sa.MetaData:
    passed = EVENT.c.kind == "step_passed"
    EVENT.dialect_options["sqlite"]["with_rowid"] = False
    sa.Index("event_passed_once", EVENT.c.run, EVENT.c.step, unique=True, sqlite_where=passed, postgresql_where=passed)
    return METADATA
