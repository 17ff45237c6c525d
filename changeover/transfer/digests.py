"""The content of rows as figures that their server works out, so that no row has to travel.

Equal figures mean equal content. Unequal ones only mean that the rows have to be looked at: two servers may write the same
value in two ways that nobody here has thought of.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.adapters import dialect_of
from changeover.transfer.canonical import DIGITS
from changeover.transfer.changes import Convert
from changeover.transfer.dialects import Dialect
from changeover.transfer.forms import Field, Form, form_of
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import authored, literal
from changeover.transfer.sessions import session
from changeover.transfer.shapes import Column, TableName


@dataclass(frozen=True, slots=True)
class Term:
    """Something that is read of a row: a column, or an expression over columns."""

    name: str
    column: Column  # of an expression: what its values are taken for
    sql: str  # quoted
    change: Convert | None = None  # what happens to its values before they are compared; no server does that

    @classmethod
    def of(cls, database: Database, column: Column) -> Term:
        """A column of a table of *database*."""
        return cls(column.name, column, quoted(column.name, database.engine.dialect))


@dataclass(frozen=True, slots=True)
class Portion:
    """Some columns of some rows of a table."""

    database: Database
    table: TableName
    terms: tuple[Term, ...]
    where: str = ""
    key: tuple[Term, ...] = ()  # what tells its rows apart
    primary_key: tuple[str, ...] = ()  # the columns of its table's

    @property
    def by_primary_key(self) -> bool:
        """Whether the key is the table's primary key, by which some systems keep their rows in order."""
        columns = [term.column.name for term in self.key if term.sql == Term.of(self.database, term.column).sql]
        return bool(self.key) and columns == list(self.primary_key)

    @property
    def dialect(self) -> Dialect:
        """Its adapter."""
        return dialect_of(self.database)

    def rows(self, *wanted: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """Its rows, with *wanted*."""
        select = sa.select(*wanted).select_from(self.table.clause)
        return select.where(authored(self.where)) if self.where else select


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows, and a figure that stands for what is in them.

    Either their digests are added up, so that their order does not matter and a row that is there twice counts twice; or it is
    the digest of all of them, joined in the order of their key. None: nobody knows what is in them.
    """

    rows: int
    figure: int | None

    def same_as(self, other: Digest) -> bool:
        """Whether both are known, and equal."""
        return self.rows == other.rows and self.figure is not None and self.figure == other.figure


def forms_of(one: Portion, two: Portion, *, of_key: bool = False) -> tuple[Form | None, ...]:
    """The form in which each pair of terms is compared."""
    alike = all(portion.dialect.keeps_digits for portion in (one, two))
    terms = zip(one.key, two.key, strict=True) if of_key else zip(one.terms, two.terms, strict=True)
    return tuple(
        form_of(mine.column, theirs.column, alike=alike) if mine.change is theirs.change is None else None
        for mine, theirs in terms
    )


def fields_of(dialect: Dialect, terms: Sequence[Term], forms: Sequence[Form | None]) -> tuple[Field, ...]:
    """What a row's *terms* are compared by; none when the server cannot write one of them down."""
    fields = tuple(
        Field(dialect.canonical(term.column, term.sql, form), form, term.column.nullable)
        for term, form in zip(terms, forms, strict=True)
        if form is not None
    )
    return fields if len(fields) == len(terms) and all(field.text for field in fields) else ()


def number_of(dialect: Dialect, terms: Sequence[Term], forms: Sequence[Form | None]) -> str:
    """SQL for the number that stands for a row's *terms*; empty when the server cannot work it out."""
    fields = fields_of(dialect, terms, forms)
    hashed = dialect.digest(fields) if fields else ""
    return dialect.number(f"substr({hashed}, 1, {DIGITS})") if hashed else ""


def digest_of_both(one: Portion, two: Portion) -> Digest | None:
    """The digest that both have; None when they differ, or a server cannot tell."""
    forms = forms_of(one, two)
    statements = []
    for portion in (one, two):
        number = number_of(portion.dialect, portion.terms, forms)
        if not number:
            return None
        statements.append(portion.rows(sa.func.count(), sa.func.sum(literal(number))))
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="digest") as side_by_side:
        mine, theirs = side_by_side.map(_asked, (one, two), statements)
    return mine if mine == theirs else None


def _asked(portion: Portion, statement: sa.Select[Any]) -> Digest | None:
    try:
        with session(portion.database, portion.dialect) as connection:
            rows, total = connection.execute(statement).one()
    except SQLAlchemyError:
        return None  # an older server, or one that forbids MD5; whatever else is wrong is said when the rows are read
    return Digest(rows, int(total or 0))
