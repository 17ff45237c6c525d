"""Oracle, through python-oracledb, as a source. Tests compile its statements and replay its types; it has not been run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.dialects import Complaint, Counter, delete_all
from changeover.transfer.rows_read import RowsRead
from changeover.transfer.shapes import Column, Shape, Sort, TableName

_SESSION: Final = (
    "ALTER SESSION SET TIME_ZONE = '+00:00'",
    "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'",
    "ALTER SESSION SET NLS_SORT = BINARY",
    "ALTER SESSION SET NLS_COMP = BINARY",
)
_SECONDS: Final = "YYYY-MM-DD HH24:MI:SS"


@dataclass(frozen=True, slots=True)
class Oracle(RowsRead):
    """Oracle Database 19c and later. An empty text is NULL there, and arrives as NULL."""

    name: str = "oracle"
    skips_locked: bool = False
    keeps_digits: bool = False

    def prepare(self, connection: sa.Connection) -> None:
        driver: Any = connection.dialect.loaded_dbapi
        driver.defaults.fetch_lobs = False  # a CLOB comes as text, not as a handle
        for statement in _SESSION:
            connection.exec_driver_sql(statement)
        connection.commit()

    def begin(self, connection: sa.Connection) -> None:
        """Constraints are checked at once unless somebody has deferred them."""
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def transport(self, column: Column, quoted: str) -> str:
        match column.sort:
            case Sort.DECIMAL:
                return f"TO_CHAR({quoted}, 'TM9')"  # the driver would make a float of it
            case Sort.DATE | Sort.DATETIME if column.declared == "date":  # which holds seconds here
                return f"TO_CHAR({quoted}, '{_SECONDS}')"
            case Sort.DATETIME:
                moment = f"({quoted} AT TIME ZONE 'UTC')" if column.zoned else quoted
                return f"TO_CHAR({moment}, '{_SECONDS}.FF9')"
            case Sort.TEXT if column.fixed:
                return f"RTRIM({quoted})"
            case _:
                return quoted

    def write(self, connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        into = sa.table(table.name, *[sa.column(name) for name in columns], schema=table.schema)
        connection.execute(into.insert(), [dict(zip(columns, row, strict=True)) for row in rows])

    def complaint(self, error: BaseException) -> Complaint | None:
        code = _code(error)
        return Complaint(code, str(error), "") if code in _OF_A_ROW else None

    def transient(self, error: BaseException) -> bool:
        return _code(error) in {"ORA-00060", "ORA-08177"}

    def repeatable(self, connection: sa.Connection, table: TableName) -> str:  # noqa: ARG002 - the same for every table
        return "copying into Oracle has never been run; it can be read and compared"

    def counters(self, connection: sa.Connection, table: Shape) -> tuple[Counter, ...]:  # noqa: ARG002 - nothing is copied into it
        return ()

    def set_counter(self, connection: sa.Connection, table: TableName, counter: Counter) -> None:
        """Nothing is copied into it."""

    def empty(self, connection: sa.Connection, table: TableName) -> int:
        return delete_all(connection, table)

    def analyse(self, connection: sa.Connection, table: TableName) -> None:
        """Left to the database's owner."""


#: What Oracle says of a row: a NULL, a double, a text too long, a missing parent, a number too large, an invalid date or number.
_OF_A_ROW: Final = frozenset(
    {"ORA-00001", "ORA-01400", "ORA-01438", "ORA-01722", "ORA-01843", "ORA-01861", "ORA-02290", "ORA-02291", "ORA-12899"}
)


def _code(error: BaseException) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) and error.orig is not None else error)
    return said[:9] if said.startswith("ORA-") else ""
