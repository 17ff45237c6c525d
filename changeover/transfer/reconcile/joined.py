"""Many rows as one figure: their server joins them in the order of their key, and hashes the whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from changeover.transfer.dialects import Joiner
from changeover.transfer.digests import Digest, Portion
from changeover.transfer.forms import Block
from changeover.transfer.reading import literal
from changeover.transfer.reconcile.areas import Span


@dataclass(frozen=True, slots=True)
class JoinedRows:
    """How the rows of one side are joined."""

    portion: Portion
    joiner: Joiner
    block: Block
    _compiled: dict[tuple[bool, bool], sa.Compiled] = field(default_factory=dict, compare=False)

    def digest(self, connection: sa.Connection, area: Span) -> Digest | None:
        """The digest of a span; None when its rows are more than the server can join."""
        ends = area.after is None, area.upto is None
        compiled = self._compiled.get(ends)
        if compiled is None:  # once for all areas: to put a long statement together takes as long as to read 500 rows
            compiled = self._compiled[ends] = self._select(area).compile(dialect=connection.dialect)
        values: Any = compiled.construct_params({"after": area.after, "upto": area.upto})
        places: list[str] | None = getattr(compiled, "positiontup", None)
        if places is not None:
            values = tuple(values[name] for name in places)
        try:
            result = connection.exec_driver_sql(str(compiled), values)
            cursor = result.cursor
            rows, figure, proven = result.one()
        except DBAPIError as error:
            if self.joiner.too_large(error):
                return None
            raise
        if self.joiner.cut_short(connection, cursor):
            return None
        if rows and self.block.proven and not proven:
            return Digest(rows, None)  # a text holds the mark
        return Digest(rows, int(figure or "0", 16))

    def works(self, connection: sa.Connection) -> bool:
        """Whether the server can do it."""
        try:
            return self.digest(connection, Span(0, 0)) is not None
        except SQLAlchemyError:
            return False  # whatever else is wrong is said when the rows are read

    def _select(self, area: Span) -> sa.Select[Any]:
        key: sa.ColumnElement[Any] = literal(self.portion.key[0].sql)
        rows = self.portion.rows()
        if area.after is not None:
            rows = rows.where(key > sa.bindparam("after", type_=sa.types.NullType()))
        if area.upto is not None:
            rows = rows.where(key <= sa.bindparam("upto", type_=sa.types.NullType()))
        return self.joiner.select(rows, self.block)
