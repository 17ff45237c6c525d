"""Which way the rows of a table take, and why: the fastest one that is proven to write the same as the slowest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from changeover.transfer.blocks import BlockForm, block_form, block_reader, line
from changeover.transfer.bulk_blocks import Blocks
from changeover.transfer.carriers import Bulk, BulkCarrier, Carrier, RowCarrier
from changeover.transfer.databases import reason
from changeover.transfer.pace import Pace
from changeover.transfer.passing import Format, PassThrough, pass_format
from changeover.transfer.planning import Side, TablePlan
from changeover.transfer.reading import Reader, literal
from changeover.transfer.slices import Slices
from changeover.transfer.writing import Writer

#: What MariaDB calls a result that is text, in whatever length.
_TEXT_RESULTS: Final = frozenset({249, 250, 251, 252, 253, 254})


@dataclass(frozen=True, slots=True)
class Path:
    """The way of one table."""

    words: str  # which way and why; empty: there was no choice
    blocks: BlockForm | None = None  # the source joins rows
    passed: Format | None = None  # COPY to COPY


def path_of(plan: TablePlan, near: Side, far: Side, *, keeps_keys: bool) -> Path:
    """The way of one table. *keeps_keys*: each chunk keeps the keys that it wrote, so somebody has to read them."""
    pair = (near.dialect.name, far.dialect.name)
    if pair not in {("mysql", "postgresql"), ("postgresql", "postgresql")}:
        return Path("")
    if keeps_keys:
        return _row_by_row(plan, "only its keys tell the copied rows from those that were there before")
    if pair == ("mysql", "postgresql"):
        return _in_blocks(plan, near)
    passed = pass_format(plan, near.connection, far.connection)
    if passed is None:
        return _row_by_row(plan, "its columns differ between source and target, or are changed")
    return Path(f"{plan.into}: COPY is passed on as it comes ({passed})", passed=passed)


def _row_by_row(plan: TablePlan, why: str) -> Path:
    return Path(f"{plan.into}: row by row, because {why}")


def _in_blocks(plan: TablePlan, near: Side) -> Path:
    if near.database.engine.driver != "pymysql":
        return _row_by_row(plan, f"blocks are known to work through PyMySQL, not through {near.database.engine.driver}")
    try:
        form = block_form(plan, near.connection.dialect, _texts(plan, near.connection))
        why = form if isinstance(form, str) else _objection(plan, form, near.connection)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        return _row_by_row(plan, f"the source says: {reason(error)}")
    if why or isinstance(form, str):
        return _row_by_row(plan, why)
    return Path(f"{plan.into}: in blocks that the source joins{_makers(form)}", blocks=form)


def _makers(form: BlockForm) -> str:
    """Who makes the columns that are changed."""
    there = [field.target for field in form.fields if field.changed and not field.made_here]
    rest = [field.target for field in form.fields if field.safe]
    here = [*(f"{name} where its letters are rare" for name in rest), *(field.target for field in form.made)]
    return (f"; made there: {', '.join(there)}" if there else "") + (f"; made here: {', '.join(here)}" if here else "")


def _objection(plan: TablePlan, form: BlockForm, connection: sa.Connection) -> str:
    """Try it on no row, and look at what one row would be."""
    connection.execute(block_reader(Reader(connection, plan), form).select.where(literal("1 = 0"))).one()
    sample = sa.select(literal(f"CHARSET({line(form.fields)})")).select_from(plan.source.name.clause).limit(1)
    charset = connection.execute(sample).scalar()
    return "" if charset in {None, "utf8mb4"} else f"its rows would be joined as {charset}"


def _texts(plan: TablePlan, connection: sa.Connection) -> frozenset[str]:
    """The columns of the target that are filled from SQL expressions which yield text."""
    found = set()
    for feed in plan.feeds:
        if feed.source is not None or not feed.expression:
            continue
        sample = sa.select(literal(feed.expression), literal(f"CHARSET({feed.expression})"))
        result = connection.execute(sample.select_from(plan.source.name.clause).limit(1))
        cursor: Any = result.cursor
        kind = cursor.description[0][1]
        row = result.first()
        if row is not None and kind in _TEXT_RESULTS and row[1] != "binary":
            found.add(feed.target.name)
    return frozenset(found)


def carrier_of(path: Path, plan: TablePlan, near: Side, far: Side, pace: Pace, *, keeps_keys: bool) -> Carrier:
    """What carries the rows of *plan*'s table its way."""
    reader = Reader(near.connection, plan)
    rows = RowCarrier(reader, Writer(far.connection, far.dialect, plan, keep_keys=keeps_keys), pace)
    slices = Slices(reader)
    bulk: Bulk
    if path.blocks is not None:
        bulk = Blocks(block_reader(reader, path.blocks), far.connection, slices, pace)
    elif path.passed is not None:
        bulk = PassThrough(reader, far.connection, path.passed, slices, pace)
    else:
        return rows
    return BulkCarrier(far.connection, far.dialect, bulk, slices, rows)
