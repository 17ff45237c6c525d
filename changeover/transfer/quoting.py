"""Names as SQL has them, and statements made of names.

SQLAlchemy quotes names for a driver: it doubles per cent signs where the driver formats its statements. In an expression,
a bound value or a COPY they would stay doubled, so that here a name is what the database shall read, and a statement is made
fit for the driver once, when it goes there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

_FORMATTED = frozenset({"format", "pyformat"})


def quoted(name: str, dialect: sa.Dialect) -> str:
    """A name as the database reads it."""
    text = dialect.identifier_preparer.quote(name)
    return text.replace("%%", "%") if dialect.paramstyle in _FORMATTED else text


def run(connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
    """Send a statement that has no values: nothing in it means anything to the driver."""
    formatted = connection.dialect.paramstyle in _FORMATTED
    return connection.exec_driver_sql(statement.replace("%", "%%") if formatted else statement)


def run_for_each(connection: sa.Connection, parts: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Send a statement for each of *rows*, whose values stand between the *parts*, in the driver's own places."""
    formatted = connection.dialect.paramstyle in _FORMATTED
    statement = "%s".join(part.replace("%", "%%") for part in parts) if formatted else "?".join(parts)
    connection.exec_driver_sql(statement, list(rows))
