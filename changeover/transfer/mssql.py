"""SQL Server, as a source. Its statements are compiled and its types replayed in tests; it has not been run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.dialects import Complaint, Counter, delete_all
from changeover.transfer.rows_read import RowsRead
from changeover.transfer.shapes import Column, Shape, Sort, TableName

#: Nothing is cut or rounded in silence.
_SESSION: Final = ("SET DATEFORMAT ymd", "SET ANSI_WARNINGS ON", "SET ARITHABORT ON", "SET NUMERIC_ROUNDABORT OFF")
#: What the server says of a row: a NULL, a double, a text too long, a missing parent, an overflow, an impossible conversion.
_OF_A_ROW: Final = frozenset({220, 241, 242, 245, 515, 547, 2601, 2627, 2628, 8115, 8152})
_TRANSIENT: Final = frozenset({1205, 1222})


@dataclass(frozen=True, slots=True)
class Mssql(RowsRead):
    """SQL Server 2019 and later, Azure SQL."""

    name: str = "mssql"
    skips_locked: bool = False
    keeps_digits: bool = False

    def prepare(self, connection: sa.Connection) -> None:
        for statement in _SESSION:
            connection.exec_driver_sql(statement)
        connection.commit()

    def begin(self, connection: sa.Connection) -> None:
        """Constraints are always checked at once here."""

    def transport(self, column: Column, quoted: str) -> str:
        match column.sort:
            case Sort.DATE:
                return f"CONVERT(varchar(10), {quoted}, 23)"
            case Sort.DATETIME if column.zoned:
                return f"CONVERT(varchar(33), CAST(SWITCHOFFSET({quoted}, '+00:00') AS datetime2(7)), 121)"
            case Sort.DATETIME:
                return f"CONVERT(varchar(33), {quoted}, 121)"
            case Sort.TIME:
                return f"CONVERT(varchar(16), {quoted}, 121)"
            case Sort.UUID:
                return f"LOWER(CONVERT(char(36), {quoted}))"
            case Sort.DECIMAL if column.declared in {"money", "smallmoney"}:
                return f"CAST({quoted} AS decimal(19, 4))"
            case Sort.TEXT if column.fixed:
                return f"RTRIM({quoted})"
            case _:
                return quoted

    def write(self, connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        into = sa.table(table.name, *[sa.column(name) for name in columns], schema=table.schema)
        connection.execute(into.insert(), [dict(zip(columns, row, strict=True)) for row in rows])

    def complaint(self, error: BaseException) -> Complaint | None:
        number, said = _error(error)
        return Complaint(str(number), said, "") if number in _OF_A_ROW else None

    def transient(self, error: BaseException) -> bool:
        return _error(error)[0] in _TRANSIENT

    def repeatable(self, connection: sa.Connection, table: TableName) -> str:  # noqa: ARG002 - the same for every table
        return "copying into SQL Server has never been run; it can be read and compared"

    def counters(self, connection: sa.Connection, table: Shape) -> tuple[Counter, ...]:  # noqa: ARG002 - nothing is copied into it
        return ()

    def set_counter(self, connection: sa.Connection, table: TableName, counter: Counter) -> None:
        """Nothing is copied into it."""

    def empty(self, connection: sa.Connection, table: TableName) -> int:
        return delete_all(connection, table)

    def analyse(self, connection: sa.Connection, table: TableName) -> None:
        """Left to the database's owner."""


def _error(error: BaseException) -> tuple[int, str]:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    arguments = cause.args
    return (arguments[0], str(arguments[-1])) if arguments and isinstance(arguments[0], int) else (0, str(cause))
