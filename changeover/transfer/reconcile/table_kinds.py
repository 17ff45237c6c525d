"""Questions about one table: does everything belong to somebody, is anything there twice, are values what they may be?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Answer, Database
from changeover.counting import counted
from changeover.transfer.adapters import dialect_of
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.questions import MOST_DUPLICATES, count_duplicates, count_rows, duplicates, first_rows
from changeover.transfer.questions import orphans as find_orphans
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import authored, bound
from changeover.transfer.reconcile.drilling import readable
from changeover.transfer.reconcile.findings import Evidence, Finding, evidence
from changeover.transfer.reconcile.pairs import look
from changeover.transfer.reconcile.words import Domain, Reference, Unique
from changeover.transfer.sessions import session


def orphans(database: Database, words: Reference) -> Finding:
    """Every row belongs to a parent that is there."""
    about = f"{words.table}.{words.column}"
    found = find_orphans(database, words.table, words.column, words.parent, parent_column=words.parent_column, where=words.where)
    condition = f"{quoted(words.column, database.engine.dialect)} is not null"
    rows = count_rows(database, words.table, where=f"({words.where}\n) and {condition}" if words.where else condition)
    listed = evidence(
        f"{words.column} that {words.parent} does not have", (words.column,), [(readable(s),) for s in found.samples], found.count
    )
    summary = f"{found.count:,} of {counted(rows, 'row')} with a {words.column} that {words.parent} does not have"
    return _judged(("orphans", about), rows, (found.count, words.at_most), summary, listed)


def unique(database: Database, words: Unique) -> Finding:
    """No two rows share the same values."""
    rows = count_rows(database, words.table, where=words.where)
    shared = duplicates(database, words.table, words.columns, where=words.where)
    about = f"{words.table}: {', '.join(words.columns)}"
    number = len(shared) if len(shared) < MOST_DUPLICATES else count_duplicates(database, words.table, words.columns, words.where)
    listed = evidence("shared by several rows", (*words.columns, "rows"), [[readable(v) for v in row] for row in shared], number)
    summary = f"{counted(number, 'shared value')} in {counted(rows, 'row')}"
    return _judged(("unique", about), rows, (number, words.at_most), summary, listed)


def domain(database: Database, words: Domain) -> Finding:
    """Only such values stand in a column."""
    column: sa.ColumnClause[Any] = sa.column(words.column)
    allowed = authored(words.holds) if words.holds else column.in_([bound(value) for value in words.values if value is not None])
    # a condition that is NULL holds of nothing: an empty value is judged by `nullable` alone
    outside = sa.and_(column.is_not(None), sa.func.coalesce(sa.case((allowed, 1), else_=0), 0) == 0)
    wrong = outside if words.nullable else sa.or_(outside, column.is_(None))
    about = f"{words.table}.{words.column}"
    rows = count_rows(database, words.table, where=words.where)
    grouped: Sequence[Any] = first_rows(
        database, words.table, [column, sa.func.count()], where=words.where, conditions=[wrong], by=[column], limit=100
    )
    number = int(first_rows(database, words.table, [sa.func.count()], where=words.where, conditions=[wrong])[0][0])
    values = [(readable(value), int(rows_of_it)) for value, rows_of_it in grouped]
    listed = evidence("values that may not stand there", (words.column, "rows"), values)
    summary = f"{number:,} of {counted(rows, 'row')} with another value"
    if grouped:
        summary += f", such as {readable(grouped[0][0])}"
    return _judged(("domain", about), rows, (number, words.at_most), summary, listed)


def sequence(database: Database, table: str) -> Finding:
    """What makes new keys stands above every key that is there."""
    dialect = dialect_of(database)
    found = look(database, table)
    try:
        with session(database, dialect) as connection:
            counters = dialect.counters(connection, found)
            behind, rows = [], []
            for counter in counters:
                highest = connection.execute(
                    sa.select(sa.func.max(sa.column(counter.column))).select_from(found.name.clause)
                ).scalar()
                following = counter.next_value + (1 if counter.used and dialect.name == "postgresql" else 0)
                rows.append((counter.column, counter.name, highest, following))
                if highest is not None and following <= int(highest):
                    behind.append(f"{counter.column} gives {following:,} next, and {int(highest):,} is there")
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"looking at the counters of {table}", reason(error)) from error
    if not counters:
        return Finding("sequence", table, Answer.NOT_VERIFIABLE, "no counter makes its keys", 1, 0)
    listed = evidence("counters", ("column", "counter", "highest key", "next key"), rows)
    answer = Answer.FAILED if behind else Answer.PASSED
    summary = "; ".join(behind) or f"{counted(len(counters), 'counter')} above every key"
    return Finding("sequence", table, answer, summary, 0, len(behind), evidence=listed)


def _judged(what: tuple[str, str], rows: int, figures: tuple[int, int], summary: str, listed: tuple[Evidence, ...]) -> Finding:
    """What a number of wrong rows among *rows* comes to; *figures* are that number, and how many may be."""
    (kind, about), (found, at_most) = what, figures
    allowed = f" (at most {at_most:,})" if at_most else ""
    if not rows:
        return Finding(kind, about, Answer.NOT_VERIFIABLE, "there is no row to look at: 0 of 0", at_most, 0)
    answer = Answer.PASSED if found <= at_most else Answer.FAILED
    return Finding(kind, about, answer, summary + allowed, at_most, found, {"rows": rows, "wrong": found}, evidence=listed)
