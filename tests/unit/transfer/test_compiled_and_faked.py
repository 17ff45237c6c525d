"""Oracle and SQL Server: no server of theirs can be had here, so statements are compiled and types are replayed."""

from __future__ import annotations

import importlib
import os
import types
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from changeover.runbook.systems import DatabaseEntry
from changeover.transfer.databases import OpenDatabase, open_database
from changeover.transfer.digests import Portion, Term
from changeover.transfer.mssql import Mssql
from changeover.transfer.oracle import Oracle
from changeover.transfer.questions import count_rows
from changeover.transfer.reconcile.areas import Span
from changeover.transfer.reconcile.figures import sides
from changeover.transfer.shapes import Column, Sort, TableName, column_of

oracle: Any = importlib.import_module("sqlalchemy.dialects.oracle")  # its types are not annotated
mssql: Any = importlib.import_module("sqlalchemy.dialects.mssql")

ORACLE = (
    ("ID", oracle.NUMBER(10, 0)),
    ("AMOUNT", oracle.NUMBER(12, 2)),
    ("BIG", oracle.NUMBER()),
    ("CODE", sa.CHAR(8)),
    ("NOTE", oracle.VARCHAR2(40)),
    ("BORN", oracle.DATE()),
    ("MADE", oracle.TIMESTAMP()),
    ("STAMP", oracle.TIMESTAMP(timezone=True)),
    ("RAW_", oracle.RAW(16)),
)
MSSQL = (
    ("id", mssql.BIGINT()),
    ("amount", mssql.MONEY()),
    ("flag", mssql.BIT()),
    ("code", mssql.NCHAR(8)),
    ("note", mssql.NVARCHAR(40)),
    ("born", mssql.DATE()),
    ("made", mssql.DATETIME2(7)),
    ("stamp", mssql.DATETIMEOFFSET(7)),
    ("u", mssql.UNIQUEIDENTIFIER()),
)


class Driver(types.ModuleType):
    """A DB-API module whose only table is what it was given."""

    paramstyle = "named"
    apilevel = "2.0"
    threadsafety = 1
    version = __version__ = "9.9.9"
    Error = DatabaseError = OperationalError = IntegrityError = InterfaceError = ProgrammingError = type(
        "Error", (Exception,), {}
    )

    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        super().__init__("driver")
        self.rows = rows
        self.asked: list[tuple[str, Any]] = []
        self.defaults = types.SimpleNamespace(fetch_lobs=True)

    def connect(self, *_: Any, **__: Any) -> Session:
        return Session(self)

    def makedsn(self, *_: Any, **__: Any) -> str:
        return "dsn"

    def __getattr__(self, name: str) -> Any:
        return type(name, (), {})  # types of columns that SQLAlchemy looks up


class Session:
    """A connection, and its own cursor."""

    version = "19.0.0"
    autocommit = False

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.description: Any = None
        self.left: list[tuple[Any, ...]] = []
        self.arraysize = 100
        self.rowcount = -1
        self.outputtypehandler = None

    def cursor(self) -> Session:
        return Session(self.driver)

    def execute(self, statement: str, parameters: Any = None) -> None:
        self.driver.asked.append((statement, parameters))
        if statement.startswith("SELECT"):
            width = len(self.driver.rows[0])
            self.description = [(f"f{place}", None, None, None, None, None, None) for place in range(width)]
            self.left = list(self.driver.rows)

    def fetchmany(self, size: int = 100) -> list[tuple[Any, ...]]:
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(1_000_000)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.left.pop(0) if self.left else None

    def setinputsizes(self, *_: Any, **__: Any) -> None: ...

    def close(self) -> None: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


def faked(system: str, rows: Sequence[tuple[Any, ...]]) -> tuple[OpenDatabase, Driver]:
    driver = Driver(rows)
    driver.paramstyle = "named" if system == "oracle" else "pyformat"
    scheme = "oracle+oracledb" if system == "oracle" else "mssql+pymssql"
    engine = sa.create_engine(f"{scheme}://u:p@db.invalid/x", module=driver, _initialize=False)
    return OpenDatabase(system, engine), driver


def columns_of(table: Sequence[tuple[str, Any]], system: str) -> dict[str, Column]:
    return {name: column_of({"name": name, "type": kind, "nullable": True}, system) for name, kind in table}


def test_types_of_oracle_and_sql_server_mean_what_they_hold() -> None:
    found = columns_of(ORACLE, "oracle")
    assert [column.sort for column in found.values()] == [
        Sort.INTEGER, Sort.DECIMAL, Sort.DECIMAL, Sort.TEXT, Sort.TEXT, Sort.DATETIME, Sort.DATETIME, Sort.DATETIME, Sort.BINARY,
    ]  # fmt: skip
    assert (found["ID"].lowest, found["ID"].highest) == (-(10**10) + 1, 10**10 - 1)
    found = columns_of(MSSQL, "mssql")
    assert [column.sort for column in found.values()] == [
        Sort.INTEGER, Sort.DECIMAL, Sort.BOOLEAN, Sort.TEXT, Sort.TEXT, Sort.DATE, Sort.DATETIME, Sort.DATETIME, Sort.UUID,
    ]  # fmt: skip
    assert (found["amount"].precision, found["amount"].scale) == (19, 4)


