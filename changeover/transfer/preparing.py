"""The last look before the first byte: keys that can be ranged over, chunks, and how to tell our rows apart afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.counting import counted
from changeover.transfer.chunks import Range
from changeover.transfer.control import TableRecord, TableState, UndoBy
from changeover.transfer.databases import reason
from changeover.transfer.dialects import Dialect
from changeover.transfer.planning import TablePlan
from changeover.transfer.reading import Extent, Reader, bound, column
from changeover.transfer.sessions import lost


def source_problems(plan: TablePlan, reader: Reader) -> list[str]:
    """Why the source cannot be asked for what the mapping wants; nothing when it can."""
    return list(_misunderstood(plan, reader)) or _key_problems(plan, reader)


def _misunderstood(plan: TablePlan, reader: Reader) -> Iterator[str]:
    """SQL of the author's that the source does not understand."""
    written = {f"column {name}: `sql`": mapping.sql for name, mapping in plan.mapping.filled.items() if mapping.sql}
    for where, expression in {"`where`": "", **written}.items():
        try:
            reader.understand(expression)
        except DBAPIError as error:
            if lost(error):
                raise
            yield f"table {plan.into}: {where} is not understood by the source: {reason(error)}"
            if not expression:
                return


def _key_problems(plan: TablePlan, reader: Reader) -> list[str]:
    names = ", ".join(part.name for part in plan.key)
    problems = []
    if empty := reader.empty_keys():
        problems.append(f"table {plan.mapping.source}: no {names} in {counted(empty, 'row')}; `key:` must never be empty")
    if not reader.key_is_unique():
        problems.append(f"table {plan.mapping.source}: several rows share the same {names}; `key:` must tell all rows apart")
    return problems


def record_of(
    plan: TablePlan, reading: sa.Connection, writing: sa.Connection, dialect: Dialect, problems: list[str]
) -> tuple[TableRecord, Sequence[Range]]:
    """What goes on record about a table before its copy begins."""
    reader = Reader(reading, plan)
    found = source_problems(plan, reader)
    problems += found
    extent = reader.extent() if not found else Extent(0, ())
    before = count(writing, plan)
    undo_by = _undo_by(plan, writing, extent, before)
    if undo_by is None:
        problems.append(
            f"table {plan.into} has {counted(before, 'row')} already, and nothing would tell the copied ones apart: "
            f"let one of its columns be filled from the source's key"
        )
    record = TableRecord(
        plan.number,
        str(plan.source.name),
        plan.into,
        plan.fingerprint,
        TableState.PLANNED,
        undo_by or UndoBy.KEYS,
        extent.rows,
        before,
        dialect.counters(writing, plan.target),
    )
    return record, extent.ranges


def count(writing: sa.Connection, plan: TablePlan) -> int:
    """The rows of the target, ours and others."""
    return int(writing.execute(sa.select(sa.func.count()).select_from(plan.target.name.clause)).scalar_one())


def _undo_by(plan: TablePlan, writing: sa.Connection, extent: Extent, before: int) -> UndoBy | None:
    if not before:
        return UndoBy.EVERYTHING
    handle = plan.integer_handle
    span = integer_span(extent.ranges)
    # a range cannot tell ours apart when more of ours come later, outside of it
    if handle is not None and span is not None and plan.mapping.catching_up is None:
        part = column(handle.name)
        others = sa.select(sa.literal(1)).select_from(plan.target.name.clause).limit(1)
        if writing.execute(others.where(part > bound(span[0]), part <= bound(span[1]))).first() is None:
            return UndoBy.RANGES
    return UndoBy.KEYS if plan.handle else None


def integer_span(ranges: Sequence[Range]) -> tuple[int, int] | None:
    """``after`` and ``upto`` of all of *ranges* together, in whatever order, when they are ranges of integers."""
    if not ranges:
        return None
    after = [area.after[0] for area in ranges if area.after is not None and type(area.after[0]) is int]
    upto = [area.upto[0] for area in ranges if area.upto is not None and type(area.upto[0]) is int]
    return (min(after), max(upto)) if len(after) == len(upto) == len(ranges) else None
