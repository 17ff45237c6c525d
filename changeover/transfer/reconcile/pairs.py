"""Two tables that should say the same: which column stands beside which, and what tells a row apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.errors import Setback
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.digests import Portion, Term
from changeover.transfer.reconcile.words import ColumnPair, TablePair
from changeover.transfer.shapes import Column, Shape, Sort, TableName, shape


@dataclass(eq=False)
class NotComparable(Setback):
    """Two tables cannot be compared as they are described."""

    table: str
    why: str

    def __str__(self) -> str:
        return f"table {self.table} cannot be compared: {self.why}"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared."""

    source: Portion
    target: Portion
    names: tuple[str, ...]  # of the compared columns, by the target
    left_out: tuple[str, ...]  # columns of the target that nothing of the source stands beside

    @property
    def into(self) -> str:
        """The target's table."""
        return str(self.target.table)


def pair_of(words: TablePair, source: Database, target: Database) -> Pair:
    """Look at both tables and match their columns.

    Raises:
        TableMissing, StatementFailed: one of them cannot be looked at.
        NotComparable: a column is missing, or nothing tells the rows apart.
    """
    left, right = look(source, words.source), look(target, words.into)
    matched = list(_matched(words, source, left, target, right))
    known = {their.name: (mine, their) for mine, their in matched}
    keys = _key(words, left, right, known)
    mine, theirs = [one for one, _ in matched], [other for _, other in matched]
    left_out = tuple(column.name for column in right.columns if column.name not in {term.name for term in theirs})
    return Pair(
        Portion(source, left.name, tuple(mine), words.where, tuple(known[name][0] for name in keys), left.primary_key),
        Portion(target, right.name, tuple(theirs), words.target_where, tuple(known[name][1] for name in keys), right.primary_key),
        tuple(term.name for term in theirs),
        left_out,
    )


def look(database: Database, table: str) -> Shape:
    """What a table looks like."""
    try:
        with database.engine.connect() as connection:
            return shape(connection, TableName.parse(table), database.name)
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"looking at {table}", reason(error)) from error


def _matched(words: TablePair, source: Database, left: Shape, target: Database, right: Shape) -> Sequence[tuple[Term, Term]]:
    said = _said(words, left, right)
    found = []
    for name, compared in said.items():
        theirs = _term(words, target, right, compared.target or name, compared, expression=bool(compared.target))
        mine = _term(words, source, left, compared.source or name, compared, expression=bool(compared.sql))
        if compared.sql:
            mine = Term(name, _typed(mine.column, theirs.column), f"({compared.sql}\n)")
        if compared.target:
            theirs = Term(name, _typed(theirs.column, mine.column), f"({compared.target}\n)")
        found.append((mine, theirs))
    return found


def _said(words: TablePair, left: Shape, right: Shape) -> Mapping[str, ColumnPair]:
    """Every compared column of the target, with what stands beside it."""
    said = {name: ColumnPair(source=entry) if isinstance(entry, str) else entry for name, entry in words.columns.items()}
    if words.only:
        return {name: said.get(name, ColumnPair()) for name in words.only}
    for column in right.columns:
        known = next((name for name in said if name.lower() == column.name.lower()), None)
        if known is None and column.name not in words.without and left.column(column.name) is not None:
            said[column.name] = ColumnPair()
    return {name: entry for name, entry in said.items() if name not in words.without}


def _term(words: TablePair, database: Database, table: Shape, name: str, compared: ColumnPair, *, expression: bool) -> Term:
    column = table.column(name)
    if column is not None:
        return Term.of(database, column)
    if expression:
        return Term(name, Column(name, Sort(compared.taken_as) if compared.taken_as else Sort.OTHER, "expression"), "")
    raise NotComparable(words.into, f"{database.name} has no column {name} in {table.name}")


def _typed(mine: Column, other: Column) -> Column:
    """An expression is taken for what stands beside it, unless its author says what it is."""
    if mine.sort is not Sort.OTHER and mine.declared == "expression":
        return mine
    return Column(mine.name, other.sort, "expression", nullable=True)


def _key(words: TablePair, left: Shape, right: Shape, known: Mapping[str, object]) -> tuple[str, ...]:
    wanted = words.key_columns or right.primary_key or left.primary_key
    names = [next((name for name in known if name.lower() == wish.lower()), "") for wish in wanted]
    if not wanted:
        raise NotComparable(words.into, "nothing tells its rows apart; say `key: [column]` with columns that are unique")
    if missing := [wish for wish, name in zip(wanted, names, strict=True) if not name]:
        raise NotComparable(
            words.into, f"its key {', '.join(missing)} is not among the compared columns; name it in `columns`, or say `key:`"
        )
    return tuple(names)
