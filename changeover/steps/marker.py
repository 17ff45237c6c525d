"""A row in the same transaction as a step's statements: it tells afterwards whether they happened, and fences late ones off.

The row's key is the attempt's token, and it is written first. So whoever looks writes the same key: either the attempt has
committed (the key is there), or it has not and never will any more (the key is now ours), or its transaction is still open
(the database lets us wait).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from changeover.contracts import Context, Found, Probe, Value
from changeover.errors import Setback
from changeover.journal.canonical import text_of, value_of

#: Where the rows stand: one table in each database that a step with `marker: true` changes.
TABLE: Final = "changeover_marker"
#: Characters of a key; a longer token is known by its hash.
_KEY: Final = 200
#: Characters of an output that is kept for whoever looks; a longer one is not kept.
_OUTPUT: Final = 16_000
#: Seconds that a look waits for an open transaction before it says that one is open.
_WAITS: Final = 5
_LOCKED: Final = ("lock timeout", "lock wait timeout", "database is locked", "resource busy")

_ROWS: Final = sa.Table(
    TABLE,
    sa.MetaData(),
    sa.Column("token", sa.String(_KEY), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("output", sa.Text, nullable=True),
)


class State(StrEnum):
    """What a row says of its attempt."""

    BEGUN = "begun"  # seen by others only where a statement commits by itself (DDL in MariaDB)
    DONE = "done"
    FENCED = "fenced"  # somebody looked first: the attempt can never commit any more


@dataclass(eq=False)
class FencedOff(Setback):
    """Somebody has looked whether this attempt happened, and found that it had not: now it may not."""

    database: str

    def __str__(self) -> str:
        return f"database {self.database}: this attempt was given up before it could write; nothing of it was done"


@dataclass(frozen=True, slots=True)
class Marker:
    """The row of one attempt."""

    database: str
    key: str

    @classmethod
    def of(cls, context: Context, database: str) -> Marker:
        """The row of *context*'s attempt."""
        token = context.token
        return cls(database, token if len(token) <= _KEY else sha256(token.encode()).hexdigest())

    def begin(self, connection: sa.Connection) -> None:
        """Write it, before anything else. Raises FencedOff."""
        try:
            connection.execute(sa.insert(_ROWS), {"token": self.key, "state": State.BEGUN.value})
        except IntegrityError:
            raise FencedOff(self.database) from None

    def end(self, connection: sa.Connection, output: Value) -> None:
        """Say in it that everything is done; only the commit is left."""
        text = text_of(output)
        this = _ROWS.c.token == self.key
        kept = text if len(text) <= _OUTPUT else None
        connection.execute(sa.update(_ROWS).where(this).values(state=State.DONE.value, output=kept))

    def look(self, connection: sa.Connection) -> Probe:
        """Fence the attempt off, unless it has happened, and say which."""
        _wait_no_longer(connection)
        try:
            connection.execute(sa.insert(_ROWS), {"token": self.key, "state": State.FENCED.value})
            connection.commit()
        except IntegrityError:
            connection.rollback()
            row = connection.execute(sa.select(_ROWS).where(_ROWS.c.token == self.key)).one()
            return _found(row, self.database)
        except DBAPIError as error:
            if not any(words in str(error.orig).lower() for words in _LOCKED):
                raise
            connection.rollback()
            return Probe(Found.IN_PROGRESS, f"its transaction in {self.database} is still open")
        return Probe(Found.CLEAN, f"{self.database} has no marker of it, and it can write none any more")


def make_table(engine: sa.Engine) -> None:
    """See to it that there is a table for the rows."""
    _ROWS.create(engine, checkfirst=True)


def _found(row: sa.Row[Any], database: str) -> Probe:
    match State(row.state):
        case State.DONE:
            return Probe(Found.DONE, f"its marker is in {database}", None if row.output is None else value_of(row.output))
        case State.FENCED:
            return Probe(Found.CLEAN, f"{database} has no marker of it, and it can write none any more")
        case State.BEGUN:
            return Probe(Found.PARTIAL, f"{database} committed a part of it by itself")


def _wait_no_longer(connection: sa.Connection) -> None:
    """Limit how long this connection's next statement waits for another's lock."""
    limits = {
        "postgresql": f"set local lock_timeout = '{_WAITS}s'",
        "mysql": f"set innodb_lock_wait_timeout = {_WAITS}",
        "mariadb": f"set innodb_lock_wait_timeout = {_WAITS}",
        "sqlite": f"pragma busy_timeout = {_WAITS * 1000}",
    }
    limit = limits.get(connection.dialect.name)
    if limit is not None:
        connection.execute(sa.text(limit))
