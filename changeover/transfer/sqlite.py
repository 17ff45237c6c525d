"""SQLite: one writer at a time, types by affinity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError

from changeover.transfer.dialects import Complaint, Counter, delete_all, insert_rows
from changeover.transfer.rows_read import RowsRead
from changeover.transfer.shapes import Column, Shape, TableName

_COLUMN: Final = re.compile(r"constraint failed: (?:[^.,]+\.)?([^,\s]+)")


@dataclass(frozen=True, slots=True)
class Sqlite(RowsRead):
    """SQLite 3.24 and later."""

    name: str = "sqlite"
    skips_locked: bool = False
    keeps_digits: bool = False

    def prepare(self, connection: sa.Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.isolation_level = None  # transactions begin where this package says so, not where the driver guesses
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql("PRAGMA busy_timeout = 2000")  # then the step looks whether it has to stop
        connection.rollback()

    def begin(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def transport(self, column: Column, quoted: str) -> str:  # noqa: ARG002 - values come as they are
        return quoted

    def write(self, connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        insert_rows(connection, table, columns, rows)

    def complaint(self, error: BaseException) -> Complaint | None:
        if isinstance(error, IntegrityError | DataError):
            said = str(error.orig)
            place = _COLUMN.search(said)
            return Complaint(getattr(error.orig, "sqlite_errorname", ""), said, place[1].split(".")[-1] if place else "")
        return None

    def transient(self, error: BaseException) -> bool:
        return isinstance(error, OperationalError) and "locked" in str(error.orig)

    def repeatable(self, connection: sa.Connection, table: TableName) -> str:  # noqa: ARG002 - never in doubt here
        return ""

    def counters(self, connection: sa.Connection, table: Shape) -> tuple[Counter, ...]:
        declared = connection.execute(
            sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name"), {"name": table.name.name}
        ).scalar()
        if not declared or "autoincrement" not in declared.lower() or len(table.primary_key) != 1:
            return ()
        last = connection.execute(
            sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name.name}
        ).scalar()
        return (Counter("sqlite_sequence", table.primary_key[0], (last or 0) + 1, last is not None),)

    def set_counter(self, connection: sa.Connection, table: TableName, counter: Counter) -> None:
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        if counter.used:
            values = {"name": table.name, "last": counter.next_value - 1}
            connection.execute(sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), values)

    def empty(self, connection: sa.Connection, table: TableName) -> int:
        return delete_all(connection, table)

    def analyse(self, connection: sa.Connection, table: TableName) -> None:
        """Left to the database's owner."""


def undecodable(error: BaseException) -> bool:
    """Whether a text in the file is not UTF-8."""
    return isinstance(error, DBAPIError) and "Could not decode to UTF-8" in str(error.orig)
