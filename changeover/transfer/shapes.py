"""What a table looks like, in words that all dialects share: sorts of columns, keys, references."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import SAWarning

from changeover.errors import Setback
from changeover.transfer.mysql_names import call_by_name, foreign_keys_of, indexes_of
from changeover.transfer.quoting import quoted


class Sort(StrEnum):
    """What sort of values a column holds."""

    INTEGER = "integer"
    DECIMAL = "decimal"
    FLOAT = "float"
    BOOLEAN = "boolean"
    TEXT = "text"
    BINARY = "binary"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    INTERVAL = "interval"
    JSON = "json"
    UUID = "uuid"
    BIT = "bit"
    OTHER = "other"


#: Sorts whose values are dates or times of the calendar.
TEMPORAL: Final = frozenset({Sort.DATE, Sort.DATETIME})
#: Sorts whose values are times of a day, or spans of time.
CLOCKS: Final = frozenset({Sort.TIME, Sort.INTERVAL})
#: Sorts of PostgreSQL whose columns take text as it is, NUL excepted.
TAKEN_AS_TEXT: Final = frozenset({Sort.TEXT, Sort.JSON, Sort.OTHER, Sort.UUID, Sort.TIME, Sort.INTERVAL})
_MICROSECONDS: Final = 6  # digits
#: Sorts whose values are numbers.
NUMERIC: Final = frozenset({Sort.INTEGER, Sort.DECIMAL, Sort.FLOAT, Sort.BOOLEAN, Sort.BIT})


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    sort: Sort
    declared: str  # its type as its database says it
    length: int | None = None  # characters, bytes or bits
    precision: int | None = None  # digits of a decimal
    scale: int | None = None  # digits after the point
    lowest: int | None = None  # of an integer
    highest: int | None = None
    fraction: int | None = None  # digits of a second's fraction; None: not limited
    zoned: bool = False
    single: bool = False  # a float of 4 bytes
    fixed: bool = False  # CHAR(n), BINARY(n), BIT(n): always as long as declared
    members: tuple[str, ...] = ()  # the labels of an ENUM or SET
    several: bool = False  # a SET
    makes_numbers: bool = False  # SQLite makes a number of text that looks like one
    utf8: bool = False  # its text is known to be kept as UTF-8, whichever characters it has
    nullable: bool = True
    fills_itself: bool = False  # a default, a counter
    computed: bool = False  # cannot be written

    @property
    def short_clock(self) -> bool:
        """Whether it holds times of a day, or spans, with fewer digits of a second than there may be."""
        return self.sort in CLOCKS and self.fraction is not None and self.fraction < _MICROSECONDS


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, with its schema when its author wrote one."""

    schema: str | None
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """``schema.name`` or ``name``."""
        schema, _, name = text.rpartition(".")
        return cls(schema or None, name)

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def quoted(self, dialect: sa.Dialect) -> str:
        """As the dialect writes it."""
        name = quoted(self.name, dialect)
        return f"{quoted(self.schema, dialect)}.{name}" if self.schema else name

    @property
    def clause(self) -> sa.TableClause:
        """For SQLAlchemy."""
        return sa.table(self.name, schema=self.schema)


@dataclass(frozen=True, slots=True)
class Shape:
    """A table or view."""

    name: TableName
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    references: tuple[TableName, ...]  # the tables its foreign keys point to

    def column(self, name: str) -> Column | None:
        """The column called *name*; case matters only when two differ by nothing else."""
        exact = next((column for column in self.columns if column.name == name), None)
        return exact or next((column for column in self.columns if column.name.lower() == name.lower()), None)


@dataclass(eq=False)
class TableMissing(Setback):
    """A table that a step names is not there."""

    database: str
    table: str
    similar: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"database {self.database} has no table {self.table}"

    @property
    def hint(self) -> str:
        return f"did you mean {' or '.join(self.similar)}?" if self.similar else "check its name, its schema, and who may see it"


@dataclass(eq=False)
class ColumnsUnreadable(Setback):
    """A column is there, and its declaration cannot be read."""

    database: str
    table: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(repr(name) for name in self.columns)
        return f"database {self.database}: how {named} of table {self.table} is declared cannot be read"

    @property
    def hint(self) -> str:
        return "a line break in the name of a column hides it: rename it, or read a view that calls it otherwise"


_QUIET = threading.Lock()


