"""Which adapter a database needs."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.contracts import Database
from changeover.errors import Mistake
from changeover.transfer.dialects import Dialect
from changeover.transfer.mariadb import Mariadb
from changeover.transfer.mssql import Mssql
from changeover.transfer.oracle import Oracle
from changeover.transfer.sqlite import Sqlite


@dataclass(eq=False)
class DialectUnknown(Mistake):
    """There is no adapter for a database system."""

    database: str
    dialect: str

    def __str__(self) -> str:
        return f"database {self.database}: tables cannot be copied from or to {self.dialect} yet"

    @property
    def hint(self) -> str:
        return "PostgreSQL, MariaDB or MySQL, and SQLite can; Oracle and SQL Server can be read and compared"


def dialect_of(database: Database) -> Dialect:
    """The adapter for *database*.

    Raises:
        DialectUnknown: there is none.
    """
    name = database.engine.dialect.name
    match name:
        case "postgresql":
            from changeover.transfer.postgresql import Postgresql  # noqa: PLC0415 - loads psycopg

            return Postgresql()
        case "mysql" | "mariadb":
            return Mariadb()
        case "sqlite":
            return Sqlite()
        case "oracle":
            return Oracle()
        case "mssql":
            return Mssql()
        case _:
            raise DialectUnknown(database.name, name)
