"""PostgreSQL, through psycopg: COPY in, keyset reads out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, NotSupportedError, ProgrammingError

from changeover.transfer.copy_command import copy_in
from changeover.transfer.dialects import Complaint, Counter, Extent, Joiner, delete_all, hashed_fields
from changeover.transfer.encoding import MARKED, copied_text
from changeover.transfer.forms import Field, Form
from changeover.transfer.joiners import PostgresqlJoiner, concatenated
from changeover.transfer.quoting import run
from changeover.transfer.shapes import Column, Shape, Sort, TableName

#: SQLSTATE classes that speak of a row: data exception, integrity, raised by a trigger, limits such as an index row's size.
_OF_A_ROW: Final = ("22", "23", "P0", "54")
_TRANSIENT: Final = frozenset({"40001", "40P01", "55P03"})
_COPY_COLUMN: Final = re.compile(r"COPY .*?, line \d+, column ([^:]+)")
_AS_IT_IS: Final = frozenset({Sort.INTEGER, Sort.DECIMAL, Sort.FLOAT, Sort.BOOLEAN, Sort.BINARY})
_PAGE_BYTES: Final = 8_192
_NEXTVAL: Final = re.compile(r"nextval\('(.+)'::regclass\)")


@dataclass(frozen=True, slots=True)
class Postgresql:
    """PostgreSQL 12 and later."""

    name: str = "postgresql"
    skips_locked: bool = True
    keeps_digits: bool = True
    joiner: Joiner | None = field(default_factory=PostgresqlJoiner)

    def prepare(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET client_encoding = 'UTF8'")
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        connection.exec_driver_sql("SET datestyle = 'ISO, YMD'")
        connection.exec_driver_sql("SET intervalstyle = 'postgres'")
        connection.exec_driver_sql("SET extra_float_digits = 1")
        connection.commit()

    def begin(self, connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def transport(self, column: Column, quoted: str) -> str:
        if column.sort in _AS_IT_IS or (column.sort is Sort.TEXT and not column.fixed):
            return quoted
        return f"CAST({quoted} AS text)"

    def canonical(self, column: Column, quoted: str, form: Form) -> str:
        text = f"CAST({quoted} AS text)"
        match form:
            case Form.TEXT:
                return quoted if column.sort is Sort.TEXT and not column.fixed else text
            case Form.BYTES:
                return f"encode({quoted}, 'hex')"
            case Form.WHOLE if column.sort is Sort.BOOLEAN:
                return f"CAST({quoted} AS integer)"
            case Form.NUMBER if column.sort is Sort.BOOLEAN:
                return f"CAST({quoted} AS integer)"
            case Form.NUMBER if column.sort is Sort.DECIMAL:
                return f"trim_scale({quoted})"
            case Form.MOMENT | Form.DAY_OR_MOMENT:
                moment = f"({quoted} AT TIME ZONE 'UTC')" if column.zoned else quoted
                midnight = form is Form.DAY_OR_MOMENT and column.sort is not Sort.DATE
                return f"regexp_replace(CAST({moment} AS text), ' 00:00:00$', '')" if midnight else moment
            case _:
                return quoted

    def digest(self, fields: Sequence[Field]) -> str:
        # CONCAT_WS writes values as a cast to text would, which costs more
        parts = hashed_fields(fields, "octet_length({})", "coalesce({}, -1)", "coalesce(CAST({} AS text), '-')")
        return f"md5({concatenated(parts)})"

    def number(self, digits: str) -> str:
        return f"CAST(CAST('x' || lpad({digits}, 16, '0') AS bit(64)) AS bigint)"

    def extent(self, connection: sa.Connection, table: TableName) -> Extent | None:
        found = connection.execute(
            sa.text(
                "SELECT reltuples, relpages, pg_relation_size(oid), pg_table_size(oid) FROM pg_class"
                " WHERE oid = CAST(:name AS regclass) AND relkind IN ('r', 'm')"
            ),
            {"name": table.quoted(connection.dialect)},
        ).first()
        if found is None or found[0] <= 0 or not found[1]:
            return None  # nobody has looked at it yet
        pages = found[2] / _PAGE_BYTES
        rows = max(1, int(found[0] * pages / found[1]))  # it may have grown since somebody looked
        return Extent(rows, int(found[3] / rows))

    def write(self, connection: sa.Connection, table: TableName, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        text = copied_text(list(zip(*rows, strict=True)), len(rows))
        copy_in(connection, table, columns, [text], options=MARKED)

    def complaint(self, error: BaseException) -> Complaint | None:
        cause: Any = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None) or ""
        if not state.startswith(_OF_A_ROW):
            return None
        place = _COPY_COLUMN.search(cause.diag.context or "")
        reason = cause.diag.message_primary or str(cause)
        detail = f": {cause.diag.message_detail}" if cause.diag.message_detail else ""
        return Complaint(state, f"{reason}{detail}", cause.diag.column_name or (place[1] if place else ""))

    def transient(self, error: BaseException) -> bool:
        cause = error.orig if isinstance(error, DBAPIError) else error
        return getattr(cause, "sqlstate", None) in _TRANSIENT

    def repeatable(self, connection: sa.Connection, table: TableName) -> str:  # noqa: ARG002 - never in doubt here
        return ""

    def counters(self, connection: sa.Connection, table: Shape) -> tuple[Counter, ...]:
        name_of_table = table.name.quoted(connection.dialect)
        found = []
        for column in table.columns:
            if column.sort is not Sort.INTEGER or not column.fills_itself:
                continue
            name = connection.execute(
                sa.text(
                    "SELECT coalesce(pg_get_serial_sequence(:t, :c), (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d"
                    " JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum"
                    " WHERE d.adrelid = CAST(:t AS regclass) AND a.attname = :c))"
                ),
                {"t": name_of_table, "c": column.name},
            ).scalar()
            default = _NEXTVAL.fullmatch(name or "")
            name = default[1].replace("''", "'") if default else name
            if name and ("(" not in name or default):
                row = run(connection, f"SELECT last_value, is_called FROM {name}").one()  # noqa: S608 - as the server wrote it
                found.append(Counter(name, column.name, row.last_value, row.is_called))
        return tuple(found)

    def set_counter(self, connection: sa.Connection, table: TableName, counter: Counter) -> None:  # noqa: ARG002 - a sequence has a name
        connection.execute(
            sa.text("SELECT setval(CAST(:name AS regclass), :value, :used)"),
            {"name": counter.name, "value": counter.next_value, "used": counter.used},
        )

    def empty(self, connection: sa.Connection, table: TableName) -> int:
        name = table.quoted(connection.dialect)
        try:
            with connection.begin_nested():
                run(connection, f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
                rows = connection.execute(sa.select(sa.func.count()).select_from(table.clause)).scalar_one()
                run(connection, f"TRUNCATE {name}")
        except (NotSupportedError, ProgrammingError):  # others refer to it, or we may only delete
            return delete_all(connection, table)
        return int(rows)

    def analyse(self, connection: sa.Connection, table: TableName) -> None:
        run(connection, f"ANALYZE {table.quoted(connection.dialect)}")
