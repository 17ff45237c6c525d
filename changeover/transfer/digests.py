"""The content of two tables as two figures that their servers work out side by side, so that no row has to travel.

Equal figures mean equal content. Unequal ones only mean that the rows have to be looked at: two servers may write the same
value in two ways that nobody here has thought of.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.transfer.adapters import dialect_of
from changeover.transfer.reading import authored
from changeover.transfer.sessions import session
from changeover.transfer.shapes import Column, Shape, Sort

#: Digits of a row's digest that are added up: 60 bits, of which no two rows that differ by accident have the same.
_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class Portion:
    """Some columns of some rows of a table."""

    database: Database
    table: Shape
    columns: tuple[Column, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows, and their digests added up: their order does not matter, and a row that is there twice counts twice."""

    rows: int
    figure: str


def digest_of_both(one: Portion, two: Portion, sorts: Sequence[Sort]) -> Digest | None:
    """The digest that both have, each column compared as one of *sorts*; None when they differ, or a server cannot tell."""
    left, right = _statement(one, sorts), _statement(two, sorts)
    if left is None or right is None:
        return None
    with ThreadPoolExecutor(max_workers=2, thread_name_prefix="digest") as side_by_side:
        mine, theirs = side_by_side.map(_asked, (one, two), (left, right))
    return mine if mine == theirs else None


def _statement(portion: Portion, sorts: Sequence[Sort]) -> sa.Select[Any] | None:
    dialect = dialect_of(portion.database)
    quote = portion.database.engine.dialect.identifier_preparer.quote
    texts = [
        dialect.canonical(column, dialect.transport(column, quote(column.name)), sort)
        for column, sort in zip(portion.columns, sorts, strict=True)
    ]
    names = [f"f{place}" for place in range(len(texts))]
    hashed = dialect.digest(names)
    if not texts or not all(texts) or not hashed:
        return None
    named: list[sa.ColumnElement[Any]] = [sa.literal_column(text).label(name) for text, name in zip(texts, names, strict=True)]
    fields = sa.select(*named)
    fields = fields.select_from(portion.table.name.clause)
    if portion.where:
        fields = fields.where(authored(portion.where))
    number: sa.ColumnElement[Any] = sa.literal_column(dialect.number(f"substr({hashed}, 1, {_DIGITS})"))
    figures: list[sa.ColumnElement[Any]] = [sa.func.count(), sa.func.sum(number)]
    return sa.select(*figures).select_from(fields.subquery("fields"))


def _asked(portion: Portion, statement: sa.Select[Any]) -> Digest | None:
    try:
        with session(portion.database, dialect_of(portion.database)) as connection:
            rows, total = connection.execute(statement).one()
    except SQLAlchemyError:
        return None  # an older server, or one that forbids MD5; whatever else is wrong is said when the rows are read
    return Digest(rows, f"{int(total or 0):x}")
