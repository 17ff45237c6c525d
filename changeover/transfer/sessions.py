"""Connections and transactions of our own: exact, thrown away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.control import Control
from changeover.transfer.dialects import Dialect


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
        connection.invalidate()
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
