"""The dry run: do the tables fit together, and which values would be refused? One scan of each table, no writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.counting import counted
from changeover.transfer.adapters import dialect_of
from changeover.transfer.afterwards import choice_of, only_postgresql
from changeover.transfer.changes import Unfit
from changeover.transfer.chunks import Range
from changeover.transfer.control import Control
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.definitions import Definition, Made
from changeover.transfer.mapping import ColumnMapping, Mapped
from changeover.transfer.paths import path_of
from changeover.transfer.planning import Feed, MigrationRefused, Side, TablePlan, converted, plan_tables
from changeover.transfer.preparing import count, source_problems
from changeover.transfer.reading import Reader, column, literal
from changeover.transfer.sessions import session
from changeover.transfer.shapes import TEMPORAL, Sort
from changeover.transfer.watermarks import Watermarks

#: Reasons of functions that are named; the others are counted together.
_MOST_REASONS: Final = 10


@dataclass(frozen=True, slots=True)
class Examined:
    """What a copy of one table would meet."""

    source: str
    rows: int
    rejects: Mapping[str, int]  # why -> how many values
    left_out: tuple[str, ...]  # columns of the source that go nowhere
    chunks: int
    path: str  # which way its rows would take, and why; empty: there is only one
    indexes: tuple[str, ...] = ()  # what becomes of its indexes and foreign keys, in words
    delta: tuple[str, ...] = ()  # how it would catch up, in words


def examine(mapped: Mapped, source: Database, target: Database) -> dict[str, Examined]:
    """Look at every table; by the target's name, in copying order.

    Raises:
        MigrationRefused, TableMissing: something does not fit.
        StatementFailed: a database cannot be asked.
    """
    dialects = (dialect_of(source), dialect_of(target))
    database = source.name
    try:
        with session(source, dialects[0], autocommit=True) as reading, session(target, dialects[1]) as writing:
            near, far = Side(source, dialects[0], reading), Side(target, dialects[1], writing)
            plans = plan_tables(mapped, near, far)
            problems = [problem for plan in plans for problem in source_problems(plan, Reader(reading, plan))]
            if mapped.indexes == "after_load" and (why := only_postgresql(far)):
                problems.append(why)
            problems += _rights_missing(plans, far)
            if problems:
                raise MigrationRefused(tuple(problems))
            writing.rollback()
            return {
                plan.into: replace(
                    _examined(plan, reading, path_of(plan, near, far, keeps_keys=False).words),
                    indexes=tuple(_indexes(plan, far, deferred=mapped.indexes == "after_load")),
                    delta=tuple(_delta(plan, near)),
                )
                for plan in plans
            }
    except SQLAlchemyError as error:
        raise StatementFailed(database, "looking at the tables", reason(error)) from error


def _rights_missing(plans: Sequence[TablePlan], target: Side) -> Iterator[str]:
    """What our user may not do in the target. Only PostgreSQL tells without trying."""
    if target.dialect.name != "postgresql":
        return
    grant = "let the administrator of the target grant it to the user of its `url:`"
    ask = sa.text(
        "SELECT has_any_column_privilege(to_regclass(:name), 'SELECT'), has_any_column_privilege(to_regclass(:name), 'INSERT'),"
        " has_table_privilege(to_regclass(:name), 'DELETE')"
    )
    for plan in plans:
        may = target.connection.execute(ask, {"name": plan.target.name.quoted(target.connection.dialect)}).one()
        missing = [right for right, granted in zip(("select", "insert", "delete"), may, strict=True) if granted is False]
        if missing:
            yield f"table {plan.into} may not be written by us: no right to {', '.join(missing)}; {grant}"
    may_create = sa.text("SELECT has_schema_privilege(current_schema(), 'CREATE')")
    if not Control.exists(target.connection) and target.connection.execute(may_create).scalar() is False:
        yield f"no right to create the tables of the checkpoint in the target; {grant}"


def words(examined: Mapping[str, Examined]) -> Iterator[str]:
    """What people should read."""
    for name, table in examined.items():
        yield f"{table.source} -> {name}: {counted(table.rows, 'row')} in {counted(table.chunks, 'chunk')}"
        if table.path:
            yield table.path
        yield from table.indexes
        yield from table.delta
        if table.left_out:
            yield f"{table.source}: copied without {', '.join(table.left_out)} (nothing in the target takes it)"
        for why, values in table.rejects.items():
            yield f"{name}: {values:,} x {why}"


def _delta(plan: TablePlan, source: Side) -> Iterator[str]:
    """What the passes after the copy would do."""
    delta = plan.mapping.catching_up
    if delta is None:
        return
    marks = Watermarks(source, plan)
    found = marks.look()
    gone = (
        "from tombstones" if delta.tombstones is not None else {"compare_keys": "by comparing keys"}.get(str(delta.deletes), "")
    )
    since = f"since {found.high}" if found.high is not None else "at any time"
    yield f"{plan.into}: then passes bring rows whose {delta.by} says that they changed {since}; " + (
        f"rows that are gone are found {gone}" if gone else "rows that are gone stay"
    )
    yield from marks.remarks(found)


def _indexes(plan: TablePlan, target: Side, *, deferred: bool) -> Iterator[str]:
    """What would be made after the load and why that pays, or what could be."""
    if target.dialect.name != "postgresql":
        return
    target.connection.rollback()  # whoever looked before has begun a transaction
    with target.connection.begin():
        choice = choice_of(plan, target.connection, count(target.connection, plan))
    if not deferred:
        if choice.later:
            yield (
                f"{plan.into}: {_sorts(choice.later)} {'stays' if len(choice.later) == 1 else 'stay'} in place during the load; "
                "with `indexes: after_load` it is faster (docs/copying.md has what we measured)"
            )
        return
    for definition in choice.later:
        yield f"{plan.into}: dropped before the load, made again after it: {_named(definition)}"
    for definition, why in choice.stays:
        yield f"{plan.into}: stays in place, because {why}: {definition.name}"


def _sorts(definitions: Sequence[Definition]) -> str:
    counts = {sort: sum(each.sort is sort for each in definitions) for sort in Made}
    more = {Made.INDEX: "indexes", Made.FOREIGN_KEY: "foreign keys"}
    return " and ".join(counted(number, sort.value, more[sort]) for sort, number in counts.items() if number)


def _named(definition: Definition) -> str:
    if definition.sort is Made.INDEX:
        return definition.text
    return f"ALTER TABLE {definition.relation} ADD CONSTRAINT {definition.name} {definition.text}"


def _examined(plan: TablePlan, reading: sa.Connection, path: str) -> Examined:
    reader = Reader(reading, plan)
    suspicions = dict(_suspicions(plan, reading.dialect.name))
    counts: list[Any] = [sa.func.sum(sa.case((condition, 1), else_=0)) for condition in suspicions.values()]
    row = reader.figures([sa.func.count(), *counts])
    rejects = {why: int(number) for why, number in zip(suspicions, row[1:], strict=True) if number}
    rejects |= _refused_by_functions(plan, reader)
    rows = int(row[0])
    return Examined(plan.mapping.source, rows, rejects, plan.left_out, -(-rows // plan.chunk_rows), path)


def _refused_by_functions(plan: TablePlan, reader: Reader) -> dict[str, int]:
    """What the project's functions, called of every value, would not make; the reasons of most values by name."""
    feeds = [(place, feed) for place, feed in enumerate(feed for feed in plan.feeds if feed.expression) if feed.called]
    found: Counter[str] = Counter()
    for rows in reader.batches(Range(None, None)) if feeds else ():
        for place, feed in feeds:
            for row in rows:
                try:
                    converted(feed, [row[place]])
                except Unfit as unfit:
                    found[f"{feed.target.name}: {unfit}"] += 1
    named = dict(found.most_common(_MOST_REASONS))
    others = found.total() - sum(named.values())
    return named | ({"other reasons that functions give": others} if others else {})


