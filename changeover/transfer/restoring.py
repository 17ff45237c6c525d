"""Putting rows back from a copy that was saved in the same database before they were changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.quoting import run
from changeover.transfer.reading import authored
from changeover.transfer.sessions import session, transaction
from changeover.transfer.shapes import Shape, TableName, shape


@dataclass(eq=False)
class CannotPutBack(Setback):
    """A saved table does not fit the one it was saved from."""

    table: str
    saved: str
    why: str

    def __str__(self) -> str:
        return f"rows of {self.table} cannot be put back from {self.saved}: {self.why}"


def save_rows(database: Database, *, table: str, saved: str, where: str = "") -> int:
    """Copy *table* (or its rows for which *where* holds) into a new table *saved* of the same database; how many rows.

    When *saved* is there already it is kept as it is: the first state saved is the one to go back to.

    Raises:
        TableMissing: there is no such table.
        StatementFailed: the database refused.
    """
    dialect = dialect_of(database)
    try:
        with session(database, dialect) as connection:
            goal, copy = TableName.parse(table), TableName.parse(saved)
            shape(connection, goal, database.name)
            known = sa.inspect(connection).has_table(copy.name, schema=copy.schema)
            connection.rollback()
            if not known:
                names = (copy.quoted(connection.dialect), goal.quoted(connection.dialect))
                condition = f" WHERE ({where}\n)" if where else ""
                with transaction(connection, dialect):
                    statement = f"CREATE TABLE {names[0]} AS SELECT * FROM {names[1]}{condition}"  # noqa: S608 - names are quoted
                    run(connection, statement)
            with connection.begin():
                return int(connection.execute(sa.select(sa.func.count()).select_from(copy.clause)).scalar_one())
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"saving {table} as {saved}", reason(error)) from error


def put_back(database: Database, *, table: str, saved: str, where: str = "") -> int:
    """Make *table* (or its rows for which *where* holds) what *saved* holds, in one transaction; how many rows it holds then.

    Doing it twice changes nothing more. *saved* stays.

    Raises:
        CannotPutBack: the two tables have different columns.
        StatementFailed: the database refused; nothing has changed.
    """
    dialect = dialect_of(database)
    try:
        with session(database, dialect) as connection:
            goal = shape(connection, TableName.parse(table), database.name)
            copy = shape(connection, TableName.parse(saved), database.name)
            connection.rollback()
            names = _shared(goal, copy, table, saved)
            with transaction(connection, dialect):
                delete = sa.delete(goal.name.clause)
                condition: sa.ColumnElement[Any] | None = authored(where) if where else None
                connection.execute(delete if condition is None else delete.where(condition))
                columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
                rows = sa.select(*columns).select_from(copy.name.clause)
                rows = rows if condition is None else rows.where(condition)
                # columns of its own: those above would belong to both tables, and every row be joined with every other
                into = sa.table(goal.name.name, *[sa.column(name) for name in names], schema=goal.name.schema)
                return connection.execute(sa.insert(into).from_select(names, rows)).rowcount
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"putting {table} back from {saved}", reason(error)) from error


def _shared(goal: Shape, copy: Shape, table: str, saved: str) -> list[str]:
    wanted = [column.name for column in goal.columns if not column.computed]
    missing = [name for name in wanted if copy.column(name) is None]
    if missing:
        raise CannotPutBack(table, saved, f"the copy has no {', '.join(missing)}")
    return wanted
