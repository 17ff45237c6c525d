"""PostgreSQL's COPY, which goes past SQLAlchemy: the driver's own connection, SQLAlchemy's errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from changeover.transfer.quoting import quoted
from changeover.transfer.shapes import TableName


def copy_in(
    connection: sa.Connection, table: TableName, columns: Sequence[str], portions: Iterable[bytes], *, options: str
) -> int:
    """Send what COPY reads with these *options*, and say how many rows it was."""
    names = ", ".join(quoted(column, connection.dialect) for column in columns)
    statement = f"COPY {table.quoted(connection.dialect)} ({names}) FROM STDIN ({options})"
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for portion in portions:
                    copy.write(portion)
            return int(cursor.rowcount)
    except psycopg.Error as error:
        raise driver_error(connection, statement, error) from error


def driver_error(connection: sa.Connection, statement: str, error: psycopg.Error) -> SQLAlchemyError:
    """What SQLAlchemy would have made of an error; COPY goes past it."""
    driver: Any = connection.connection.driver_connection
    found: SQLAlchemyError = DBAPIError.instance(
        statement,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=bool(driver.closed),
        dialect=connection.dialect,
    )
    return found
