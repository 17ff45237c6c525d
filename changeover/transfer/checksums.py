"""The content of a table as one figure, equal in every dialect when the content is.

Each row becomes length-prefixed canonical fields and a hash; the hashes are added up, so that the order of rows does not
matter (collations order differently) while a row that is there twice counts twice.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.counting import counted
from changeover.transfer.adapters import dialect_of
from changeover.transfer.canonical import Canonical, by_type, canonical, common
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.digests import Portion, Term, digest_of_both
from changeover.transfer.quoting import quoted
from changeover.transfer.reading import authored
from changeover.transfer.sessions import session
from changeover.transfer.shapes import Column, Shape, Sort, TableName, shape

_MODULUS: Final = 2**128
_BATCH_ROWS: Final = 5_000
_NULL: Final = struct.pack(">i", -1)


@dataclass(frozen=True, slots=True)
class Checksum:
    """The content of a table or query: equal figures mean equal content."""

    rows: int
    digest: str

    def __str__(self) -> str:
        return f"{counted(self.rows, 'row')}, {self.digest}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows and columns of a table."""

    table: str
    columns: tuple[str, ...] = ()  # empty: all that both sides have, or all
    where: str = ""


def checksum(database: Database, table: str, *, columns: Sequence[str] = (), where: str = "") -> Checksum:
    """The content of *table*, or of some of its *columns*, or of the rows for which *where* holds.

    Raises:
        TableMissing: there is no such table.
        StatementFailed: it cannot be read, or has no such column.
    """
    selection = Selection(table, tuple(columns), where)
    return _summed(database, selection, {})


def checksums_of_pair(
    source: Database, first: Selection, target: Database, second: Selection
) -> tuple[Checksum, Checksum, tuple[str, ...]]:
    """The same columns of two tables, made comparable where their types differ; and which columns these are.

    Without columns those are compared which both tables have. With columns, they are compared in the order written.

    Raises:
        TableMissing, StatementFailed: one of them cannot be read.
    """
    left, right = _looked_at(source, first.table), _looked_at(target, second.table)
    shared = tuple(column.name for column in left.columns if right.column(column.name) is not None)
    names = first.columns or second.columns or shared
    others = second.columns or names
    sorts = []
    for name, other in zip(names, others, strict=True):
        one, two = left.column(name), right.column(other)
        sorts.append(common(one.sort if one else Sort.OTHER, two.sort if two else Sort.OTHER))
    mine = Portion(source, left.name, tuple(Term.of(source, _named(source, left, name)) for name in names), first.where)
    theirs = Portion(target, right.name, tuple(Term.of(target, _named(target, right, name)) for name in others), second.where)
    same = digest_of_both(mine, theirs)
    if same is not None:
        found = Checksum(same.rows, f"{same.figure:x}")
        return found, found, tuple(names)
    return (
        _summed(source, Selection(first.table, tuple(names), first.where), dict(zip(names, sorts, strict=True))),
        _summed(target, Selection(second.table, tuple(others), second.where), dict(zip(others, sorts, strict=True))),
        tuple(names),
    )


def checksum_of_rows(rows: Iterator[Sequence[Any]] | Sequence[Sequence[Any]]) -> Checksum:
    """The checksum of rows that somebody else has read, each value canonical by its own type."""
    number, total = 0, 0
    for row in rows:
        number += 1
        total += _hashed([None if value is None else by_type(value) for value in row])
    return Checksum(number, f"{total % _MODULUS:032x}")


def _looked_at(database: Database, table: str) -> Shape:
    try:
        with database.engine.connect() as connection:
            return shape(connection, TableName.parse(table), database.name)
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"looking at {table}", reason(error)) from error


def _summed(database: Database, selection: Selection, sorts: Mapping[str, Sort]) -> Checksum:
    dialect = dialect_of(database)
    found = _looked_at(database, selection.table)
    names = selection.columns or tuple(column.name for column in found.columns)
    columns = [_named(database, found, name) for name in names]
    try:
        with session(database, dialect) as connection:
            reads: list[sa.ColumnElement[Any]] = [
                sa.literal_column(dialect.transport(column, quoted(column.name, connection.dialect))) for column in columns
            ]
            labelled = [expression.label(f"f{place}") for place, expression in enumerate(reads)]
            select = sa.select(*labelled).select_from(found.name.clause)
            if selection.where:
                select = select.where(authored(selection.where))
            streamed = connection.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS).execute(select)
            return _added(streamed.partitions(_BATCH_ROWS), [canonical(sorts.get(c.name, c.sort)) for c in columns])
    except SQLAlchemyError as error:
        raise StatementFailed(database.name, f"reading {selection.table}", reason(error)) from error


def _named(database: Database, table: Shape, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise StatementFailed(database.name, f"reading {table.name}", f"there is no column {name}")
    return column


def _added(batches: Iterator[Sequence[Sequence[Any]]], canonical: Sequence[Canonical]) -> Checksum:
    number, total = 0, 0
    for batch in batches:
        number += len(batch)
        columns = [
            [None if value is None else make(value) for value in values]
            for make, values in zip(canonical, zip(*batch, strict=True), strict=True)
        ]
        for fields in zip(*columns, strict=True):
            total += _hashed(fields)
    return Checksum(number, f"{total % _MODULUS:032x}")


def _hashed(fields: Sequence[bytes | None]) -> int:
    content = b"".join([_NULL if field is None else len(field).to_bytes(4, "big") + field for field in fields])
    return int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "big")
