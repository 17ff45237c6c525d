"""MariaDB and MySQL, through PyMySQL: multi-row inserts in, keyset reads out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.dialects import Complaint, Counter, Extent, Joiner, delete_all, hashed_fields, insert_rows
from changeover.transfer.forms import Field, Form
from changeover.transfer.joiners import MariadbJoiner
from changeover.transfer.quoting import run
from changeover.transfer.shapes import Column, Shape, Sort, TableName

#: Strict: nothing is cut or rounded in silence. Key 0 stays 0, and a zero date of another MariaDB arrives as it is.
_MODE: Final = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
#: Server error numbers that speak of a row.
_OF_A_ROW: Final = frozenset(
    {1048, 1062, 1263, 1264, 1265, 1292, 1364, 1366, 1406, 1411, 1416, 1425, 1441, 1451, 1452, 1586, 1644, 1690, 3140, 3819, 4025}
)
_TRANSIENT: Final = frozenset({1205, 1213})
_COLUMN: Final = re.compile(r"column '?(?:`[^`]*`\.`[^`]*`\.)?[`'\"]?([^`'\"]+)[`'\"]?", re.IGNORECASE)
#: Bytes that the rows of one block may have together.
_BLOCK_BYTES: Final = 16_000_000
_AS_TEXT: Final = frozenset({Sort.DATE, Sort.DATETIME, Sort.TIME, Sort.UUID})


@dataclass(frozen=True, slots=True)
class Mariadb:
    """MariaDB 10.6 and MySQL 8, and later: older ones cannot skip locked rows."""

    name: str = "mysql"
    skips_locked: bool = True
    keeps_digits: bool = True
    joiner: Joiner | None = field(default_factory=MariadbJoiner)

    def prepare(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SET SESSION sql_mode = '{_MODE}'")
        connection.exec_driver_sql("SET SESSION time_zone = '+00:00'")
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 1, SESSION unique_checks = 1")
        connection.exec_driver_sql(f"SET SESSION group_concat_max_len = LEAST({_BLOCK_BYTES:d}, @@max_allowed_packet DIV 2)")
        connection.commit()

    def begin(self, connection: sa.Connection) -> None:
        """Constraints are always checked at once here."""

    def transport(self, column: Column, quoted: str) -> str:
        if column.sort in _AS_TEXT:
            return f"CAST({quoted} AS char)"
        if column.sort is Sort.BIT:
            return f"({quoted} + 0)"
        if column.single:
            return f"({quoted} + 0e0)"  # a FLOAT alone is printed with six digits
        return quoted

    def canonical(self, column: Column, quoted: str, form: Form) -> str:
        text = f"CAST({quoted} AS char)"
        match form:
            case Form.TEXT:
                return quoted if column.utf8 else f"CONVERT({text if column.sort is Sort.UUID else quoted} USING utf8mb4)"
            case Form.BYTES:
                return f"LOWER(HEX({quoted}))"
            case Form.WHOLE | Form.FIXED | Form.DAY:
                return quoted
            case Form.NUMBER:
                return _shortened(quoted, column.scale if column.sort is Sort.DECIMAL else 0)
            case Form.MOMENT:
                return _shortened(quoted, column.fraction)
            case Form.DAY_OR_MOMENT:
                if column.sort is Sort.DATE:
                    return text
                return f"TRIM(TRAILING _binary' 00:00:00' FROM {_shortened(quoted, column.fraction)})"

    def digest(self, fields: Sequence[Field]) -> str:
        row = ", ".join(hashed_fields(fields, "OCTET_LENGTH({})", "IFNULL({}, -1)", "IFNULL({}, '-')"))
        # a row larger than max_allowed_packet is NULL: then the figures have to differ, so that the rows are looked at
        return f"IFNULL(MD5(CONCAT_WS(';', {row})), MD5(UUID()))"

    def number(self, digits: str) -> str:
        return f"CAST(CONV({digits}, 16, 10) AS unsigned)"

    def extent(self, connection: sa.Connection, table: TableName) -> Extent | None:
        rows, size = _status(connection, table, "table_rows"), _status(connection, table, "avg_row_length")
        return Extent(int(rows), int(size)) if rows and size else None

    def write(self, connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        insert_rows(connection, table, columns, rows)

    def complaint(self, error: BaseException) -> Complaint | None:
        number, said = _error(error)
        if number not in _OF_A_ROW:
            return None
        place = _COLUMN.search(said)
        return Complaint(str(number), said, place[1] if place else "")

    def transient(self, error: BaseException) -> bool:
        return _error(error)[0] in _TRANSIENT

    def repeatable(self, connection: sa.Connection, table: TableName) -> str:
        engine = _status(connection, table, "engine")
        if engine and str(engine).lower() in {"myisam", "aria", "memory", "csv", "archive"}:
            return f"its storage engine {engine} has no transactions: ALTER TABLE ... ENGINE=InnoDB first"
        return ""

    def counters(self, connection: sa.Connection, table: Shape) -> tuple[Counter, ...]:
        column = next((column for column in table.columns if column.fills_itself and column.sort is Sort.INTEGER), None)
        value = _status(connection, table.name, "auto_increment") if column is not None else None
        return (Counter("AUTO_INCREMENT", column.name, int(value)),) if column is not None and value is not None else ()

    def set_counter(self, connection: sa.Connection, table: TableName, counter: Counter) -> None:
        run(connection, f"ALTER TABLE {table.quoted(connection.dialect)} AUTO_INCREMENT = {counter.next_value:d}")

    def empty(self, connection: sa.Connection, table: TableName) -> int:
        return delete_all(connection, table)  # TRUNCATE would commit

    def analyse(self, connection: sa.Connection, table: TableName) -> None:
        """InnoDB keeps its statistics by itself."""


def _shortened(value: str, digits: int | None) -> str:
    """SQL for a number or moment without zeros at its end that say nothing, of *digits* behind the point at most."""
    if digits == 0:
        return value
    # bytes, because of a text every character would be looked at, from its beginning
    short = f"TRIM(TRAILING _binary'.' FROM TRIM(TRAILING _binary'0' FROM {value}))"
    return short if digits else f"IF(INSTR({value}, '.'), {short}, CAST({value} AS char))"


def _status(connection: sa.Connection, table: TableName, column: str) -> Any:
    statement = (
        f"SELECT {column} FROM information_schema.tables"  # noqa: S608 - a word of this file
        " WHERE table_schema = coalesce(:schema, database()) AND table_name = :name"
    )
    return connection.execute(sa.text(statement), {"schema": table.schema, "name": table.name}).scalar()


def _error(error: BaseException) -> tuple[int, str]:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    arguments = cause.args
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    return 0, str(cause)
