"""Connections and transactions of our own: exact, thrown away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.control import Control
from changeover.transfer.databases import DatabaseUnreachable
from changeover.transfer.dialects import Dialect
from changeover.transfer.failing import ConnectionLost

#: What servers say to connections that they end themselves: MariaDB's numbers, PostgreSQL's SQLSTATEs.
_ENDED: Final = frozenset({1053, 1927, 2006, 2013, "57P01", "57P02", "57P03", "08006", "08003"})


def lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that another one may succeed: the server was restarted, the network was cut."""
    if isinstance(error, DatabaseUnreachable | ConnectionLost | PendingRollbackError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    number = error.orig.args[0] if error.orig is not None and error.orig.args else None
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or state in _ENDED or (isinstance(number, int) and number in _ENDED)


@contextmanager
def session(database: Database, dialect: Dialect, *, autocommit: bool = False) -> Iterator[sa.Connection]:
    """A connection of our own with an exact session, thrown away afterwards so that nobody else inherits its settings."""
    connection = database.engine.connect()
    try:
        if autocommit:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        dialect.prepare(connection)
        yield connection
    finally:
        try:
            connection.invalidate()
        finally:
            connection.close()


@contextmanager
def transaction(connection: sa.Connection, dialect: Dialect) -> Iterator[None]:
    """One transaction that writes."""
    with connection.begin():
        dialect.begin(connection)
        yield


def create_control(connection: sa.Connection) -> None:
    """Make the control tables where they are missing."""
    with connection.begin():
        known = Control.exists(connection)
    if known:
        return
    try:
        with connection.begin():
            Control.create(connection)
    except SQLAlchemyError:
        # two workers may make them at once; the one that lost finds them made
        with connection.begin():
            if not Control.exists(connection):
                raise
