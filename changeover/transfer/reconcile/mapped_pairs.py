"""The tables of a migration as pairs to compare: what its mapping did to a value is done here too before it is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.adapters import dialect_of
from changeover.transfer.changes import Convert, Unfit, changes_of, in_order
from changeover.transfer.control import Control, DeadLetter, TableRecord, UndoBy
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.digests import Portion, Term
from changeover.transfer.mapping import ColumnMapping, Mapped
from changeover.transfer.planning import Feed, Side, TablePlan, plan_tables
from changeover.transfer.preparing import integer_span
from changeover.transfer.quoting import quoted
from changeover.transfer.reconcile.pairs import NotComparable, Pair
from changeover.transfer.reconcile.words import TablePair
from changeover.transfer.sessions import session
from changeover.transfer.shapes import Column, Sort


@dataclass(frozen=True, slots=True)
class Copied:
    """One table of a migration: what is compared, and the rows that the target need not have."""

    words: TablePair
    pair: Pair
    letters: tuple[DeadLetter, ...]


def copied_tables(name: str, mapped: Mapped, source: Database, target: Database, said: Sequence[TablePair]) -> tuple[Copied, ...]:
    """The tables that the migration called *name* has copied, each with its dead letters.

    Args:
        name: the migration's name, ``run/step``.
        mapped: its mapping.
        source: where it read.
        target: where it wrote.
        said: what an author says besides about some of its tables, such as which rows of the target are meant.

    Raises:
        MigrationRefused, TableMissing: the tables are not what they were.
        NotComparable: nothing tells the copied rows from others.
        StatementFailed: a database cannot be asked.
    """
    dialects = (dialect_of(source), dialect_of(target))
    more = {words.into: words for words in said}
    try:
        with session(source, dialects[0], autocommit=True) as reading, session(target, dialects[1]) as writing:
            plans = plan_tables(mapped, Side(source, dialects[0], reading), Side(target, dialects[1], writing))
            writing.rollback()
            with writing.begin():
                control = Control(name)
                known = control.exists(writing)
                records = {record.target: record for record in control.tables(writing)} if known else {}
                return tuple(
                    _copied(plan, records.get(plan.into), more.get(plan.into), control, writing, source=source, target=target)
                    for plan in plans
                )
    except SQLAlchemyError as error:
        raise StatementFailed(target.name, "looking at the copied tables", reason(error)) from error


def _copied(
    plan: TablePlan,
    record: TableRecord | None,
    said: TablePair | None,
    control: Control,
    writing: sa.Connection,
    *,
    source: Database,
    target: Database,
) -> Copied:
    words = said or TablePair(plan.mapping.source, plan.into, where=plan.mapping.where)
    where = words.target_where
    letters: tuple[DeadLetter, ...] = ()
    if record is not None:
        letters = tuple(control.letters(writing, record.number))
        where = where or _ours(plan, record, control, writing, target)
    terms = [(_source_term(plan, feed, source), Term.of(target, feed.target)) for feed in plan.feeds]
    terms = [pair for pair in terms if pair[1].name not in words.without and (not words.only or pair[1].name in words.only)]
    by_name = {theirs.name: (mine, theirs) for mine, theirs in terms}
    handle = [plan.feeds[place].target.name for place in plan.handle]
    if not handle or any(name not in by_name for name in handle):
        raise NotComparable(plan.into, "nothing of the source's key stands in the target; compare it with `tables:` instead")
    left_out = tuple(column.name for column in plan.target.columns if column.name not in by_name)
    mine, theirs = tuple(mine for mine, _ in terms), tuple(theirs for _, theirs in terms)
    keys = tuple(by_name[name][0] for name in handle), tuple(by_name[name][1] for name in handle)
    pair = Pair(
        Portion(source, plan.source.name, mine, plan.mapping.where, keys[0], plan.source.primary_key),
        Portion(target, plan.target.name, theirs, where, keys[1], plan.target.primary_key),
        tuple(by_name),
        left_out,
    )
    return Copied(replace(words, target_where=where), pair, _by_handle(plan, letters))


def _ours(plan: TablePlan, record: TableRecord, control: Control, writing: sa.Connection, target: Database) -> str:
    """A condition on the target's rows that holds for those that were copied."""
    if record.undo_by is UndoBy.EVERYTHING:
        return ""
    span = integer_span([chunk.range for chunk in control.chunks(writing, record.number)])
    if record.undo_by is UndoBy.RANGES and plan.integer_handle is not None and span is not None:
        name = quoted(plan.integer_handle.name, target.engine.dialect)
        return f"{name} > {span[0]:d} and {name} <= {span[1]:d}"
    raise NotComparable(
        plan.into,
        f"copied rows stand between others; say which are meant: `tables: [{{from: {plan.mapping.source}, to: {plan.into}, "
        "target_where: ...}]`",
    )


def _source_term(plan: TablePlan, feed: Feed, source: Database) -> Term:
    mapping = plan.mapping.filled.get(feed.target.name) or ColumnMapping()
    steps = changes_of(mapping)
    change = _forgiving(in_order(steps)) if steps else None
    if feed.called:  # what a function makes has the target's sort, whatever it was made of
        change = _forgiving(feed.convert)
    if feed.source is not None:
        term = replace(Term.of(source, feed.source), name=feed.target.name, change=change)
        return replace(term, column=replace(term.column, sort=feed.target.sort)) if feed.called else term
    # an expression is taken for what it fills; what it is in truth only its values tell
    column = Column(feed.target.name, feed.target.sort, "expression")
    if feed.expression:
        return Term(feed.target.name, column, feed.expression, change)
    return Term(feed.target.name, _typed(column, feed.constant), _literal(source, feed.constant), change)


def _typed(column: Column, constant: Any) -> Column:
    return replace(column, sort=Sort.TEXT) if isinstance(constant, str) and column.sort is not Sort.TEXT else column


def _literal(source: Database, constant: Any) -> str:
    value = int(constant) if isinstance(constant, bool) else constant
    return str(sa.literal(value).compile(dialect=source.engine.dialect, compile_kwargs={"literal_binds": True}))


def _forgiving(change: Convert | None) -> Convert | None:
    """The same change; a value that it refuses stays as it is, for its row is a dead letter."""
    if change is None:
        return None

    def tried(value: Any) -> Any:
        try:
            return change(value)
        except Unfit:
            return value

    return tried


def _by_handle(plan: TablePlan, letters: Sequence[DeadLetter]) -> tuple[DeadLetter, ...]:
    """Dead letters with the key under which the target would know them."""
    sources = [plan.feeds[place].source for place in plan.handle]
    names = [column.name for column in plan.key]
    places = [names.index(column.name) if column is not None and column.name in names else None for column in sources]
    if None in places:
        return tuple(letters)
    return tuple(replace(letter, key=tuple(letter.key[place] for place in places if place is not None)) for letter in letters)