def test_oracle_is_read_without_loss() -> None:
    database, _ = faked("oracle", [(1,)])
    portion = Portion(
        database,
        TableName(None, "customers"),
        tuple(Term.of(database, column) for column in columns_of(ORACLE, "oracle").values()),
    )
    dialect = Oracle()
    assert [dialect.transport(term.column, term.sql) for term in portion.terms] == [
        '"ID"', "TO_CHAR(\"AMOUNT\", 'TM9')", "TO_CHAR(\"BIG\", 'TM9')", 'RTRIM("CODE")', '"NOTE"',
        "TO_CHAR(\"BORN\", 'YYYY-MM-DD HH24:MI:SS')", "TO_CHAR(\"MADE\", 'YYYY-MM-DD HH24:MI:SS.FF9')",
        "TO_CHAR((\"STAMP\" AT TIME ZONE 'UTC'), 'YYYY-MM-DD HH24:MI:SS.FF9')", '"RAW_"',
    ]  # fmt: skip


def test_sql_server_is_read_without_loss() -> None:
    database, _ = faked("mssql", [(1,)])
    terms = [Term.of(database, column) for column in columns_of(MSSQL, "mssql").values()]
    dialect = Mssql()
    assert [dialect.transport(term.column, term.sql) for term in terms] == [
        "id", "CAST(amount AS decimal(19, 4))", "flag", "RTRIM(code)", "note", "CONVERT(varchar(10), born, 23)",
        "CONVERT(varchar(33), made, 121)",
        "CONVERT(varchar(33), CAST(SWITCHOFFSET(stamp, '+00:00') AS datetime2(7)), 121)", "LOWER(CONVERT(char(36), u))",
    ]  # fmt: skip


REPLAYED: dict[str, Any] = {
    "oracle": (
        ORACLE,
        [(7, 7, "12.5", "1234567890123456789012345678.5", "ab", None, "2024-02-29 00:00:00", "2024-03-31 02:30:00.120000000",
          "2024-10-27 01:00:00.000001000", b"\x00\xff")],
        ("ALTER SESSION SET TIME_ZONE = '+00:00'", "FROM customers", '"ID" > :param_1 AND "ID" <= :param_2'),
        (7, Decimal("12.50"), Decimal("1234567890123456789012345678.5"), "ab", None, "2024-02-29", "2024-03-31 02:30:00.12",
         "2024-10-27 01:00:00.000001+00:00", b"\x00\xff"),
    ),
    "mssql": (
        MSSQL,
        [(7, 7, Decimal("12.5000"), True, "ab", "", "2024-02-29", "2024-03-31 02:30:00.1234567", "2024-10-27 01:00:00.0000000",
          "00112233-4455-6677-8899-aabbccddeeff")],
        ("SET DATEFORMAT ymd", "FROM customers", "id > %(param_1)s AND id <= %(param_2)s"),
        (7, Decimal("12.5"), 1, "ab", "", "2024-02-29 00:00:00", "2024-03-31 02:30:00.1234567", "2024-10-27 01:00:00",
         "00112233-4455-6677-8899-AABBCCDDEEFF".lower()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("system", list(REPLAYED))
def test_what_their_drivers_give_is_the_same_as_what_another_system_holds(system: str) -> None:
    table, rows, statements, expected = REPLAYED[system]
    database, driver = faked(system, rows)
    columns = columns_of(table, system)
    terms = tuple(Term.of(database, column) for column in columns.values())
    portion = Portion(database, TableName(None, "customers"), terms, "", terms[:1])
    mine, theirs = sides(portion, portion)
    assert not mine.by_server
    from changeover.transfer.reconcile.hands import Hands  # noqa: PLC0415 - of this test alone

    with Hands(database, 1) as hands:
        found = hands.give("x", lambda connection: mine.row_figures(connection, area=Span(1, 9), chosen=())).result()
    assert list(found) == [(b"7",)]
    assert theirs.fields_of(expected) == mine.fields_of(rows[0][1:])
    asked = [statement for statement, _ in driver.asked]
    assert asked[0] == statements[0]
    assert all(any(part in " ".join(statement.split()) for statement in asked) for part in statements)


@pytest.mark.parametrize("system", ["oracle", "mssql"])
def test_copying_into_them_is_refused_plainly(system: str) -> None:
    dialect = Oracle() if system == "oracle" else Mssql()
    database, _ = faked(system, [(1,)])
    with database.engine.connect() as connection:
        assert "has never been run; it can be read and compared" in dialect.repeatable(connection, TableName(None, "t"))


@pytest.mark.parametrize("variable", ["CHANGEOVER_TEST_ORACLE_URL", "CHANGEOVER_TEST_MSSQL_URL"])
def test_a_real_one_is_asked_where_its_url_is_given(variable: str) -> None:
    """Opt in: a URL with password, of a database in which ``changeover_probe`` may be made and dropped."""
    url = os.environ.get(variable)
    if not url:
        pytest.skip(f"{variable} is not set: there is no such server here")
    address = sa.make_url(url)
    entry = DatabaseEntry(url=address.set(password=None).render_as_string())
    database = open_database("probe", entry, str(address.password or ""))
    database.execute("create table changeover_probe (id integer primary key, name varchar(10))")
    try:
        database.execute("insert into changeover_probe values (1, 'a')")
        assert count_rows(database, "changeover_probe") == 1
    finally:
        database.execute("drop table changeover_probe")
        database.close()
