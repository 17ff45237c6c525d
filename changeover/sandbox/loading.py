"""Rows into tables, fast: one text form that MariaDB's LOAD DATA and PostgreSQL's COPY both read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy

from changeover.sandbox.population import Row

_MARKS: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def as_text(rows: Iterable[Row]) -> str:
    r"""One line a row, a tab between columns, ``\N`` for NULL."""
    return "".join("\t".join("\\N" if cell is None else str(cell).translate(_MARKS) for cell in row) + "\n" for row in rows)


def load(engine: sqlalchemy.Engine, table: str, columns: Sequence[str], rows: Sequence[Row], *, folder: Path) -> None:
    """Put *rows* into *table*, in one transaction. *folder* takes a temporary file where the server's way needs one."""
    if not rows:
        return
    names = ", ".join(columns)
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "postgresql":
            with driver.cursor() as cursor, cursor.copy(f"copy {table} ({names}) from stdin") as copy:
                copy.write(as_text(rows))
        elif engine.dialect.name == "sqlite":
            places = ", ".join("?" * len(columns))
            driver.executemany(f"insert into {table} ({names}) values ({places})", rows)  # noqa: S608 - our own tables
        else:
            file = folder / f"{table}.load"
            try:
                file.write_text(as_text(rows), encoding="utf-8")
                with driver.cursor() as cursor:
                    cursor.execute(f"load data local infile %s into table {table} character set utf8mb4 ({names})", (str(file),))
            finally:
                file.unlink(missing_ok=True)


def run_statements(engine: sqlalchemy.Engine, statements: Iterable[str]) -> None:
    """Run statements as they are written, in one transaction."""
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
