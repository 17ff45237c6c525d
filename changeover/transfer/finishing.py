"""What a table needs once its rows are there: counters that go on after them, and fresh statistics."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from changeover.transfer.mapping import Sequences
from changeover.transfer.planning import Side, TablePlan


def finish(plan: TablePlan, target: Side, sequences: Sequences) -> None:
    """Move counters behind the highest key, and renew the optimizer's statistics, in the caller's transaction."""
    writing, dialect = target.connection, target.dialect
    for counter in dialect.counters(writing, plan.target) if sequences.reset else ():
        highest = writing.execute(sa.select(sa.func.max(sa.column(counter.column))).select_from(plan.target.name.clause)).scalar()
        wanted = (highest or 0) + 1 + sequences.headroom
        if wanted > counter.next_value:
            moved = replace(counter, next_value=wanted, used=dialect.name == "sqlite")
            dialect.set_counter(writing, plan.target.name, moved)
    dialect.analyse(writing, plan.target.name)
