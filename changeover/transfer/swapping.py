"""Exchanging loaded tables for the live ones, and back: both ways at once for all tables, by moving them between schemas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.errors import Setback
from changeover.transfer.adapters import dialect_of
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.mapping import Swap
from changeover.transfer.quoting import quoted, run
from changeover.transfer.sessions import session


@dataclass(eq=False)
class CannotSwap(Setback):
    """The tables do not stand where they should for an exchange."""

    database: str
    why: str

    def __str__(self) -> str:
        return f"database {self.database}: the tables cannot be exchanged: {self.why}"


def swap_in(database: Database, tables: Sequence[str], swap: Swap) -> bool:
    """Make the loaded tables live and keep the old ones; False when that has happened already.

    Raises:
        CannotSwap: some stand here and some there.
        StatementFailed: the database refused; nothing has changed.
    """
    return _moved(database, tables, (swap.loaded, swap.live, swap.kept))


def swap_back(database: Database, tables: Sequence[str], swap: Swap) -> bool:
    """Make the kept tables live again; the loaded ones go where they came from. False when that has happened already.

    Raises:
        CannotSwap, StatementFailed: as above.
    """
    return _moved(database, tables, (swap.kept, swap.live, swap.loaded))


def _moved(database: Database, tables: Sequence[str], places: tuple[str, str, str]) -> bool:
    """Move each table from the first place to the second, and the one that stands there to the third."""
    coming, live, leaving = places
    names = [table.rpartition(".")[2] for table in tables]
    dialect = dialect_of(database)
    if dialect.name == "sqlite":
        raise CannotSwap(database.name, "SQLite has no schemas")
    try:
        with session(database, dialect) as connection:
            known = {place: set(sa.inspect(connection).get_table_names(schema=place)) & set(names) for place in places}
            connection.rollback()
            if known[leaving] == set(names) == known[live] and not known[coming]:
                return False
            _refuse_halves(database, names, known, places)
            with connection.begin():
                for statement in _statements(connection, names, places):
                    run(connection, statement)
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"exchanging tables of {live}", reason(error)) from error
    return True


def _refuse_halves(database: Database, names: Sequence[str], known: dict[str, set[str]], places: tuple[str, str, str]) -> None:
    coming, live, leaving = places
    for place in (coming, live):
        missing = [name for name in names if name not in known[place]]
        if missing:
            raise CannotSwap(database.name, f"{', '.join(missing)} is not in {place}")
    if known[leaving]:
        raise CannotSwap(database.name, f"{', '.join(sorted(known[leaving]))} is in {leaving} already")


def _statements(connection: sa.Connection, names: Sequence[str], places: tuple[str, str, str]) -> list[str]:
    coming, live, leaving = (quoted(place, connection.dialect) for place in places)
    tables = [quoted(name, connection.dialect) for name in names]
    if connection.dialect.name == "postgresql":  # where a transaction holds them together
        return [f"ALTER TABLE {live}.{name} SET SCHEMA {leaving}" for name in tables] + [
            f"ALTER TABLE {coming}.{name} SET SCHEMA {live}" for name in tables
        ]
    moves = [f"{live}.{name} TO {leaving}.{name}, {coming}.{name} TO {live}.{name}" for name in tables]
    return [f"RENAME TABLE {', '.join(moves)}"]  # one statement is all or nothing
