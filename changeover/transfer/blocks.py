"""Blocks of rows that MariaDB joins itself: one value for thousands of rows, and no Python object for a field.

Marks that text hardly ever contains stand between fields and rows and in the place of NULL. A block counts only when the
number of marks is exactly what its rows ask for, nothing was cut off, and no value is in doubt; any other slice is read row
by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.aside import marks_aside, put_back, set_aside
from changeover.transfer.carrying import Field, field_of
from changeover.transfer.changes import Unfit
from changeover.transfer.chunks import Range
from changeover.transfer.encoding import copied_text, escaped, marks
from changeover.transfer.planning import TablePlan, converted
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import Reader, authored, literal, within

#: The largest block that the source may build, in bytes; eight times what it should have.
_LIMIT: Final = 8_000_000
#: A block this near to the limit may have been cut.
_MARGIN: Final = 16


@dataclass(frozen=True, slots=True)
class Block:
    """Rows as COPY's text."""

    rows: int
    text: bytes


class Refused(Enum):
    """Why a slice is no block."""

    TOO_LARGE = "too large"
    IN_DOUBT = "in doubt"  # its rows have to be looked at one by one


@dataclass(frozen=True, slots=True)
class BlockForm:
    """How one table is read in blocks."""

    fields: tuple[Field, ...]  # those of which Python makes every value at the end
    constants: tuple[bytes, ...]  # as COPY's text
    names: tuple[str, ...]  # of the target's columns, in the same order

    @property
    def made(self) -> tuple[Field, ...]:
        """The fields of which Python makes every value."""
        return tuple(field for field in self.fields if field.made_here)


@dataclass(frozen=True, slots=True)
class BlockReader:
    """Reads one table of MariaDB in blocks."""

    reader: Reader
    form: BlockForm
    limit: int  # bytes that the server lets a block have
    select: sa.Select[Any]

    def read(self, area: Range) -> Block | Refused:
        """The rows of a slice, or why they have to be read otherwise."""
        try:
            (block, rows, nulls, doubts), warnings = self._fetch(within([part.name for part in self.reader.plan.key], area))
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return Refused.IN_DOUBT  # joining failed (it needs a temporary table): reading rows may well work
        if not rows:
            return Block(0, b"")
        if block is not None and len(block) > self.limit - _MARGIN:
            return Refused.TOO_LARGE
        if block is None or warnings or doubts or b"\0" in block:
            return Refused.IN_DOUBT
        if marks(block) != rows * len(self.form.fields) - 1 + nulls:
            return Refused.IN_DOUBT
        try:
            text = escaped(self._made(put_back(block, self.form.fields)))
        except Unfit:
            return Refused.IN_DOUBT
        if self.form.constants:
            text = text.replace(b"\n", b"\x1f" + b"\x1f".join(self.form.constants) + b"\n")
        return Block(rows, text)

    def _made(self, block: bytes) -> bytes:
        made = self.form.made
        if not made:
            return block
        untouched = len(made) < len(self.form.fields)
        lines = [line.rsplit(b"\x1f", len(made) if untouched else len(made) - 1) for line in block.split(b"\x1e")]
        columns: list[Sequence[bytes]] = list(zip(*lines, strict=True))
        first = len(columns) - len(made)
        for place, field in enumerate(made, start=first):
            if field.values is not None:
                columns[place] = field.values.made(columns[place])
        return b"\x1e".join(map(b"\x1f".join, zip(*columns, strict=True)))

    def _fetch(self, conditions: Sequence[sa.ColumnElement[bool]]) -> tuple[Any, int]:
        result = self.reader.connection.execute(self.select.where(*conditions))
        cursor: Any = result.cursor
        row = result.one()
        return (row[0], int(row[1]), int(row[2] or 0), int(row[3] or 0)), int(cursor.warning_count)


def block_form(plan: TablePlan, dialect: sa.Dialect, texts: frozenset[str]) -> BlockForm | str:
    """How *plan*'s table is read in blocks, or why it cannot be. *texts*: columns whose SQL expression yields text."""
    fields, constants, names = [], [], []
    for feed in plan.feeds:
        if not feed.expression:
            try:
                constants.append(copied_text([converted(feed, [feed.constant])], 1)[:-1])
            except Unfit as misfit:
                return f"the constant of column {feed.target.name} does not fit: {misfit}"
            names.append(feed.target.name)
            continue
        read = quoted(feed.source.name, dialect) if feed.source is not None else feed.expression
        field = field_of(feed, read, text=feed.target.name in texts)
        if field is None:
            what = feed.source.declared if feed.source is not None else "an SQL expression that is no text"
            return f"column {feed.target.name} is filled from {what}"
        fields.append(field)
    fields.sort(key=lambda field: field.made_here)
    return BlockForm(tuple(fields), tuple(constants), (*(field.target for field in fields), *names))


def block_reader(reader: Reader, form: BlockForm) -> BlockReader:
    """Reads blocks; the server is told how large one may be."""
    connection = reader.connection
    connection.exec_driver_sql(f"SET SESSION group_concat_max_len = LEAST({_LIMIT:d}, @@max_allowed_packet DIV 2)")
    limit = int(connection.exec_driver_sql("SELECT @@group_concat_max_len").scalar_one())
    return BlockReader(reader, form, limit, _select(reader.plan, form))


def _select(plan: TablePlan, form: BlockForm) -> sa.Select[Any]:
    nullable = [field.counted or field.expression for field in form.fields if field.nullable]
    nulls = " - ".join([f"COUNT(*) * {len(nullable):d}", *(f"COUNT({expression})" for expression in nullable)])
    nulls += "".join(f" + {marks_aside(field)}" for field in form.fields if field.safe)
    doubts = " OR ".join(f"({field.doubt})" for field in form.fields if field.doubt)
    parts = [
        f"CAST(GROUP_CONCAT({line(form.fields)} SEPARATOR 0x1e) AS BINARY)",
        "COUNT(*)",
        nulls,
        f"SUM(IF({doubts}, 1, 0))" if doubts else "0",
    ]
    select = sa.select(*(literal(part) for part in parts)).select_from(plan.source.name.clause)
    return select.where(authored(plan.mapping.where)) if plan.mapping.where else select


def line(fields: Sequence[Field]) -> str:
    """SQL for one row."""
    written = [set_aside(field, place) if field.safe else field.expression for place, field in enumerate(fields)]
    parts = [f"IFNULL({text}, _utf8mb4 0x1d)" if field.nullable else text for text, field in zip(written, fields, strict=True)]
    return f"CONCAT_WS(_utf8mb4 0x1f, {', '.join(parts)})"
