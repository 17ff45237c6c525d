"""A column that is accepted as a whole would have passed value by value, unchanged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.transfer.accepting import accepts_of
from changeover.transfer.fitting import Target, fit
from changeover.transfer.shapes import Column, Sort

COLUMNS = (
    Column("c", Sort.INTEGER, "smallint", lowest=-(2**15), highest=2**15 - 1),
    Column("c", Sort.TEXT, "varchar(5)", length=5),
    Column("c", Sort.TEXT, "text"),
    Column("c", Sort.DATE, "date"),
    Column("c", Sort.DATETIME, "timestamp"),
    Column("c", Sort.DATETIME, "timestamp(0)", fraction=0),
    Column("c", Sort.DATETIME, "timestamptz", zoned=True),
)
DIGITS = st.from_regex(
    r"\A(2024|0000|9999|٢٠٢٤)-(0[0-9]|1[0-3])-(0[0-9]|2[89]|3[0-2])( (0[0-9]|2[0-5]):[0-6][0-9]:[0-6][0-9](\.[0-9]{1,8})?)?\Z"
)
VALUES = (
    st.none()
    | st.integers(-(2**16), 2**16)
    | st.booleans()
    | st.floats()
    | st.just(Decimal(5))
    | st.text(st.sampled_from("aő\0\n\ud800 "), max_size=7)
    | DIGITS
    | st.dates().map(str)
    | st.datetimes().map(str)
)


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "sqlite"])
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.declared)
@given(values=st.lists(VALUES, min_size=1, max_size=3))
def test_what_is_accepted_as_a_whole_fits_unchanged_one_by_one(column: Column, dialect: str, values: list[Any]) -> None:
    target = Target(dialect, "reject")
    accepts, convert = accepts_of(column, target), fit(None, column, target, source_dialect="sqlite")
    if accepts is not None and convert is not None and accepts(values):
        made = [None if value is None else convert(value) for value in values]
        assert list(zip(map(type, made), made, strict=True)) == list(zip(map(type, values), values, strict=True))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (COLUMNS[0], [1, None, -5]),
        (COLUMNS[1], ["ő", None, "12345"]),
        (COLUMNS[3], ["2024-02-29", None]),
        (COLUMNS[4], ["2024-02-29 23:59:59", "2024-02-29 23:59:59.123456"]),
    ],
)
def test_usual_columns_are_accepted(column: Column, values: list[Any]) -> None:
    accepts = accepts_of(column, Target("postgresql", "reject"))
    assert accepts is not None
    assert accepts(values)
