from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.transfer.changes import Convert, Unfit
from changeover.transfer.fitting import Target, fit, plain
from changeover.transfer.shapes import Column, Sort

SMALL = Column("c", Sort.INTEGER, "smallint", lowest=-32768, highest=32767)
MONEY = Column("c", Sort.DECIMAL, "numeric(6, 2)", precision=6, scale=2)
NAME = Column("c", Sort.TEXT, "varchar(5)", length=5)
DAY = Column("c", Sort.DATE, "date")
MOMENT = Column("c", Sort.DATETIME, "timestamp", fraction=None)
SECOND = Column("c", Sort.DATETIME, "datetime", fraction=0)
FLAG = Column("c", Sort.BOOLEAN, "boolean")
REAL = Column("c", Sort.FLOAT, "double precision")
SINGLE = Column("c", Sort.FLOAT, "real", single=True)
CLOCK = Column("c", Sort.TIME, "time(3)", fraction=3)
SPAN = Column("c", Sort.INTERVAL, "interval(0)", fraction=0)
BITS = Column("c", Sort.BIT, "bit", length=3)


def into(
    column: Column, dialect: str = "postgresql", nul: Literal["reject", "strip"] = "reject", source: str = "mysql"
) -> Convert:
    convert = fit(None, column, Target(dialect, nul), source_dialect=source)
    assert convert is not None
    return convert


@pytest.mark.parametrize(
    ("column", "value", "arrives"),
    [
        (SMALL, 7, 7),
        (SMALL, "7", 7),
        (SMALL, Decimal("7.00"), 7),
        (SMALL, 7.0, 7),
        (SMALL, True, True),
        (MONEY, Decimal("1234.50"), Decimal("1234.50")),
        (MONEY, 12.34, Decimal("12.34")),
        (MONEY, "9999.99", Decimal("9999.99")),
        (MONEY, Decimal("1.500"), Decimal("1.500")),
        (NAME, "áéíóú", "áéíóú"),
        (NAME, 12345, "12345"),
        (NAME, b"abc", "abc"),
        (DAY, "2024-02-29", "2024-02-29"),
        (DAY, "2024-02-29 00:00:00.000", "2024-02-29"),
        (DAY, date(2024, 2, 29), "2024-02-29"),
        (DAY, "infinity", "infinity"),
        (MOMENT, "2024-02-29 12:30:00.123456", "2024-02-29 12:30:00.123456"),
        (MOMENT, "2024-02-29", "2024-02-29 00:00:00"),
        (MOMENT, "2024-02-29T12:30:00+00", "2024-02-29 12:30:00"),
        (SECOND, "2024-02-29 12:30:00.000", "2024-02-29 12:30:00.000"),
        (FLAG, 1, True),
        (FLAG, "f", False),
        (REAL, Decimal("0.1"), 0.1),
        (SINGLE, 0.1, 0.1),
        (SINGLE, 0.10000000149011612, 0.10000000149011612),
        (SINGLE, float("inf"), float("inf")),
        (SINGLE, Decimal("1e-45"), 1e-45),
        (CLOCK, "12:30:00.123", "12:30:00.123"),
        (CLOCK, "12:30:00.123000", "12:30:00.123000"),
        (CLOCK, timedelta(hours=12, milliseconds=5), "12:00:00.005000"),
        (SPAN, "-838:59:59", "-838:59:59"),
        (BITS, 5, "101"),
        (BITS, "011", "011"),
    ],
)
def test_a_value_that_fits_arrives_exactly(column: Column, value: Any, arrives: Any) -> None:
    assert into(column)(value) == arrives


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        (SINGLE, 0.123456789, "real would round 0.123456789"),
        (SINGLE, 16777217, "real would round 16777217.0"),
        (SINGLE, 1e300, "real would round 1e"),
        (SINGLE, 1e-60, "real would round 1e-60"),
        (CLOCK, "12:30:00.1234", "would lose part of the second of 12:30:00.1234"),
        (CLOCK, time(1, 2, 3, 4), "would lose part of the second"),
        (SPAN, "1 day 00:00:00.5", "would lose part of the second"),
        (SMALL, 40000, "40000 is outside smallint"),
        (SMALL, "x", "'x' is no smallint"),
        (SMALL, 1.5, "has a fraction"),
        (SMALL, b"1", "bytes are no smallint"),
        (MONEY, Decimal("1.239"), "more than 2 decimals"),
        (MONEY, Decimal(10000), "does not fit"),
        (MONEY, float("nan"), "no finite number"),
        (NAME, "too long", "8 characters do not fit"),
        (NAME, "a\0b", "contains NUL"),
        (NAME, "a\udcff", "not valid UTF-8"),
        (NAME, b"\xff", "no UTF-8 text"),
        (DAY, "0000-00-00", "zero date"),
        (DAY, "2024-00-10", "there is no day 2024-00-10"),
        (DAY, "2023-02-29", "there is no day"),
        (DAY, "2024-02-29 12:00:00", "would lose the time"),
        (DAY, "yesterday", "'yesterday' is no date"),
        (MOMENT, "2024-02-29 12:30:00+02", "would lose the zone"),
        (MOMENT, "2024-02-29 25:30:00", "there is no time"),
        (SECOND, "2024-02-29 12:30:00.5", "would lose part of the second"),
        (FLAG, 2, "neither true nor false"),
        (REAL, Decimal("0.12345678901234567890"), "would round"),
        (BITS, 9, "does not fit"),
        (BITS, "x", "is no bit"),
    ],
)
def test_a_value_that_does_not_fit_says_why(column: Column, value: Any, why: str) -> None:
    with pytest.raises(Unfit, match=why.replace("(", r"\(")):
        into(column)(value)