def shape(connection: sa.Connection, name: TableName, database: str) -> Shape:
    """Look at a table or view.

    Raises:
        TableMissing: there is none.
        ColumnsUnreadable: nobody can tell what a column of it holds.
    """
    inspector = sa.inspect(connection)
    with _QUIET, warnings.catch_warnings():
        # SQLAlchemy warns of types that it does not know; they are Sort.OTHER here
        warnings.simplefilter("ignore", SAWarning)
        try:
            found = inspector.get_columns(name.name, schema=name.schema)
        except sa.exc.NoSuchTableError:
            found = []
    if not found:
        raise TableMissing(database, str(name), _similar(inspector, name))
    if connection.dialect.name == "sqlite":
        _restore_foreign_types(connection, name, found)
    if connection.dialect.name in {"mysql", "mariadb"}:
        _say_charsets(inspector, name, found)
        return _as_mysql_says(connection, name, database, found)
    keys = inspector.get_pk_constraint(name.name, schema=name.schema)
    try:
        constraints = [tuple(entry["column_names"]) for entry in inspector.get_unique_constraints(name.name, schema=name.schema)]
        indexes = [entry for entry in inspector.get_indexes(name.name, schema=name.schema) if entry["unique"]]
        foreign = inspector.get_foreign_keys(name.name, schema=name.schema)
    except sa.exc.NoSuchTableError:  # a view
        constraints, indexes, foreign = [], [], []
    unique = [*constraints, *(_named(entry["column_names"]) for entry in indexes)]
    return Shape(
        name,
        tuple(column_of(entry, connection.dialect.name) for entry in found),
        tuple(keys["constrained_columns"]),
        tuple(unique),
        tuple(TableName(entry["referred_schema"], entry["referred_table"]) for entry in foreign),
    )


def _as_mysql_says(connection: sa.Connection, name: TableName, database: str, columns: list[Any]) -> Shape:
    hidden = call_by_name(connection, name.schema, name.name, columns)
    if hidden:
        raise ColumnsUnreadable(database, str(name), hidden)
    unique = [index for index in indexes_of(connection, name.schema, name.name) if index.unique]
    return Shape(
        name,
        tuple(column_of(entry, connection.dialect.name) for entry in columns),
        next((_named(index.columns) for index in unique if index.primary), ()),
        tuple(_named(index.columns) for index in unique if not index.primary),
        tuple(TableName(key.schema, key.parent) for key in foreign_keys_of(connection, name.schema, name.name)),
    )


