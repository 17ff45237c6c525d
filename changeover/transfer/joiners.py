"""Joining many rows and hashing the whole, as MariaDB and PostgreSQL do it: the same bytes for the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.forms import MARK, Block

#: What PostgreSQL says of more than a text can hold, or than there is memory for.
_TOO_LARGE: Final = frozenset({"54000", "53200"})
_BYTES: Final = "_binary'{}'"


@dataclass(frozen=True, slots=True)
class MariadbJoiner:
    """By GROUP_CONCAT, in the order of the primary key, in which InnoDB keeps rows."""

    proves_marks: bool = False

    def select(self, rows: sa.Select[Any], block: Block) -> sa.Select[Any]:
        # as bytes, so that nothing is converted or looked at twice; GROUP_CONCAT's own ORDER BY would keep every row in a tree
        row = f"CONCAT_WS(_binary 0x{MARK:x}, {', '.join(block.texts('IFNULL({}, {})', _BYTES))})"
        joined: sa.ColumnElement[Any] = sa.literal_column(f"MD5(GROUP_CONCAT({row} SEPARATOR 0x{MARK:x}))")
        (table,) = rows.get_final_froms()
        select = rows.with_only_columns(sa.func.count(), joined, sa.null())
        return select.with_hint(table, "FORCE INDEX (PRIMARY)", "mysql")

    def cut_short(self, connection: sa.Connection, cursor: Any) -> bool:
        known: int | None = getattr(cursor, "warning_count", None)  # PyMySQL's
        return bool(connection.exec_driver_sql("SELECT @@warning_count").scalar_one() if known is None else known)

    def too_large(self, error: BaseException) -> bool:  # noqa: ARG002 - then it is cut short
        return False


@dataclass(frozen=True, slots=True)
class PostgresqlJoiner:
    """By string_agg over rows in their order."""

    proves_marks: bool = True

    def select(self, rows: sa.Select[Any], block: Block) -> sa.Select[Any]:
        mark = f"E'\\x{MARK:x}'"
        row: sa.ColumnElement[Any] = sa.literal_column(concatenated(block.texts("coalesce(CAST({} AS text), {})", "'{}'"), mark))
        # the rows come in their order: an ORDER BY of the aggregate's own would sort them once more
        ordered = rows.with_only_columns(row.label("a row")).order_by(sa.literal_column(block.order)).subquery("r")
        joined: sa.ColumnElement[Any] = sa.literal_column(f'md5(string_agg("a row", {mark}))')
        # behind as many marks as a row has stands its end, unless one of its texts has more of them
        end = f'split_part("a row" COLLATE "C", {mark}, {len(block.fields) + 1:d})'
        proven = sa.literal_column(f"bool_and({end} = '{block.end}')") if block.proven else sa.null()
        return sa.select(sa.func.count(), joined, proven).select_from(ordered)

    def cut_short(self, connection: sa.Connection, cursor: Any) -> bool:  # noqa: ARG002 - it says so with an error
        return False

    def too_large(self, error: BaseException) -> bool:
        return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) in _TOO_LARGE


def concatenated(parts: Sequence[str], mark: str = "';'") -> str:
    """SQL for the parts with marks between them; a function takes no more than 100 arguments."""
    groups = [f"concat_ws({mark}, {', '.join(parts[start : start + 45])})" for start in range(0, len(parts), 45)]
    return groups[0] if len(groups) == 1 else f"concat_ws({mark}, {', '.join(groups)})"
