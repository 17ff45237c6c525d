"""Questions about the content of tables that a check puts to one or two databases. They only read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.checksums import Checksum, Selection, checksum, checksums_of_pair
from changeover.transfer.control import Control, rejected_of_run
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.fitting import plain
from changeover.transfer.reading import authored, bound
from changeover.transfer.shapes import TableName

__all__ = [
    "Checksum",
    "Orphans",
    "Selection",
    "aggregates",
    "checksum",
    "checksums_of_pair",
    "count_rows",
    "duplicates",
    "orphans",
    "rejected_rows",
    "sampled",
]


#: Shared values that are listed.
MOST_DUPLICATES: Final = 100


@dataclass(frozen=True, slots=True)
class Orphans:
    """Rows that belong to nobody."""

    count: int
    samples: tuple[Any, ...]  # some of the references that lead nowhere


def count_rows(database: Database, table: str, *, where: str = "") -> int:
    """How many rows *table* has, or how many for which *where* holds.

    Raises:
        StatementFailed: it cannot be read.
    """
    return int(_first(database, table, _from(sa.select(sa.func.count()), table, where))[0])


def rejected_rows(database: Database, table: str, *, run: str) -> int:
    """The dead letters of the migrations of *run* into *table* of this target. 0 when there never was a migration.

    A migration with a `name:` of its own goes by that name in place of the run.
    """
    try:
        with database.engine.connect() as connection:
            return rejected_of_run(connection, run, table) if Control.exists(connection) else 0
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, "counting dead letters", reason(error)) from error


def aggregates(database: Database, table: str, expressions: Sequence[str], *, where: str = "") -> tuple[Any, ...]:
    """Figures such as ``sum(total)``, in one scan: exact numbers as Decimal, anything else as text.

    Raises:
        StatementFailed: it cannot be read, or an expression is no aggregate of it.
    """
    wanted: list[sa.ColumnElement[Any]] = [
        sa.literal_column(expression).label(f"f{place}") for place, expression in enumerate(expressions)
    ]
    return tuple(exact(value) for value in _first(database, table, _from(sa.select(*wanted), table, where)))


def orphans(database: Database, table: str, column: str, parent: str, *, parent_column: str = "id", where: str = "") -> Orphans:
    """Rows of *table* whose *column* names no row of *parent*. NULL belongs to nobody on purpose and is not counted.

    Raises:
        StatementFailed: one of them cannot be read.
    """
    child = TableName.parse(table).clause.alias("child")
    found = TableName.parse(parent).clause.alias("parent")
    reference: sa.ColumnClause[Any] = sa.column(column, _selectable=child)
    key: sa.ColumnClause[Any] = sa.column(parent_column, _selectable=found)
    missing = sa.and_(reference.is_not(None), ~sa.exists(sa.select(sa.literal(1)).select_from(found).where(key == reference)))
    conditions = [missing, authored(where)] if where else [missing]
    count = _first(database, table, sa.select(sa.func.count()).select_from(child).where(*conditions))[0]
    if not count:
        return Orphans(0, ())
    samples = _all(database, table, sa.select(reference).select_from(child).where(*conditions).limit(5))
    return Orphans(int(count), tuple(plain(row[0]) for row in samples))


def duplicates(database: Database, table: str, columns: Sequence[str], *, where: str = "") -> tuple[tuple[Any, ...], ...]:
    """Values of *columns* that several rows share, each with the number of its rows; at most ``MOST_DUPLICATES``.

    NULL is never shared.

    Raises:
        StatementFailed: it cannot be read.
    """
    shared = _shared(table, columns, where).order_by(sa.func.count().desc()).limit(MOST_DUPLICATES)
    return tuple(tuple(plain(value) for value in row) for row in _all(database, table, shared))


def count_duplicates(database: Database, table: str, columns: Sequence[str], where: str = "") -> int:
    """How many values of *columns* several rows share.

    Raises:
        StatementFailed: it cannot be read.
    """
    return int(
        _first(database, table, sa.select(sa.func.count()).select_from(_shared(table, columns, where).subquery("shared")))[0]
    )


def _shared(table: str, columns: Sequence[str], where: str) -> sa.Select[Any]:
    parts: list[sa.ColumnClause[Any]] = [sa.column(name) for name in columns]
    select = _from(sa.select(*parts, sa.func.count().label("rows_of_it")), table, where).where(
        *[part.is_not(None) for part in parts]
    )
    return select.group_by(*parts).having(sa.func.count() > 1)


def sampled(
    database: Database, table: str, key: str, columns: Sequence[str], *, where: str = "", after: Any = None, limit: int = 5_000
) -> list[tuple[Any, ...]]:
    """Some rows in the order of *key*, which is not NULL: the key, then *columns*. The next ones come *after* the last key.

    Raises:
        StatementFailed: it cannot be read.
    """
    part: sa.ColumnClause[Any] = sa.column(key)
    select = _from(sa.select(part, *[sa.column(name) for name in columns]), table, where).where(part.is_not(None))
    if after is not None:
        select = select.where(part > bound(after))
    select = select.order_by(part).limit(limit)
    return [tuple(plain(value) for value in row) for row in _all(database, table, select)]


def first_rows(
    database: Database,
    table: str,
    wanted: Sequence[sa.ColumnElement[Any]],
    *,
    where: str = "",
    conditions: Sequence[sa.ColumnElement[bool]] = (),
    by: Sequence[sa.ColumnElement[Any]] = (),
    limit: int = 100,
) -> Sequence[sa.Row[Any]]:
    """*wanted* of at most *limit* rows, or of at most *limit* groups, the largest first.

    Raises:
        StatementFailed: it cannot be read.
    """
    select = _from(sa.select(*wanted), table, where).where(*conditions).limit(limit)
    if by:
        select = select.group_by(*by).order_by(sa.func.count().desc())
    return _all(database, table, select)


def _from(select: sa.Select[Any], table: str, where: str) -> sa.Select[Any]:
    select = select.select_from(TableName.parse(table).clause)
    return select.where(authored(where)) if where else select


def _first(database: Database, table: str, select: sa.Select[Any]) -> sa.Row[Any]:
    return _all(database, table, select)[0]


def _all(database: Database, table: str, select: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
    try:
        with database.engine.connect() as connection:
            return connection.execute(select).all()
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"reading {table}", reason(error)) from error


def exact(value: Any) -> Any:
    """Numbers of every driver as Decimal, so that they compare."""
    match value:
        case bool() | int():
            return Decimal(int(value))
        case float():
            return Decimal(repr(value))
        case None | Decimal():
            return value
        case _:
            return str(plain(value))