def _named(columns: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(column for column in columns if column)


def _restore_foreign_types(connection: sa.Connection, name: TableName, columns: list[Any]) -> None:
    """SQLite takes any word for a type; SQLAlchemy calls those it does not know numbers, and a UUID is none."""
    found = connection.execute(sa.text("SELECT name, type FROM pragma_table_info(:name)"), {"name": name.name})
    declared: dict[str, str] = {row.name: row.type for row in found}
    for entry in columns:
        words = declared.get(entry["name"], "").upper()
        if type(entry["type"]) is types.NUMERIC and not words.startswith(("NUM", "DEC")):
            entry["type"] = types.NullType()
        entry["makes_numbers"] = _makes_numbers(words)


def _makes_numbers(words: str) -> bool:
    """Whether a column declared so has one of SQLite's numeric affinities."""
    return "INT" in words or (bool(words) and not any(word in words for word in ("CHAR", "CLOB", "TEXT", "BLOB")))


def _say_charsets(inspector: sa.Inspector, name: TableName, columns: list[Any]) -> None:
    """What MariaDB leaves out because it is the table's own."""
    try:
        options = inspector.get_table_options(name.name, schema=name.schema)
    except sa.exc.NoSuchTableError:  # a view
        return
    default = next((value for option, value in options.items() if option.endswith(("default charset", "default_charset"))), None)
    for entry in columns:
        kind = entry["type"]
        own = getattr(kind, "charset", None)
        entry["charset"] = own if own or getattr(kind, "collation", None) else default


def _similar(inspector: sa.Inspector, name: TableName) -> tuple[str, ...]:
    import difflib  # noqa: PLC0415 - only for a hint

    return tuple(difflib.get_close_matches(name.name, inspector.get_table_names(schema=name.schema), n=2))


def column_of(entry: Any, dialect: str) -> Column:
    """A column as SQLAlchemy's inspector describes it."""
    kind: types.TypeEngine[Any] = entry["type"]
    if isinstance(kind, postgresql.DOMAIN):
        kind = kind.data_type
    traits = _traits(kind, dialect)
    return Column(
        name=entry["name"],
        declared=_declared(entry["type"]),
        nullable=bool(entry["nullable"]),
        fills_itself=entry.get("default") is not None or entry.get("autoincrement") is True or bool(entry.get("identity")),
        computed=bool(entry.get("computed")),
        utf8=entry.get("charset") == "utf8mb4",
        makes_numbers=bool(entry.get("makes_numbers")),
        **traits,
    )


def _declared(kind: types.TypeEngine[Any]) -> str:
    fields = getattr(kind, "fields", None)  # of an interval
    try:
        return f"{kind} {fields}".lower() if fields else str(kind).lower()
    except sa.exc.SQLAlchemyError:
        return type(kind).__name__.lower()


_RANGES: Final = (
    (types.BigInteger, 64),
    (mysql.TINYINT, 8),
    (types.SmallInteger, 16),
    (mysql.MEDIUMINT, 24),
    (mysql.YEAR, 16),
    (types.Integer, 32),
)


#: Sorts without limits of their own.
_SIMPLE: Final = (
    (types.Boolean, Sort.BOOLEAN),
    (types.Enum, Sort.TEXT),
    (mysql.SET, Sort.TEXT),
    (types.Uuid, Sort.UUID),
    (types.JSON, Sort.JSON),
)


#: Types of Oracle and SQL Server that are none of SQLAlchemy's general ones; by name, because their modules load when used.
_BY_NAME: Final[dict[str, dict[str, Any]]] = {
    "MONEY": {"sort": Sort.DECIMAL, "precision": 19, "scale": 4},
    "SMALLMONEY": {"sort": Sort.DECIMAL, "precision": 10, "scale": 4},
    "RAW": {"sort": Sort.BINARY},
}


def _traits(kind: types.TypeEngine[Any], dialect: str) -> dict[str, Any]:
    """The sort and its limits."""
    by_name = _BY_NAME.get(type(kind).__name__) if dialect in {"oracle", "mssql"} else None
    if by_name is not None:
        return dict(by_name)
    simple = next((sort for python, sort in _SIMPLE if isinstance(kind, python)), None)
    if simple is not None:
        return {"sort": simple, **_labels(kind)}
    match kind:
        case types.Numeric() if dialect == "oracle" and kind.precision and kind.scale == 0:  # it has no other integers
            return {"sort": Sort.INTEGER, "lowest": 1 - 10**kind.precision, "highest": 10**kind.precision - 1}
        case mysql.YEAR() | types.Integer() if dialect != "oracle" or not isinstance(kind, types.Numeric):
            return _integer(kind, dialect)
        case types.Float():
            single = isinstance(kind, types.REAL | mysql.FLOAT) and dialect != "sqlite"
            return {"sort": Sort.FLOAT, "single": single, "scale": getattr(kind, "scale", None)}
        case types.Numeric():
            scale = kind.scale if kind.scale is not None or kind.precision is None else 0
            return {"sort": Sort.DECIMAL, "precision": kind.precision, "scale": scale}
        case mysql.BIT() | postgresql.BIT():
            return {"sort": Sort.BIT, "length": kind.length or 1, "fixed": not getattr(kind, "varying", False)}
        case types.String() if type(kind).__name__ != "XML":
            return {"sort": Sort.TEXT, "length": _characters(kind), "fixed": isinstance(kind, types.CHAR | types.NCHAR)}
        case types.LargeBinary() | types.BINARY() | types.VARBINARY():
            return {"sort": Sort.BINARY, "length": kind.length, "fixed": isinstance(kind, types.BINARY) and dialect == "mysql"}
        case _:
            return _moments(kind, dialect)


def _labels(kind: types.TypeEngine[Any]) -> dict[str, Any]:
    match kind:
        case types.Enum():
            return {"members": tuple(kind.enums)}
        case mysql.SET():
            return {"members": tuple(kind.values), "several": True}
        case _:
            return {}


def _integer(kind: types.TypeEngine[Any], dialect: str) -> dict[str, Any]:
    bits = 64 if dialect == "sqlite" else next((bits for python, bits in _RANGES if isinstance(kind, python)), 64)
    if getattr(kind, "unsigned", False):
        return {"sort": Sort.INTEGER, "lowest": 0, "highest": 2**bits - 1}
    return {"sort": Sort.INTEGER, "lowest": -(2 ** (bits - 1)), "highest": 2 ** (bits - 1) - 1}


def _characters(kind: types.String) -> int | None:
    """The limit in characters; MariaDB's TEXT types are limited in bytes, which only the server can tell."""
    return None if isinstance(kind, types.Text) else kind.length


def _moments(kind: types.TypeEngine[Any], dialect: str) -> dict[str, Any]:
    fraction = getattr(kind, "fsp", None) if dialect in {"mysql", "mariadb"} else getattr(kind, "precision", None)
    if dialect in {"mysql", "mariadb"} and fraction is None:
        fraction = 0
    if dialect == "sqlite":
        fraction = None
    zoned = bool(getattr(kind, "timezone", False)) or type(kind).__name__ == "DATETIMEOFFSET"
    match kind:
        case types.DateTime():
            return {"sort": Sort.DATETIME, "fraction": fraction, "zoned": zoned}
        case types.Date():
            return {"sort": Sort.DATE}
        case types.Time():
            return {"sort": Sort.TIME, "fraction": fraction, "zoned": zoned}
        case types.Interval() | postgresql.INTERVAL():
            return {"sort": Sort.INTERVAL, "fraction": fraction}
        case _:
            return {"sort": Sort.OTHER}
