"""What databases make of values without a word: another year, the next label, fewer blanks, a number instead of digits.

Nothing of it is refused by the database, so it is refused here: a value that would be changed is a dead letter.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from changeover.transfer.changes import Convert, Unfit, shown
from changeover.transfer.shapes import Column, Sort

#: Years of two digits are moved into a century of the server's choice; 0 is kept.
_FIRST_YEAR: Final = 1901
#: SQLite keeps no larger integer as one.
_LARGEST: Final = 2**63 - 1
_NUMBER: Final = re.compile(r"\s*[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_SPAN: Final = re.compile(r"-?[0-9]{1,3}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?")
_ZONE: Final = re.compile(r"[0-9]\s*(?:[+-][0-9][0-9:]*|(?!am|pm)[a-z].*)", re.IGNORECASE)


def check_of(column: Column, dialect: str) -> Convert | None:
    """Returns a value that is ready to be written, raising Unfit when *column* would not keep it; None: it keeps every value."""
    match column.sort:
        case Sort.DATE | Sort.DATETIME:
            return None
        case _ if dialect == "sqlite":
            return _digits if column.makes_numbers and column.sort not in _OF_SQLITE else None
        case Sort.TIME:
            return _span(column) if dialect == "mysql" else _zoneless(column)
        case Sort.TEXT if column.fixed:
            return _no_blanks(column)
        case _ if dialect == "mysql":
            return _of_mysql(column)
        case _:
            return None


#: Sorts of which SQLite's numbers are what is meant, and bytes, which it leaves alone.
_OF_SQLITE: Final = frozenset({Sort.INTEGER, Sort.DECIMAL, Sort.FLOAT, Sort.BOOLEAN, Sort.BIT, Sort.BINARY})


def _of_mysql(column: Column) -> Convert | None:
    if column.sort is Sort.FLOAT and column.scale is not None:
        return _decimals(column, column.scale)
    if column.sort is Sort.INTEGER and _is_year(column):
        return _year
    if column.sort is Sort.TEXT and column.members:
        return _in_order(column) if column.several else _label(column)
    if column.sort is Sort.BINARY and column.fixed:
        return _whole(column)
    return None


def promised(source: Column, column: Column) -> bool:
    """Whether two columns of one sort are so alike that no value of *source* can be one that *column* changes."""
    match column.sort:
        case Sort.FLOAT:
            return source.scale is not None and column.scale is not None and source.scale <= column.scale
        case Sort.INTEGER:
            return _is_year(source)
        case Sort.TEXT if column.members:
            return source.members == column.members and source.several == column.several
        case Sort.TEXT:
            return source.fixed
        case Sort.BINARY:
            return source.fixed and source.length == column.length
        case Sort.TIME:
            return source.zoned == column.zoned
        case _:
            return False


def _is_year(column: Column) -> bool:
    return column.declared.startswith("year")


def _year(value: Any) -> Any:
    if 0 < value < _FIRST_YEAR:
        raise Unfit(f"{value} is no year of a YEAR, which would make another one of it")
    return value


def _decimals(column: Column, scale: int) -> Convert:
    def exact(value: Any) -> Any:
        digits = Decimal(repr(value))
        if digits != round(digits, scale):
            raise Unfit(f"{column.declared} would round {value!r}")
        return value

    return exact


def _label(column: Column) -> Convert:
    members = frozenset(column.members)

    def label(value: Any) -> Any:
        if value not in members:
            raise Unfit(f"{shown(value)} is not one of {column.declared}")
        return value

    return label


def _in_order(column: Column) -> Convert:
    def several(value: Any) -> Any:
        parts = value.split(",") if value else []
        strange = [part for part in parts if part not in column.members]
        if strange:
            raise Unfit(f"{shown(strange[0])} is not one of {column.declared}")
        written = ",".join(member for member in column.members if member in parts)
        if written != value:
            raise Unfit(f"{column.declared} would make {shown(written)} of {shown(value)}")
        return value

    return several


def _no_blanks(column: Column) -> Convert:
    def text(value: Any) -> Any:
        if value.endswith(" "):
            raise Unfit(f"{column.declared} would not keep the blanks at the end of {shown(value)}")
        return value

    return text


def _whole(column: Column) -> Convert:
    def binary(value: Any) -> Any:
        if column.length is not None and len(value) < column.length:
            raise Unfit(f"{column.declared} would fill {len(value)} bytes up with zeros")
        return value

    return binary


def _span(column: Column) -> Convert:
    def span(value: Any) -> Any:
        if not isinstance(value, str) or _SPAN.fullmatch(value) is None:
            raise Unfit(f"{shown(value)} is no {column.declared}, such as 10:30:00")
        return value

    return span


def _zoneless(column: Column) -> Convert | None:
    if column.zoned:
        return None

    def clock(value: Any) -> Any:
        if isinstance(value, str) and _ZONE.search(value):
            raise Unfit(f"{column.declared} would lose the zone of {shown(value)}")
        return value

    return clock


def _digits(value: Any) -> Any:
    """SQLite makes numbers of text in columns whose type it does not know, and 7 of 007."""
    if isinstance(value, str) and _NUMBER.fullmatch(value) and _as_number(value) != value:
        raise Unfit(f"SQLite would make the number {_as_number(value)} of {shown(value)}: declare the column as text")
    return value


def _as_number(value: str) -> str:
    try:
        number = int(value)
    except ValueError:
        pass
    else:
        return str(number) if abs(number) <= _LARGEST else repr(float(value))
    real = float(value)
    return str(int(real)) if real.is_integer() and abs(real) <= _LARGEST else repr(real)
