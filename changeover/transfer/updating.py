"""Updating rows by their key, with exactly the values that an insert would have written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from changeover.transfer.dialects import Dialect
from changeover.transfer.planning import TablePlan
from changeover.transfer.quoting import quoted, run, run_for_each
from changeover.transfer.shapes import Column, Sort, TableName

#: Sorts of which equal values are the same value.
_SAME_WHEN_EQUAL: Final = frozenset({Sort.INTEGER, Sort.BOOLEAN, Sort.DATE, Sort.UUID, Sort.BINARY})
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
    sets = [f"{quoted(names[place], connection.dialect)} = " for place in others]
    where = [f"{quoted(name, connection.dialect)} = " for name in key]
    table = plan.target.name.quoted(connection.dialect)
    parts = [*_joined(f"UPDATE {table} SET ", sets, ", "), *_joined(" WHERE ", where, " AND "), ""]  # noqa: S608 - names are quoted
    run_for_each(connection, parts, [tuple(row[place] for place in (*others, *plan.handle)) for row in rows])


def _joined(before: str, parts: Sequence[str], between: str) -> list[str]:
    return [f"{between if place else before}{part}" for place, part in enumerate(parts)]


def _through_copy(
    connection: sa.Connection,
    dialect: Dialect,
    plan: TablePlan,
    rows: Sequence[Sequence[Any]],
) -> None:
    """COPY them beside the table, so that a value means what it means in the bulk load; then one UPDATE."""

    def quote(name: str) -> str:
        return quoted(name, connection.dialect)

    names = [feed.target.name for feed in plan.feeds]
    key = [names[place] for place in plan.handle]
    table, stage = plan.target.name.quoted(connection.dialect), _STAGE.quoted(connection.dialect)
    columns = ", ".join(quote(name) for name in names)
    run(connection, f"DROP TABLE IF EXISTS pg_temp.{stage}")
    run(
        connection,
        f"CREATE TEMPORARY TABLE {stage} ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA",  # noqa: S608 - names are quoted
    )
    dialect.write(connection, _STAGE, names, rows)
    others = [feed.target for feed in plan.feeds if feed.target.name not in key]
    sets = ", ".join(f"{quote(column.name)} = changed.{quote(column.name)}" for column in others)
    where = " AND ".join(f"ours.{quote(name)} = changed.{quote(name)}" for name in key)
    # a row that is read again and has not changed is not written again
    ours, changed = (f"({', '.join(_comparable(side, column, quote) for column in others)})" for side in ("ours", "changed"))
    statement = f"UPDATE {table} AS ours SET {sets} FROM pg_temp.{stage} AS changed WHERE {where}"  # noqa: S608 - as above
    run(connection, f"{statement} AND {ours} IS DISTINCT FROM {changed}")


def _comparable(side: str, column: Column, quote: Callable[[str], str]) -> str:
    """SQL for a column as something that is equal only where it is the same: 1.0 and 1.00 are not."""
    name = f"{side}.{quote(column.name)}"
    return name if column.sort in _SAME_WHEN_EQUAL else f'CAST({name} AS text) COLLATE "C"'