def test_nul_is_left_out_where_the_policy_says_so() -> None:
    assert into(NAME, nul="strip")("a\0b") == "ab"


def test_nul_arrives_where_the_target_can_hold_it() -> None:
    assert into(NAME, "mysql")("a\0b") == "a\0b"


def test_sqlite_is_not_given_a_decimal_that_it_would_round() -> None:
    convert = into(Column("c", Sort.DECIMAL, "decimal(38, 10)", precision=38, scale=10), "sqlite")
    assert convert(Decimal("1234567890123.45")) == "1234567890123.45"
    with pytest.raises(Unfit, match="SQLite would round"):
        convert(Decimal("1234567890123.456"))


def test_infinity_is_refused_outside_postgresql() -> None:
    with pytest.raises(Unfit, match="no finite number"):
        into(REAL, "mysql")(float("inf"))


def test_between_two_mariadbs_even_a_zero_date_arrives() -> None:
    assert into(DAY, "mysql", source="mysql")("0000-00-00") == "0000-00-00"


def test_nothing_is_called_where_the_types_alone_promise_a_fit() -> None:
    target = Target("postgresql", "reject")
    assert fit(MONEY, MONEY, target, source_dialect="mysql") is None
    assert (
        fit(SMALL, Column("c", Sort.INTEGER, "bigint", lowest=-(2**63), highest=2**63 - 1), target, source_dialect="mysql")
        is None
    )
    assert fit(NAME, Column("c", Sort.TEXT, "text"), target, source_dialect="postgresql") is None


def test_sqlite_types_promise_nothing() -> None:
    assert fit(SMALL, SMALL, Target("postgresql", "reject"), source_dialect="sqlite") is not None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**7), max_value=10**7))
def test_a_decimal_arrives_unchanged_or_not_at_all(value: Decimal) -> None:
    try:
        assert into(MONEY)(value) == value
    except Unfit:
        assert value != round(value, 2) or abs(value) >= 10**4


@pytest.mark.parametrize(
    ("value", "travels"),
    [
        (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05"),  # noqa: DTZ001 - as a driver gives it
        (time(3, 4, 5), "03:04:05"),
        (timedelta(hours=-30, minutes=-5), "-30:05:00"),
        (timedelta(hours=838, minutes=59, seconds=59, microseconds=5), "838:59:59.000005"),
        ({"a": "ő"}, '{"a": "ő"}'),
        (bytearray(b"x"), b"x"),
        (None, None),
    ],
)
def test_what_a_driver_gives_travels_as_a_plain_value(value: Any, travels: Any) -> None:
    assert plain(value) == travels
