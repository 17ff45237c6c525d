"""What has to be so that a table can catch up: found wrong before a byte moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from changeover.transfer.mapping import TableMapping
from changeover.transfer.quoting import quoted
from changeover.transfer.shapes import Column, Sort

if TYPE_CHECKING:
    from changeover.transfer.planning import TablePlan

#: Keys whose values travel between two databases and back as they are.
_KEYS: Final = frozenset({Sort.INTEGER, Sort.TEXT, Sort.DECIMAL, Sort.DATE, Sort.UUID})


def without_buried(mapping: TableMapping, dialect: sa.Dialect) -> TableMapping:
    """The mapping with a condition that leaves out rows which say that they are deleted."""
    buried = buried_where(mapping, dialect)
    if not buried:
        return mapping
    alive = f"({buried}\n) is not true"
    return replace(mapping, where=f"({mapping.where}\n) and {alive}" if mapping.where else alive)


def buried_where(mapping: TableMapping, dialect: sa.Dialect) -> str:
    """SQL for the rows that say that they are deleted; empty when none do."""
    delta = mapping.catching_up
    if delta is None or delta.tombstones is None:
        return ""
    column = delta.tombstones.column
    return f"{quoted(column, dialect)} is not null" if column else delta.tombstones.where


def watermark_of(plan: TablePlan) -> Column:
    """The column that says when a row was last changed; the plan has been looked through."""
    delta = plan.mapping.catching_up
    found = plan.source.column(delta.by) if delta is not None else None
    if found is None:
        raise AssertionError  # the plan was refused
    return found


def catching_up_problems(plan: TablePlan) -> list[str]:
    """Why this table cannot catch up; nothing when it can, or shall not."""
    delta = plan.mapping.catching_up
    if delta is None:
        return []
    where = f"table {plan.into}: `delta`"
    problems = []
    by = plan.source.column(delta.by)
    if by is None:
        problems.append(f"{where}: the source has no column {delta.by}")
    elif by.sort is not Sort.DATETIME:
        problems.append(
            f"{where}: {delta.by} is {by.declared}; it takes a column with date and time, which says when a row changed"
        )
    buried = delta.tombstones
    if buried is not None and buried.column and plan.source.column(buried.column) is None:
        problems.append(f"{where}: the source has no column {buried.column}")
    if plan.key and not _same_key(plan):
        names = ", ".join(column.name for column in plan.key)
        problems.append(
            f"{where}: a changed row has to be found again, so the target's key must be the source's ({names}), unchanged "
            "and of the same sort"
        )
    elif odd := [column.name for column in plan.key if column.sort not in _KEYS]:
        problems.append(f"{where}: a key of this type cannot be followed: {', '.join(odd)}")
    return problems


def _same_key(plan: TablePlan) -> bool:
    feeds = [plan.feeds[place] for place in plan.handle]
    alike = all(feed.source is not None and feed.source.sort is feed.target.sort and not feed.changed for feed in feeds)
    return bool(feeds) and alike and {feed.source for feed in feeds} == set(plan.key)
