"""The content of a table as one figure, equal in every dialect when the content is.

Each row becomes length-prefixed canonical fields and a hash; the hashes are added up, so that the order of rows does not
matter (collations order differently) while a row that is there twice counts twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from changeover.contracts import Database
from changeover.counting import counted
from changeover.transfer.adapters import dialect_of
from changeover.transfer.databases import StatementFailed, reason
from changeover.transfer.digests import Portion, digest_of_both
from changeover.transfer.fitting import plain
from changeover.transfer.reading import authored
from changeover.transfer.sessions import session
from changeover.transfer.shapes import NUMERIC, TEMPORAL, Column, Shape, Sort, TableName, shape

Canonical = Callable[[Any], bytes]

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
        sorts.append(_common(one.sort if one else Sort.OTHER, two.sort if two else Sort.OTHER))
    mine = Portion(source, left, tuple(_named(source, left, name) for name in names), first.where)
    theirs = Portion(target, right, tuple(_named(target, right, name) for name in others), second.where)
    same = digest_of_both(mine, theirs, sorts)
    if same is not None:
        found = Checksum(same.rows, same.figure)
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
        total += _hashed([None if value is None else _by_type(value) for value in row])
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
            quote = connection.dialect.identifier_preparer.quote
            reads: list[sa.ColumnElement[Any]] = [
                sa.literal_column(dialect.transport(column, quote(column.name))) for column in columns
            ]
            labelled = [expression.label(f"f{place}") for place, expression in enumerate(reads)]
            select = sa.select(*labelled).select_from(found.name.clause)
            if selection.where:
                select = select.where(authored(selection.where))
            streamed = connection.execution_options(stream_results=True, max_row_buffer=_BATCH_ROWS).execute(select)
            return _added(streamed.partitions(_BATCH_ROWS), [_canonical(sorts.get(c.name, c.sort)) for c in columns])
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


def _common(one: Sort, two: Sort) -> Sort:
    """The sort in which two columns are compared."""
    if one is two:
        return one
    for wide in (Sort.JSON, Sort.BIT):
        if wide in {one, two}:
            return wide
    if one in NUMERIC or two in NUMERIC:
        return Sort.DECIMAL
    if one in TEMPORAL or two in TEMPORAL:
        return Sort.DATETIME
    return one if two in {Sort.TEXT, Sort.OTHER} else two


def _canonical(sort: Sort) -> Canonical:
    if sort in {Sort.INTEGER, Sort.BOOLEAN}:
        return _whole
    if sort in NUMERIC - {Sort.BIT}:
        return _number
    if sort in TEMPORAL:
        return _moment
    return {Sort.JSON: _json, Sort.BIT: _bits, Sort.TIME: _clock, Sort.TEXT: _text}.get(sort, _by_type)


def _text(value: Any) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else _by_type(value)


def _whole(value: Any) -> bytes:
    return b"%d" % value if isinstance(value, int) else _number(value)


def _number(value: Any) -> bytes:
    """Without sign of scale: 12, 12.0 and 12.00 are one number."""
    if isinstance(value, int):
        return b"%d" % value
    try:
        number = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        return _text(str(value))
    text = format(number, "f") if number.is_finite() else str(number)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return (b"0" if text in {"-0", ""} else text.encode()) if number.is_finite() else text.lower().encode()


_ZONE: Final = re.compile(r"(?:Z|\+00(?::?00)?)$")


def _moment(value: Any) -> bytes:
    """ISO text without what means nothing: a zone of UTC, zeros of a fraction, midnight."""
    text = _ZONE.sub("", str(plain(value))).replace("T", " ")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.removesuffix(" 00:00:00").encode()


def _clock(value: Any) -> bytes:
    text = str(plain(value))
    return (text.rstrip("0").rstrip(".") if "." in text else text).encode()


def _json(value: Any) -> bytes:
    try:
        found = json.loads(value) if isinstance(value, str | bytes) else value
    except ValueError:
        return _text(value)
    return json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")


def _bits(value: Any) -> bytes:
    return b"%d" % (int(value, 2) if isinstance(value, str) else int(value))


def _by_type(value: Any) -> bytes:
    value = plain(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    return _number(value)
