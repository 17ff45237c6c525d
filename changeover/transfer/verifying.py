"""Counting: every row of the source is in the target or a dead letter, or the migration has failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from changeover.counting import counted
from changeover.errors import Setback
from changeover.transfer.chunks import Key
from changeover.transfer.control import ChunkRecord, Control, TableRecord, UndoBy, unpacked
from changeover.transfer.planning import TablePlan
from changeover.transfer.preparing import count, integer_span
from changeover.transfer.reading import bound, column

#: Keys asked for in one statement.
KEYS_AT_A_TIME = 500


@dataclass(eq=False)
class RowsMissing(Setback):
    """The figures do not add up."""

    table: str
    source: int
    read: int
    written: int
    rejected: int
    found: int

    def __str__(self) -> str:
        return (
            f"table {self.table} does not add up: the source has {counted(self.source, 'row')}, {self.read:,} were read, "
            f"{self.written:,} written, {self.rejected:,} rejected, and the target holds {self.found:,}"
        )

    @property
    def hint(self) -> str:
        if self.source != self.read:
            return "the source has changed since the copy was planned: is it really frozen? Undo the migration and run it again"
        return "somebody else wrote to or deleted from the target's table: find out who before going on"


class Counts(Protocol):
    """Knows how many rows the source has."""

    def count(self) -> int:
        """So many."""
        ...


def verify(plan: TablePlan, record: TableRecord, control: Control, reader: Counts, writing: sa.Connection) -> None:
    """See that source = written + rejected, and that what was written is there.

    Raises:
        RowsMissing: it is not so.
    """
    source = reader.count()
    with writing.begin():
        tally = control.tally(writing, plan.number)
        found = _found(plan, record, control, writing, tally.written)
    read, written, rejected = tally.read, tally.written, tally.rejected
    if not source == read == written + rejected or found != written:
        raise RowsMissing(plan.into, source, read, written, rejected, found)


def _found(plan: TablePlan, record: TableRecord, control: Control, writing: sa.Connection, written: int) -> int:
    """Our rows in the target. Others may write to the same table meanwhile, so ours are looked for by their keys."""
    total = count(writing, plan)
    if total == record.rows_before + written:
        return written
    chunks = control.chunks(writing, plan.number)
    span = integer_span([chunk.range for chunk in chunks])
    if record.undo_by is not UndoBy.KEYS and plan.integer_handle is not None and span is not None:
        part = column(plan.integer_handle.name)
        select = sa.select(sa.func.count()).select_from(plan.target.name.clause)
        return int(writing.execute(select.where(part > bound(span[0]), part <= bound(span[1]))).scalar_one())
    if record.undo_by is UndoBy.KEYS:
        return sum(_present(plan, control, writing, chunk) for chunk in chunks)
    return total - record.rows_before


def _present(plan: TablePlan, control: Control, writing: sa.Connection, chunk: ChunkRecord) -> int:
    keys = unpacked(control.written_keys(writing, plan.number, chunk.number))
    select = sa.select(sa.func.count()).select_from(plan.target.name.clause)
    return sum(int(writing.execute(select.where(one_of(plan, some))).scalar_one()) for some in portions(keys))


def portions(keys: Sequence[Key]) -> list[Sequence[Key]]:
    """Keys, few enough at a time for one statement."""
    return [keys[start : start + KEYS_AT_A_TIME] for start in range(0, len(keys), KEYS_AT_A_TIME)]


def one_of(plan: TablePlan, keys: Sequence[Key]) -> sa.ColumnElement[bool]:
    """Rows of the target whose handle is among *keys*."""
    names = [plan.feeds[place].target.name for place in plan.handle]
    if len(names) == 1:
        return column(names[0]).in_([bound(key[0]) for key in keys])
    return sa.or_(*[sa.and_(*[column(name) == bound(value) for name, value in zip(names, key, strict=True)]) for key in keys])
