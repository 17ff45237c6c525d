"""Updating rows by their key, with exactly the values that an insert would have written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.dialects import Dialect
from changeover.transfer.planning import TablePlan
from changeover.transfer.shapes import TableName

_MARKS: Final = {"mysql": "%s", "sqlite": "?"}
_STAGE: Final = TableName(None, "changeover_changed")


def update_rows(connection: sa.Connection, dialect: Dialect, plan: TablePlan, rows: Sequence[Sequence[Any]]) -> None:
    """Give the rows with these keys these values; all or none is the caller's savepoint."""
    names = [feed.target.name for feed in plan.feeds]
    key = [names[place] for place in plan.handle]
    others = [place for place in range(len(names)) if place not in plan.handle]
    if not others:
        return
    if dialect.name == "postgresql":
        _through_copy(connection, dialect, plan, rows)
        return
    mark = _MARKS.get(dialect.name, "?")
    quote = _quoting(connection, mark)
    sets = ", ".join(f"{quote(names[place])} = {mark}" for place in others)
    where = " AND ".join(f"{quote(name)} = {mark}" for name in key)
    table = plan.target.name.quoted(connection.dialect)
    statement = f"UPDATE {table.replace('%', '%%') if mark == '%s' else table} SET {sets} WHERE {where}"  # noqa: S608 - names are quoted
    connection.exec_driver_sql(statement, [tuple(row[place] for place in (*others, *plan.handle)) for row in rows])


def _quoting(connection: sa.Connection, mark: str) -> Any:
    quote = connection.dialect.identifier_preparer.quote
    return lambda name: quote(name).replace("%", "%%") if mark == "%s" else quote(name)


def _through_copy(
    connection: sa.Connection,
    dialect: Dialect,
    plan: TablePlan,
    rows: Sequence[Sequence[Any]],
) -> None:
    """COPY them beside the table, so that a value means what it means in the bulk load; then one UPDATE."""
    quote = connection.dialect.identifier_preparer.quote
    names = [feed.target.name for feed in plan.feeds]
    key = [names[place] for place in plan.handle]
    table, stage = plan.target.name.quoted(connection.dialect), _STAGE.quoted(connection.dialect)
    columns = ", ".join(quote(name) for name in names)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{stage}")
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {stage} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA"  # noqa: S608 - names are quoted
    )
    dialect.write(connection, _STAGE, names, rows)
    sets = ", ".join(f"{quote(name)} = changed.{quote(name)}" for name in names if name not in key)
    where = " AND ".join(f"ours.{quote(name)} = changed.{quote(name)}" for name in key)
    connection.exec_driver_sql(f"UPDATE {table} AS ours SET {sets} FROM pg_temp.{stage} AS changed WHERE {where}")  # noqa: S608 - as above