def _suspicions(plan: TablePlan, dialect: str) -> Iterator[tuple[str, sa.ColumnElement[bool]]]:
    """Conditions under which a value of the source would be refused, each with its reason."""
    for feed in plan.feeds:
        if feed.source is None or feed.called:
            continue
        mapping = plan.mapping.filled.get(feed.target.name) or ColumnMapping()
        value = column(feed.source.name)
        quoted = literal(feed.expression)
        if feed.required and not feed.source.sort == feed.target.sort == Sort.BOOLEAN and not mapping.map:
            yield f"{feed.target.name}: empty, and must not be", value.is_(None)
        if _limited(feed) and not mapping.map:
            measure = sa.func.length if dialect == "sqlite" else sa.func.char_length
            yield f"{feed.target.name}: longer than {feed.target.length}", measure(value) > feed.target.length
        zero_to_null = "zero_date_to_null" in mapping.do
        calendar = feed.target.sort in TEMPORAL and feed.source.sort in TEMPORAL | {Sort.TEXT}
        if calendar and feed.convert is not None and dialect in {"mysql", "sqlite"} and not zero_to_null:
            yield f"{feed.target.name}: zero or partial date", quoted.like("%-00%")
        if mapping.map and mapping.unmapped == "reject" and not mapping.do:
            known = [sa.literal(word) for word in mapping.map]
            yield (
                f"{feed.target.name}: not named in `map`",
                sa.and_(value.is_not(None), sa.cast(value, sa.String(200)).not_in(known)),
            )


def _limited(feed: Feed) -> bool:
    return (
        feed.convert is not None
        and feed.source is not None
        and feed.source.sort is feed.target.sort is Sort.TEXT
        and feed.target.length is not None
    )
